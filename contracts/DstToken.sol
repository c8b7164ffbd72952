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
        Terms memory terms = _terms;
        if (terms.verified) revert AlreadyVerified();
        uint256 id = auctionId();
        if (!AUCTION.deliveriesResolved(id)) revert DeliveriesPending();
        if (proposal.levelDen == 0 || proposal.levelNum > type(uint88).max || proposal.count == 0) {
            revert ProposalInvalid();
        }
        terms.effectiveFloor = uint96(_effectiveFloor(terms, proposal.count));

        bytes32 key = keccak256(abi.encode(proposal));
        Progress memory progress = _progress[key];
        uint256 from = progress.cursor;
        uint256 bidCount = AUCTION.bidCount(id);
        uint256 to = from + count < bidCount ? from + count : bidCount;
        if (to == from) revert NothingToWalk();
        _walk(id, from, to, terms, proposal, progress);
        progress.cursor = uint32(to);
        emit DstWalked(key, from, to);
        if (to < bidCount) {
            _progress[key] = progress;
            return false;
        }

        _check(terms, proposal, progress);
        terms.verified = true;
        _terms = terms;
        _level = proposal;
        emit DstVerified(proposal, terms.effectiveFloor, progress.issued);
        return true;
    }

    function _walk(
        uint256 id,
        uint256 from,
        uint256 to,
        Terms memory terms,
        Proposal calldata proposal,
        Progress memory progress
    ) internal view {
        Bid[] memory bids = AUCTION.bids(id, from, to);
        address[] memory chunks = AUCTION.scoreChunks(id);
        for (uint256 i = from; i < to; ++i) {
            if (!bids[i - from].has(BidLibrary.DELIVERED)) continue;
            uint256 score = Scores.read(chunks[i / Scores.CHUNK], i % Scores.CHUNK);
            progress.volumeSum += uint64(Scores.volume(score));
            progress.qualitySum += uint32(Scores.q(score));
            progress.impactSum += uint32(Scores.phi(score));
            ++progress.count;

            uint256 n = _score(terms, proposal, score);
            if (n != 0) ++progress.positive;
            (uint256 share, uint256 remainder, bool free) = _share(terms, proposal, n);
            if (free) {
                progress.freeScore += uint192(n);
                if (_roundsUp(proposal, remainder, i)) ++share;
            } else {
                progress.bounds += uint96(share);
                if (n != 0 && share == terms.cap) ++progress.capped;
            }
            progress.issued += uint96(share);
        }
    }

    /// @dev The sums are those proposed; λ puts exactly the supply under the level (or everybody with a positive score
    /// is at the cap and some is left); the rounded shares sum to the supply.
    function _check(Terms memory terms, Proposal calldata proposal, Progress memory progress) internal pure {
        if (
            progress.volumeSum != proposal.volumeSum ||
            progress.qualitySum != proposal.qualitySum ||
            progress.impactSum != proposal.impactSum ||
            progress.count != proposal.count
        ) revert SumsDiffer(progress.volumeSum, progress.qualitySum, progress.impactSum, progress.count);
        bool exact =
            progress.bounds <= terms.supply &&
                uint256(proposal.levelNum) * progress.freeScore ==
                    uint256(terms.supply - progress.bounds) * proposal.levelDen;
        bool saturated = progress.positive == progress.capped && progress.issued <= terms.supply;
        if (!(exact && progress.issued == terms.supply) && !saturated) revert LevelWrong(progress.issued, terms.supply);
    }

    function _effectiveFloor(Terms memory terms, uint256 count) internal pure returns (uint256) {
        uint256 even = terms.supply / count;
        return terms.floor < even ? terms.floor : even;
    }

    function _score(Terms memory terms, Proposal memory proposal, uint256 score) internal pure returns (uint256) {
        uint256 v = proposal.volumeSum == 0 ? 1 : proposal.volumeSum;
        uint256 q = proposal.qualitySum == 0 ? 1 : proposal.qualitySum;
        uint256 g = proposal.impactSum == 0 ? 1 : proposal.impactSum;
        return
            terms.volumeWeight * Scores.volume(score) * q * g +
            terms.qualityWeight * Scores.q(score) * v * g +
            (PPB - terms.volumeWeight - terms.qualityWeight) * Scores.phi(score) * v * q;
    }

    /// @dev Share rounded down and remainder over levelDen; `free` when neither floor nor cap binds.
    function _share(
        Terms memory terms,
        Proposal memory proposal,
        uint256 n
    ) internal pure returns (uint256 share, uint256 remainder, bool free) {
        uint256 level = proposal.levelNum * n;
        if (level <= uint256(terms.effectiveFloor) * proposal.levelDen) return (terms.effectiveFloor, 0, false);
        if (level >= uint256(terms.cap) * proposal.levelDen) return (terms.cap, 0, false);
        return (level / proposal.levelDen, level % proposal.levelDen, true);
    }

    function _roundsUp(Proposal memory proposal, uint256 remainder, uint256 index) internal pure returns (bool) {
        if (proposal.tieIndex == type(uint32).max) return false;
        return remainder > proposal.tieRemainder || (remainder == proposal.tieRemainder && index <= proposal.tieIndex);
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
        Terms memory terms = _terms;
        if (!terms.verified) revert NotVerified();
        Proposal memory proposal = _level;
        uint256 id = auctionId();
        Bid bid = AUCTION.bids(id, index, index + 1)[0];
        if (!bid.has(BidLibrary.DELIVERED)) return 0;
        uint256 score = Scores.read(AUCTION.scoreChunks(id)[index / Scores.CHUNK], index % Scores.CHUNK);
        (uint256 share, uint256 remainder, bool free) = _share(terms, proposal, _score(terms, proposal, score));
        return free && _roundsUp(proposal, remainder, index) ? share + 1 : share;
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
