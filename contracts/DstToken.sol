// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IDstToken} from "./interfaces/IDstToken.sol";
import {Scores} from "./libraries/Scores.sol";
import {Bid, BidLibrary, Place} from "./types/Bid.sol";

/// @title DstToken
/// @notice See IDstToken. A clone an auction; the auction's id is part of the clone's code.
///
/// Over the common denominator V·Q·G of the three sums, a provider's score is the integer
/// `n = a·v·Q·G + b·q·V·G + c·φ·V·Q` (a, b, c the weights in parts per billion; a sum of 0 is taken as 1, its terms
/// are 0). Its share is `clamp(λ n, floor, cap)` with λ = levelNum / levelDen, all of it exact.
/// @dev Σ n < 2^30 · 2^64 · 2^32 · 2^32 = 2^158; levelNum, cap and supply are below 2^88: no product reaches 2^256.
contract DstToken is IDstToken, ERC20 {
    uint256 internal constant PPB = 1e9;

    struct Terms {
        uint96 supply;
        uint96 floor;
        uint32 volumeWeight;
        uint32 qualityWeight;
        uint96 cap;
        uint96 effectiveFloor;
        bool verified;
    }

    struct Progress {
        uint32 cursor;
        uint32 count;
        uint64 volumeSum;
        uint32 qualitySum;
        uint32 impactSum;
        uint32 positive;
        uint96 issued;
        uint96 bounds;
        uint32 capped;
        uint192 freeScore;
    }

    IDataAuction public immutable AUCTION;
    address public immutable FACTORY;

    Terms internal _terms;
    Proposal internal _level;
    mapping(bytes32 proposal => Progress) internal _progress;
    mapping(uint256 word => uint256) internal _claimed;

    constructor(IDataAuction auction) ERC20("", "") {
        AUCTION = auction;
        FACTORY = msg.sender;
    }

    /// @inheritdoc IDstToken
    function initialize(IDataAuction.DstTerms calldata terms) external {
        if (msg.sender != FACTORY) revert NotTheFactory(msg.sender);
        _terms = Terms({
            supply: terms.supply,
            floor: terms.floor,
            volumeWeight: terms.volumeWeight,
            qualityWeight: terms.qualityWeight,
            cap: terms.cap,
            effectiveFloor: 0,
            verified: false
        });
    }

    /*//////////////////////////////////////////////////////////////
                               WATER LEVEL
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDstToken
    function verify(Proposal calldata proposal, uint256 count) external returns (bool done) {
        Terms memory t = _terms;
        if (t.verified) revert AlreadyVerified();
        uint256 id = auctionId();
        if (!AUCTION.deliveriesResolved(id)) revert DeliveriesPending();
        if (proposal.levelDen == 0 || proposal.levelNum > type(uint88).max || proposal.count == 0) {
            revert ProposalInvalid();
        }
        t.effectiveFloor = uint96(_effectiveFloor(t, proposal.count));

        bytes32 key = keccak256(abi.encode(proposal));
        Progress memory p = _progress[key];
        uint256 from = p.cursor;
        uint256 bidCount = AUCTION.bidCount(id);
        uint256 to = from + count < bidCount ? from + count : bidCount;
        if (to == from) revert NothingToWalk();
        _walk(id, from, to, t, proposal, p);
        p.cursor = uint32(to);
        emit DstWalked(key, from, to);
        if (to < bidCount) {
            _progress[key] = p;
            return false;
        }

        _check(t, proposal, p);
        t.verified = true;
        _terms = t;
        _level = proposal;
        emit DstVerified(proposal, t.effectiveFloor, p.issued);
        return true;
    }

    function _walk(
        uint256 id,
        uint256 from,
        uint256 to,
        Terms memory t,
        Proposal calldata proposal,
        Progress memory p
    ) internal view {
        Bid[] memory bids = AUCTION.bids(id, from, to);
        address[] memory chunks = AUCTION.scoreChunks(id);
        for (uint256 i = from; i < to; ++i) {
            if (!bids[i - from].has(BidLibrary.DELIVERED)) continue;
            uint256 score = Scores.read(chunks[i / Scores.CHUNK], i % Scores.CHUNK);
            p.volumeSum += uint64(Scores.volume(score));
            p.qualitySum += uint32(Scores.q(score));
            p.impactSum += uint32(Scores.phi(score));
            ++p.count;

            uint256 n = _score(t, proposal, score);
            if (n != 0) ++p.positive;
            (uint256 share, uint256 remainder, bool free) = _share(t, proposal, n);
            if (free) {
                p.freeScore += uint192(n);
                if (_roundsUp(proposal, remainder, i)) ++share;
            } else {
                p.bounds += uint96(share);
                if (n != 0 && share == t.cap) ++p.capped;
            }
            p.issued += uint96(share);
        }
    }

    /// @dev The sums are those proposed; λ puts exactly the supply under the level (or everybody with a positive score
    /// is at the cap and some is left); the rounded shares sum to the supply.
    function _check(Terms memory t, Proposal calldata proposal, Progress memory p) internal pure {
        if (
            p.volumeSum != proposal.volumeSum ||
            p.qualitySum != proposal.qualitySum ||
            p.impactSum != proposal.impactSum ||
            p.count != proposal.count
        ) revert SumsDiffer(p.volumeSum, p.qualitySum, p.impactSum, p.count);
        bool exact =
            p.bounds <= t.supply &&
                uint256(proposal.levelNum) * p.freeScore == uint256(t.supply - p.bounds) * proposal.levelDen;
        bool saturated = p.positive == p.capped && p.issued <= t.supply;
        if (!(exact && p.issued == t.supply) && !saturated) revert LevelWrong(p.issued, t.supply);
    }

    function _effectiveFloor(Terms memory t, uint256 count) internal pure returns (uint256) {
        uint256 even = t.supply / count;
        return t.floor < even ? t.floor : even;
    }

    function _score(Terms memory t, Proposal memory p, uint256 score) internal pure returns (uint256) {
        uint256 v = p.volumeSum == 0 ? 1 : p.volumeSum;
        uint256 q = p.qualitySum == 0 ? 1 : p.qualitySum;
        uint256 g = p.impactSum == 0 ? 1 : p.impactSum;
        return
            t.volumeWeight * Scores.volume(score) * q * g +
            t.qualityWeight * Scores.q(score) * v * g +
            (PPB - t.volumeWeight - t.qualityWeight) * Scores.phi(score) * v * q;
    }

    /// @dev Share rounded down and remainder over levelDen; `free` when neither floor nor cap binds.
    function _share(
        Terms memory t,
        Proposal memory p,
        uint256 n
    ) internal pure returns (uint256 share, uint256 remainder, bool free) {
        uint256 level = p.levelNum * n;
        if (level <= uint256(t.effectiveFloor) * p.levelDen) return (t.effectiveFloor, 0, false);
        if (level >= uint256(t.cap) * p.levelDen) return (t.cap, 0, false);
        return (level / p.levelDen, level % p.levelDen, true);
    }

    function _roundsUp(Proposal memory p, uint256 remainder, uint256 index) internal pure returns (bool) {
        if (p.tieIndex == type(uint32).max) return false;
        return remainder > p.tieRemainder || (remainder == p.tieRemainder && index <= p.tieIndex);
    }

    /*//////////////////////////////////////////////////////////////
                                  CLAIM
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDstToken
    function claim(Place calldata place) external returns (uint256 amount) {
        uint256 index = place.index;
        Bid bid = AUCTION.bids(auctionId(), index, index + 1)[0];
        if (bid.tag() != BidLibrary.tagOf(address(AUCTION), auctionId(), place)) {
            revert NotTheOwner(index);
        }
        uint256 bit = 1 << (index & 0xff);
        amount = shareOf(index);
        if (amount == 0 || _claimed[index >> 8] & bit != 0) revert NothingToClaim(index);
        _claimed[index >> 8] |= bit;
        emit DstClaimed(index, place.owner, amount);
        _mint(place.owner, amount);
    }

    /// @inheritdoc IDstToken
    function shareOf(uint256 index) public view returns (uint256) {
        Terms memory t = _terms;
        if (!t.verified) revert NotVerified();
        Proposal memory p = _level;
        uint256 id = auctionId();
        Bid bid = AUCTION.bids(id, index, index + 1)[0];
        if (!bid.has(BidLibrary.DELIVERED)) return 0;
        uint256 score = Scores.read(AUCTION.scoreChunks(id)[index / Scores.CHUNK], index % Scores.CHUNK);
        (uint256 share, uint256 remainder, bool free) = _share(t, p, _score(t, p, score));
        return free && _roundsUp(p, remainder, index) ? share + 1 : share;
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDstToken
    function auctionId() public view returns (uint256) {
        return abi.decode(Clones.fetchCloneArgs(address(this)), (uint256));
    }

    /// @inheritdoc IERC20Metadata
    function name() public view override(ERC20, IERC20Metadata) returns (string memory) {
        return string.concat("Q-MIA Data Share Token ", Strings.toString(auctionId()));
    }

    /// @inheritdoc IERC20Metadata
    function symbol() public view override(ERC20, IERC20Metadata) returns (string memory) {
        return string.concat("DST-", Strings.toString(auctionId()));
    }
}
