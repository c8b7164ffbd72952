// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {Clearing} from "./Clearing.sol";
import {Exchange} from "./Exchange.sol";
import {MutToken} from "./MutToken.sol";
import {TermsRules} from "./TermsRules.sol";
import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {Clock} from "./libraries/Clock.sol";
import {Scores} from "./libraries/Scores.sol";
import {WeightRule, Weights} from "./libraries/Weights.sol";
import {Bid, BidLibrary, Place} from "./types/Bid.sol";

/// @title DataAuction
/// @notice See IDataAuction for the protocol and every function.
contract DataAuction is IDataAuction, EIP712, Nonces, ReentrancyGuardTransient {
    using Clock for Clock.Walk;
    using SafeERC20 for IERC20;

    /*//////////////////////////////////////////////////////////////
                                CONSTANTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Version of the events' meaning; an auditor refuses versions that it does not know.
    uint256 public constant SCHEMA = 2;

    uint256 internal constant PPB = 1e9;
    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;

    uint256 internal constant CASH = 1;
    uint256 internal constant MUT = 2;
    uint256 internal constant BOND = 4;

    bytes32 internal constant COMMIT_TYPEHASH = keccak256(
        "Commit(uint256 auctionId,bytes32 sealedBid,bytes32 manifest,bytes32 contentDigest,uint64 size,bytes32 keyCommitment,bytes32 agreement,address payer,uint256 nonce,uint256 deadline)"
    );
    bytes32 internal constant OPENING_TYPEHASH = keccak256("Opening(uint256 auctionId,uint256 index,bytes32 opening)");
    bytes32 internal constant KEY_TYPEHASH = keccak256("EncryptionKey(address owner,bytes32 x,bytes32 y)");

    IScoreOracle public immutable ORACLE;
    TermsRules public immutable RULES;
    Clearing public immutable CLEARING;
    Exchange public immutable EXCHANGE;
    address public immutable MUT_IMPLEMENTATION;
    /// @notice Seconds from the end of the commitments to the draw of the samples.
    uint256 public immutable DRAW;

    /*//////////////////////////////////////////////////////////////
                                 STORAGE
    //////////////////////////////////////////////////////////////*/

    /// @dev One slot: `num / den` token units per unit of weight, and what every payment needs beside it.
    struct PaidPrice {
        uint80 num;
        uint96 den;
        uint32 rho;
    }

    /// @dev One slot: the marginal winner of a clock. It stands here because a delivery takes the place of its cost.
    struct Marginal {
        uint32 index;
        uint80 cost;
        uint64 weight;
    }

    /// @dev Grouped by slot; each of the frequent calls reads as few as possible.
    struct Auction {
        // commit
        uint40 commitEnd;
        uint32 count;
        uint32 maxBids;
        uint40 bondGwei;
        uint40 entryFeeGwei;
        bool enrolment;
        uint32 tranche;
        // commit
        bytes32 agreement;
        // open, reveal and settle
        uint40 openStart;
        uint40 openEnd;
        uint40 revealStart;
        uint40 revealEnd;
        uint80 beta;
        uint16 qMin;
        // reveal
        WeightRule weights;
        // settle, deliver and dispute
        State state;
        uint40 settleEnd;
        uint40 fetchEnd;
        uint40 deliverEnd;
        uint32 winners;
        uint32 delivered;
        uint32 forfeited;
        bool split;
        // of flagged bids (where split), and of others
        Marginal lastFlagged;
        Marginal last;
        // claim
        address token;
        uint40 disputeEnd;
        uint40 claimBondGwei;
        // prices, of flagged bids (where split) and of others
        PaidPrice flaggedPrice;
        PaidPrice price;
        // buyer
        uint80 pool;
        uint80 refund;
        uint80 buyerMut;
        address buyer;
        uint96 bounty;
        address keyAddress;
        uint40 feeGwei;
        uint40 fetchFeeGwei;
        uint80 budget;
        bool buyerHolds;
        // bounty
        bytes32 proposal;
    }

    /// @dev Progress of one proposal: tallies of the clocks over all, flagged and unflagged bids.
    struct Progress {
        Clock.Tally[3] tallies;
        uint32 cursor;
        uint32 revealed;
        uint32 unrevealed;
    }

    uint256 public auctionCount;
    // slither-disable-next-line uninitialized-state (written through storage pointers)
    mapping(uint256 auctionId => Auction) internal _auctions;
    mapping(uint256 auctionId => Bid[1 << 32]) internal _bids;
    mapping(uint256 auctionId => mapping(uint256 chunk => address)) internal _scores;
    /// @inheritdoc IDataAuction
    mapping(uint256 auctionId => bytes32) public dstTermsHash;
    mapping(bytes32 proposal => Progress) internal _progress;
    mapping(bytes32 proposal => mapping(address settler => uint256)) internal _walked;

    constructor(
        IScoreOracle oracle,
        uint256 draw,
        uint256 leastProviderWindow,
        uint256 leastOperatorWindow
    ) EIP712("Q-MIA DataAuction", "1") {
        // Arbitrum answers 1, others a small constant; a drawn one is this small once in 2^128 blocks.
        if (block.prevrandao < 1 << 128) revert NoRandomness(block.prevrandao);
        ORACLE = oracle;
        DRAW = draw;
        RULES = new TermsRules(draw, leastProviderWindow, leastOperatorWindow);
        CLEARING = new Clearing();
        EXCHANGE = new Exchange(oracle);
        MUT_IMPLEMENTATION = address(new MutToken());
    }

    /*//////////////////////////////////////////////////////////////
                                 CREATE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function create(
        Terms calldata terms,
        EncryptionKey calldata key
    ) external payable nonReentrant returns (uint256 auctionId) {
        address keyAddress = _checkKey(key);
        (uint256 beta, uint256 reserve, uint256 bounty) = RULES.check(terms, msg.value);

        auctionId = ++auctionCount;
        Auction storage a = _auctions[auctionId];
        // slither-disable-next-line reentrancy-benign (the oracle calls nobody)
        _setPhases(a, auctionId, terms);
        // In the order of their slots, so that each is written once.
        a.maxBids = terms.maxBids;
        a.bondGwei = terms.bondGwei;
        a.entryFeeGwei = terms.scoring.entryFeeGwei;
        a.enrolment = terms.enrolment;
        a.tranche = terms.tranche;
        a.agreement = terms.agreement;
        a.beta = uint80(beta);
        a.qMin = terms.scoring.qMin;
        a.weights = terms.weights;
        a.token = terms.token;
        a.claimBondGwei = terms.bondGwei;
        a.price.rho = terms.rho;
        a.pool = terms.pool;
        a.buyer = msg.sender;
        a.bounty = uint96(bounty);
        a.keyAddress = keyAddress;
        a.feeGwei = terms.scoring.feeGwei;
        a.fetchFeeGwei = terms.scoring.fetchFeeGwei;
        a.budget = terms.budget;
        if (terms.dst.supply != 0) dstTermsHash[auctionId] = keccak256(abi.encode(terms.dst));

        // Before the token is called: a hostile one could commit from within, and its log would come before this one.
        emit AuctionCreated(auctionId, msg.sender, SCHEMA, terms, key.x, key.y, bounty, beta, reserve);
        if (terms.budget != 0) {
            IERC20 token = IERC20(terms.token);
            uint256 before = token.balanceOf(address(this));
            token.safeTransferFrom(msg.sender, address(this), terms.budget);
            uint256 received = token.balanceOf(address(this)) - before;
            if (received != terms.budget) revert BalanceMismatch(terms.budget, received);
        }
    }

    /// @dev The key's own signature proves that somebody can open what is wrapped for it (no rogue or mistyped key).
    function _checkKey(EncryptionKey calldata key) internal view returns (address keyAddress) {
        keyAddress = address(uint160(uint256(keccak256(abi.encode(key.x, key.y)))));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(KEY_TYPEHASH, msg.sender, key.x, key.y)));
        // slither-disable-next-line unused-return (of a malformed signature the signer is 0)
        (address signer, , ) = ECDSA.tryRecoverCalldata(digest, key.signature);
        if (signer != keyAddress) revert KeyNotOwned(signer, keyAddress);
    }

    /// @dev The oracle checks the score windows, and knows whether there is an appeal.
    function _setPhases(Auction storage a, uint256 auctionId, Terms calldata terms) internal {
        Durations calldata d = terms.durations;
        uint256 t = block.timestamp + d.commit;
        a.commitEnd = uint40(t);
        a.openStart = uint40(t += DRAW);
        a.openEnd = uint40(t += d.open);
        t = ORACLE.open(
            auctionId,
            IScoreOracle.Request({
                operatorSet: terms.scoring.operatorSet,
                start: uint40(t),
                rollWindow: d.roll,
                commitWindow: d.scoreCommit,
                openWindow: d.scoreOpen,
                postWindow: d.scorePost,
                challengeWindow: d.challenge,
                metricVersion: terms.scoring.metricVersion,
                stake: uint96(uint256(terms.scoring.stakeGwei) * 1 gwei),
                appealFee: uint96(uint256(terms.scoring.appealFeeGwei) * 1 gwei)
            })
        );
        a.revealStart = uint40(t);
        a.revealEnd = uint40(t += d.reveal);
        a.settleEnd = uint40(t += d.settle);
        a.fetchEnd = uint40(t += d.fetch);
        a.deliverEnd = uint40(t += d.deliver);
        a.disputeEnd = uint40(t += d.dispute);
    }

    /*//////////////////////////////////////////////////////////////
                                 COMMIT
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function commit(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement
    ) external payable returns (uint256 index) {
        return _commit(auctionId, sealedBid, dataSet, agreement, msg.sender);
    }

    /// @inheritdoc IDataAuction
    function commitFor(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement,
        address owner,
        uint256 deadline,
        bytes calldata signature
    ) external payable returns (uint256 index) {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 structHash = keccak256(
            abi.encode(
                COMMIT_TYPEHASH,
                auctionId,
                sealedBid,
                dataSet,
                agreement,
                // Free to choose the payer, a relayer could look for two owners' tags that collide (2^52 work).
                msg.sender,
                _useNonce(owner),
                deadline
            )
        );
        _checkSignature(owner, structHash, signature);
        return _commit(auctionId, sealedBid, dataSet, agreement, owner);
    }

    /// @dev A wallet's own code runs here as a static call; it can only harm the caller who chose to relay for it.
    function _checkSignature(address owner, bytes32 structHash, bytes calldata signature) internal view {
        if (!SignatureChecker.isValidSignatureNowCalldata(owner, _hashTypedDataV4(structHash), signature)) {
            revert SignatureInvalid(owner);
        }
    }

    // slither-disable-next-line msg-value-in-nonpayable (both of its callers are payable)
    function _commit(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement,
        address owner
    ) internal returns (uint256 index) {
        Auction storage a = _auctions[auctionId];
        // An unknown auctionId has commitEnd 0 and fails here too.
        _inPhase(0, a.commitEnd);
        uint256 due = (uint256(a.bondGwei) + a.entryFeeGwei) * 1 gwei;
        if (msg.value != due) revert DepositMismatch(msg.value, due);
        if (agreement != a.agreement) revert AgreementDiffers(agreement);
        index = a.count;
        if (index == a.maxBids) revert AuctionFull(index);
        if (a.enrolment && sealedBid != sealBid(auctionId, owner, 0, 0)) revert NotAnEnrolment(sealedBid);
        unchecked {
            a.count = uint32(index + 1);
        }
        Place memory place = Place(uint32(index), owner, msg.sender, keccak256(abi.encode(dataSet)));
        _bids[auctionId][index] = BidLibrary.commitment(sealedBid, place, BidLibrary.COMMITTED);
        emit Committed(auctionId, index, owner, msg.sender, sealedBid, dataSet);
    }

    /// @inheritdoc IDataAuction
    function withdrawBid(uint256 auctionId, bytes32 sealedBid, Place calldata place) external {
        _inPhase(0, _auctions[auctionId].commitEnd);
        if (msg.sender != place.owner) revert NotTheOwner(auctionId, place.index);
        _checkCommitted(auctionId, sealedBid, place);
        _bids[auctionId][place.index] = BidLibrary.commitment(sealedBid, place, BidLibrary.OUT);
        emit Withdrawn(auctionId, place.index);
    }

    /*//////////////////////////////////////////////////////////////
                                  OPEN
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function open(uint256 auctionId, bytes32 sealedBid, Place calldata place, bytes32 opening) external {
        if (msg.sender != place.owner) revert NotTheOwner(auctionId, place.index);
        _open(auctionId, sealedBid, place, opening);
    }

    /// @inheritdoc IDataAuction
    function openFor(
        uint256 auctionId,
        bytes32 sealedBid,
        Place calldata place,
        bytes32 opening,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(OPENING_TYPEHASH, auctionId, uint256(place.index), opening));
        _checkSignature(place.owner, structHash, signature);
        _open(auctionId, sealedBid, place, opening);
    }

    /// @dev The first one in the logs counts. Nothing on chain reads it, so no flag is stored: that saves 2,900 gas.
    function _open(uint256 auctionId, bytes32 sealedBid, Place calldata place, bytes32 opening) internal {
        Auction storage a = _auctions[auctionId];
        _inPhase(a.openStart, a.openEnd);
        _checkCommitted(auctionId, sealedBid, place);
        emit Opened(auctionId, place.index, opening);
    }

    function _checkCommitted(uint256 auctionId, bytes32 sealedBid, Place calldata place) internal view {
        if (!_bids[auctionId][place.index].same(BidLibrary.commitment(sealedBid, place, BidLibrary.COMMITTED))) {
            revert NotTheCommitment(auctionId, place.index);
        }
    }

    /*//////////////////////////////////////////////////////////////
                                 REVEAL
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    // slither-disable-next-line reentrancy-eth,reentrancy-events (the oracle credits and calls nobody)
    function reveal(uint256 auctionId, Place calldata place, uint256 cost, bytes32 salt) external {
        Auction storage a = _auctions[auctionId];
        _inPhase(a.revealStart, a.revealEnd);
        uint256 index = place.index;
        _checkCommitted(auctionId, sealBid(auctionId, place.owner, cost, salt), place);
        address chunk = _scores[auctionId][index / Scores.CHUNK];
        if (chunk == address(0)) {
            acceptScores(auctionId);
            chunk = _scores[auctionId][index / Scores.CHUNK];
        }
        uint256 score = Scores.read(chunk, index % Scores.CHUNK);
        if (Scores.flags(score) & Scores.PRESENT == 0) revert NotOnTheRoll(auctionId, index);
        bool flagged = Scores.flags(score) & Scores.UNDERSERVED != 0;
        uint256 weight;
        uint256 stored;
        // Weight 0 takes part in no clock. A bid above β could never win and would still set a price.
        if (cost <= a.beta && Scores.q(score) >= a.qMin && Scores.phi(score) != 0) {
            weight = Weights.weight(a.weights, Scores.q(score), Scores.phi(score));
            stored = cost;
        }
        uint256 tag = BidLibrary.tagOf(address(this), auctionId, place);
        _bids[auctionId][index] = BidLibrary.pack(stored, weight, flagged, tag);
        emit Revealed(auctionId, index, cost, salt, weight, flagged);
    }

    /// @inheritdoc IDataAuction
    function acceptScores(uint256 auctionId) public {
        Auction storage a = _auctions[auctionId];
        _inPhase(a.revealStart, a.revealEnd);
        (uint256 round, address[] memory chunks) = ORACLE.finalScores(address(this), auctionId);
        if (_scores[auctionId][0] != address(0)) return;
        for (uint256 i = 0; i < chunks.length; ++i) {
            _scores[auctionId][i] = chunks[i];
        }
        uint256 fees = (a.feeGwei + uint256(a.entryFeeGwei) * a.count) * 1 gwei;
        emit ScoresAccepted(auctionId, round, chunks, fees);
        if (fees != 0) ORACLE.payFees{value: fees}(address(this), auctionId, a.buyer);
    }

    /*//////////////////////////////////////////////////////////////
                                 SETTLE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function settle(
        uint256 auctionId,
        Marginals calldata marginals,
        uint256 count
    ) external nonReentrant returns (bool done) {
        Auction storage a = _auctions[auctionId];
        if (a.state != State.Open) revert WrongState(a.state);
        _inPhase(a.revealEnd, a.settleEnd);

        bytes32 proposal = keccak256(abi.encode(auctionId, marginals));
        Progress memory progress = _progress[proposal];
        Clock.Walk[3] memory walks = _resume(auctionId, marginals, progress, a.tranche != 0);
        uint256 from = progress.cursor;
        uint256 to = _min(from + count, a.count);
        if (to == from && a.count != 0) revert NothingToWalk();
        _walk(auctionId, from, to, a.tranche != 0, progress, walks);

        emit Walked(auctionId, proposal, msg.sender, from, to);
        done = to == a.count;
        // A settler who walked every bid is paid now, so no share is stored.
        bool alone = done && from == 0;
        if (!alone) _walked[proposal][msg.sender] += to - from;
        if (done) {
            if (!alone) a.proposal = proposal;
            _finish(auctionId, marginals, progress, walks);
            if (alone && to != 0) _payBounty(auctionId, a.bounty);
        } else {
            progress.cursor = uint32(to);
            for (uint256 c = 0; c < 3; ++c) {
                progress.tallies[c] = Clock.counted(walks[c]);
            }
            _progress[proposal] = progress;
        }
    }

    /// @dev Clocks 0, 1, 2 are over all, flagged and unflagged bids; the last two only run with a tranche.
    function _resume(
        uint256 auctionId,
        Marginals calldata marginals,
        Progress memory progress,
        bool tranche
    ) internal view returns (Clock.Walk[3] memory walks) {
        Bid[1 << 32] storage slots = _bids[auctionId];
        uint32[3] memory indices = [marginals.all, marginals.flagged, marginals.unflagged];
        for (uint256 c = 0; c < 3; ++c) {
            uint256 index = indices[c];
            if (index != Clock.NONE) {
                Bid bid = slots[index];
                bool foreign = c != 0 && bid.has(BidLibrary.FLAGGED) != (c == 1);
                if ((c != 0 && !tranche) || !bid.stands() || foreign) revert MarginalInvalid(index);
            }
            walks[c] = Clock.resume(progress.tallies[c], slots, index);
        }
    }

    function _walk(
        uint256 auctionId,
        uint256 from,
        uint256 to,
        bool tranche,
        Progress memory progress,
        Clock.Walk[3] memory walks
    ) internal view {
        Bid[1 << 32] storage slots = _bids[auctionId];
        (Clock.Walk memory all, Clock.Walk memory flagged, Clock.Walk memory unflagged) = (
            walks[0],
            walks[1],
            walks[2]
        );
        uint256 revealed;
        uint256 unrevealed;
        unchecked {
            for (uint256 i = from; i < to; ++i) {
                Bid bid;
                // The bound is checked once, by `to`, and not for each bid.
                assembly ("memory-safe") {
                    bid := sload(add(slots.slot, i))
                }
                if (!bid.has(BidLibrary.REVEALED)) {
                    if (bid.has(BidLibrary.COMMITTED)) ++unrevealed;
                    continue;
                }
                ++revealed;
                uint256 weight = bid.weight();
                if (weight == 0) continue;
                uint256 cost = bid.cost();
                Clock.step(all, cost, weight, i);
                if (tranche) Clock.step(bid.has(BidLibrary.FLAGGED) ? flagged : unflagged, cost, weight, i);
            }
            progress.revealed += uint32(revealed);
            progress.unrevealed += uint32(unrevealed);
        }
    }

    function _finish(
        uint256 auctionId,
        Marginals calldata marginals,
        Progress memory progress,
        Clock.Walk[3] memory walks
    ) internal {
        // Scores that came too late for any reveal must cost nobody a bond: such an auctionId is aborted.
        if (progress.revealed == 0 && progress.unrevealed != 0 && _scores[auctionId][0] == address(0)) {
            revert ScoresMissing();
        }
        Auction storage a = _auctions[auctionId];
        Outcome memory o = CLEARING.clear(walks, a.beta, a.tranche, a.price.rho, a.budget, a.pool);
        (o.revealed, o.unrevealed) = (progress.revealed, progress.unrevealed);
        _record(a, auctionId, walks, o);
        emit Settled(auctionId, marginals, o);
        // Burned whole: a part for revealers or settlers would pay shills, and who withholds and settles.
        _sendNative(BURN, o.unrevealed * a.bondGwei * 1 gwei);
    }

    function _record(Auction storage a, uint256 auctionId, Clock.Walk[3] memory walks, Outcome memory o) internal {
        a.state = State.Settled;
        PaidPrice memory paid = PaidPrice(uint80(o.num), uint96(o.den), a.price.rho);
        if (o.split) {
            (a.split, a.flaggedPrice, a.lastFlagged) = (true, paid, _marginal(walks[1]));
            (paid.num, paid.den) = (uint80(o.unflaggedNum), uint96(o.unflaggedDen));
        }
        a.price = paid;
        a.last = _marginal(walks[o.split ? 2 : 0]);
        a.winners = uint32(o.winners);
        a.refund = uint80(o.refund);
        a.buyerMut = uint80(o.buyerMut);
        a.buyerHolds = o.buyerMut != 0;
        if (o.mutSupply != 0) {
            // slither-disable-next-line reentrancy-events (the auction's own token)
            MutToken(Clones.cloneDeterministic(MUT_IMPLEMENTATION, bytes32(auctionId))).initialize(
                auctionId,
                a.token,
                o.mutSupply
            );
        }
    }

    /// @dev Weight 0 where the clock has no winner.
    function _marginal(Clock.Walk memory walk) internal pure returns (Marginal memory) {
        uint256 index = walk.next == 0 ? Clock.NONE : walk.next - 1;
        return Marginal(uint32(index), uint80(walk.cost), uint64(walk.weight));
    }

    /*//////////////////////////////////////////////////////////////
                                 DELIVER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function recordDelivery(uint256 auctionId, Place calldata place, uint256 digest80) external {
        if (msg.sender != address(EXCHANGE)) revert NotTheExchange(msg.sender);
        Auction storage a = _auctions[auctionId];
        if (a.state != State.Settled) revert WrongState(a.state);
        _inPhase(a.fetchEnd, a.deliverEnd);
        Bid bid = _bids[auctionId][place.index];
        _checkPlace(bid, auctionId, place);
        if (bid.has(BidLibrary.DELIVERED)) revert AlreadyDelivered(auctionId, place.index);
        if (bid.has(BidLibrary.OUT)) revert AlreadyStruckOut(auctionId, place.index);
        if (!_wins(a, bid, place.index)) revert NotAWinner(auctionId, place.index);
        _bids[auctionId][place.index] = bid.delivered(digest80);
        ++a.delivered;
    }

    /// @inheritdoc IDataAuction
    function strikeOut(uint256 auctionId, uint256 index, IScoreOracle.Ground ground) external nonReentrant {
        if (msg.sender != address(EXCHANGE)) revert NotTheExchange(msg.sender);
        (uint256 cash, uint256 mut) = _strikeOut(auctionId, index);
        emit StruckOut(auctionId, index, cash, mut, ground);
    }

    /// @inheritdoc IDataAuction
    function forfeit(uint256 auctionId, uint256 index) external nonReentrant {
        Auction storage a = _auctions[auctionId];
        if (a.state != State.Settled) revert WrongState(a.state);
        _inPhase(a.deliverEnd, type(uint256).max);
        if (_bids[auctionId][index].has(BidLibrary.DELIVERED)) revert AlreadyDelivered(auctionId, index);
        (uint256 cash, uint256 mut) = _strikeOut(auctionId, index);
        emit StruckOut(auctionId, index, cash, mut, IScoreOracle.Ground.Silent);
    }

    /// @dev Payment back to the buyer, MUT struck out, bond burned: it pays neither the buyer nor who decides.
    function _strikeOut(uint256 auctionId, uint256 index) internal returns (uint256 cash, uint256 mut) {
        Auction storage a = _auctions[auctionId];
        Bid bid = _bids[auctionId][index];
        if (bid.has(BidLibrary.OUT)) revert AlreadyStruckOut(auctionId, index);
        if (!_wins(a, bid, index)) revert NotAWinner(auctionId, index);
        (cash, mut) = _reward(a, bid);
        _bids[auctionId][index] = bid.without(BidLibrary.DELIVERED).with(
            BidLibrary.OUT | BidLibrary.CASH_PAID | BidLibrary.MUT_PAID | BidLibrary.BOND_PAID
        );
        if (bid.has(BidLibrary.DELIVERED)) --a.delivered;
        ++a.forfeited;
        a.refund += uint80(cash);
        // slither-disable-next-line reentrancy-events (the auction's own token)
        if (mut != 0) MutToken(mutToken(auctionId)).reduce(mut);
        _sendNative(BURN, uint256(a.claimBondGwei) * 1 gwei);
    }

    /*//////////////////////////////////////////////////////////////
                                  CLAIM
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function claim(uint256 auctionId, Place calldata place, uint256 parts) external nonReentrant {
        Auction storage a = _auctions[auctionId];
        Bid bid = _bids[auctionId][place.index];
        _checkPlace(bid, auctionId, place);

        uint256 cash;
        uint256 mut;
        uint256 bond;
        uint256 paid;
        // Nothing is delivered before the settlement, so this branch need not read the state.
        if (bid.has(BidLibrary.DELIVERED)) {
            _inPhase(a.disputeEnd, type(uint256).max);
            (cash, mut) = _reward(a, bid);
            if (parts & CASH == 0 || bid.has(BidLibrary.CASH_PAID)) cash = 0;
            else paid = BidLibrary.CASH_PAID;
            if (parts & MUT == 0 || bid.has(BidLibrary.MUT_PAID)) mut = 0;
            else paid |= BidLibrary.MUT_PAID;
        } else {
            if (a.state == State.Open) revert WrongState(State.Open);
            if (a.state == State.Settled && _wins(a, bid, place.index)) revert NothingToClaim(auctionId, place.index);
        }
        if (parts & BOND != 0 && !bid.has(BidLibrary.BOND_PAID)) {
            paid |= BidLibrary.BOND_PAID;
            bond = uint256(a.claimBondGwei) * 1 gwei;
        }
        if (paid == 0) revert NothingToClaim(auctionId, place.index);

        _bids[auctionId][place.index] = bid.with(paid);
        emit Claimed(auctionId, place.index, place.owner, place.payer, cash, mut, bond);
        if (mut != 0) MutToken(mutToken(auctionId)).mint(place.owner, mut);
        if (cash != 0) IERC20(a.token).safeTransfer(place.owner, cash);
        _sendNative(place.payer, bond);
    }

    /// @inheritdoc IDataAuction
    function reclaimBond(uint256 auctionId, bytes32 sealedBid, Place calldata place) external nonReentrant {
        Auction storage a = _auctions[auctionId];
        _inPhase(a.commitEnd, type(uint256).max);
        bool over = a.state != State.Open;
        Bid bid = _bids[auctionId][place.index];
        // Committed, withdrawn, or withdrawn with the bond back; the hash is the same.
        Bid plain = BidLibrary.commitment(sealedBid, place, 0);
        uint256 amount;
        if (
            bid.same(plain.with(BidLibrary.OUT)) ||
            (a.state == State.Aborted && bid.same(plain.with(BidLibrary.COMMITTED)))
        ) {
            amount = a.bondGwei;
        } else if (!over || !bid.same(plain.with(BidLibrary.OUT | BidLibrary.BOND_PAID))) {
            revert NotTheCommitment(auctionId, place.index);
        }
        // Scores that stood have been paid for, whatever became of the auction.
        if (over && _scores[auctionId][0] == address(0)) amount += a.entryFeeGwei;
        if (amount == 0) revert NothingToClaim(auctionId, place.index);
        _bids[auctionId][place.index] = over ? Bid.wrap(0) : plain.with(BidLibrary.OUT | BidLibrary.BOND_PAID);
        emit BondReclaimed(auctionId, place.index, place.payer, amount * 1 gwei);
        _sendNative(place.payer, amount * 1 gwei);
    }

    /// @inheritdoc IDataAuction
    function claimBounty(uint256 auctionId) external nonReentrant {
        Auction storage a = _auctions[auctionId];
        if (a.state != State.Settled) revert WrongState(a.state);
        uint256 walked = _walked[a.proposal][msg.sender];
        if (walked == 0) revert NothingToClaim(auctionId, 0);
        _walked[a.proposal][msg.sender] = 0;
        _payBounty(auctionId, (uint256(a.bounty) * walked) / a.count);
    }

    function _payBounty(uint256 auctionId, uint256 amount) internal {
        emit BountyClaimed(auctionId, msg.sender, amount);
        _sendNative(msg.sender, amount);
    }

    /// @inheritdoc IDataAuction
    function withdrawRefund(uint256 auctionId, address to) external nonReentrant {
        Auction storage a = _auctions[auctionId];
        if (msg.sender != a.buyer) revert NotTheBuyer(msg.sender);
        if (a.state == State.Open) revert WrongState(State.Open);
        (uint256 amount, uint256 mut, uint256 native) = (a.refund, a.buyerMut, 0);
        // Without bids nobody walked, and the bounty has no other taker.
        if (a.state == State.Aborted || a.count == 0) (native, a.bounty) = (a.bounty, 0);
        if (_scores[auctionId][0] == address(0)) {
            native += uint256(a.feeGwei) * 1 gwei;
            a.feeGwei = 0;
        }
        (a.refund, a.buyerMut) = (0, 0);
        emit RefundWithdrawn(auctionId, to, amount, mut, native);
        if (mut != 0) MutToken(mutToken(auctionId)).mint(to, mut);
        if (amount != 0) IERC20(a.token).safeTransfer(to, amount);
        _sendNative(to, native);
    }

    /*//////////////////////////////////////////////////////////////
                                  ABORT
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function abort(uint256 auctionId) external {
        Auction storage a = _auctions[auctionId];
        if (a.buyer == address(0)) revert UnknownAuction(auctionId);
        if (a.state != State.Open) revert WrongState(a.state);
        if (block.timestamp < a.settleEnd && !ORACLE.failed(address(this), auctionId)) revert ScoresStanding();
        a.state = State.Aborted;
        a.refund = a.budget;
        emit Aborted(auctionId);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function sealBid(uint256 auctionId, address owner, uint256 cost, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), auctionId, owner, cost, salt));
    }

    /// @inheritdoc IDataAuction
    function bidCount(uint256 auctionId) external view returns (uint256) {
        return _auctions[auctionId].count;
    }

    /// @inheritdoc IDataAuction
    function bids(uint256 auctionId, uint256 from, uint256 to) external view returns (Bid[] memory out) {
        out = new Bid[](to - from);
        for (uint256 i = from; i < to; ++i) {
            out[i - from] = _bids[auctionId][i];
        }
    }

    /// @inheritdoc IDataAuction
    function isWinner(uint256 auctionId, uint256 index) external view returns (bool) {
        Auction storage a = _auctions[auctionId];
        return a.state == State.Settled && _wins(a, _bids[auctionId][index], index);
    }

    /// @inheritdoc IDataAuction
    function deliveriesResolved(uint256 auctionId) external view returns (bool) {
        Auction storage a = _auctions[auctionId];
        return
            a.state == State.Settled &&
            block.timestamp >= a.disputeEnd &&
            uint256(a.delivered) + a.forfeited == a.winners;
    }

    /// @inheritdoc IDataAuction
    function hasHolders(uint256 auctionId) external view returns (bool) {
        Auction storage a = _auctions[auctionId];
        return a.buyerHolds || a.forfeited < a.winners;
    }

    /// @inheritdoc IDataAuction
    function scoreChunks(uint256 auctionId) external view returns (address[] memory chunks) {
        uint256 count = (_auctions[auctionId].count + Scores.CHUNK - 1) / Scores.CHUNK;
        chunks = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            chunks[i] = _scores[auctionId][i];
        }
    }

    /// @inheritdoc IDataAuction
    function phases(uint256 auctionId) external view returns (State state, uint256[9] memory ends) {
        Auction storage a = _auctions[auctionId];
        state = a.state;
        (ends[0], ends[1], ends[2], ends[3]) = (a.commitEnd, a.openStart, a.openEnd, a.revealStart);
        (ends[4], ends[5], ends[6]) = (a.revealEnd, a.settleEnd, a.fetchEnd);
        (ends[7], ends[8]) = (a.deliverEnd, a.disputeEnd);
    }

    /// @inheritdoc IDataAuction
    function buyerOf(uint256 auctionId) external view returns (address buyer, address key, uint256 fetchFee) {
        Auction storage a = _auctions[auctionId];
        return (a.buyer, a.keyAddress, uint256(a.fetchFeeGwei) * 1 gwei);
    }

    /// @inheritdoc IDataAuction
    function mutToken(uint256 auctionId) public view returns (address) {
        return Clones.predictDeterministicAddress(MUT_IMPLEMENTATION, bytes32(auctionId));
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    /// @dev Whether a bid won and was not struck out. Of who delivered the cost is gone, but it has won.
    function _wins(Auction storage a, Bid bid, uint256 index) internal view returns (bool) {
        if (!bid.stands() || bid.has(BidLibrary.OUT)) return false;
        if (bid.has(BidLibrary.DELIVERED)) return true;
        Marginal memory m = a.split && bid.has(BidLibrary.FLAGGED) ? a.lastFlagged : a.last;
        if (m.weight == 0) return false;
        return !bid.comesAfter(index, BidLibrary.pack(m.cost, m.weight, false, 0), m.index);
    }

    /// @dev `floor(t w)`, split: cash `floor(ρ p)`, MUT the rest.
    function _reward(Auction storage a, Bid bid) internal view returns (uint256 cash, uint256 mut) {
        PaidPrice memory price = a.split && bid.has(BidLibrary.FLAGGED) ? a.flaggedPrice : a.price;
        uint256 reward = (uint256(price.num) * bid.weight()) / price.den;
        // slither-disable-next-line divide-before-multiply (the rule rounds the reward, then splits it)
        cash = (reward * price.rho) / PPB;
        mut = reward - cash;
    }

    function _checkPlace(Bid bid, uint256 auctionId, Place calldata place) internal view {
        if (!bid.has(BidLibrary.REVEALED)) revert NotRevealed(auctionId, place.index);
        if (bid.tag() != BidLibrary.tagOf(address(this), auctionId, place)) revert NotTheOwner(auctionId, place.index);
    }

    function _inPhase(uint256 from, uint256 to) internal view {
        if (block.timestamp < from || block.timestamp >= to) revert OutOfPhase(block.timestamp, from, to);
    }

    function _sendNative(address to, uint256 amount) internal {
        if (amount == 0) return;
        (bool ok, ) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to, amount);
    }

    function _min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }
}
