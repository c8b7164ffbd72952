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

import {Exchange} from "./Exchange.sol";
import {MutToken} from "./MutToken.sol";
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
    uint256 public constant MAX_PHASE = 30 days;
    uint256 public constant MAX_LENGTH = 90 days;
    uint256 public constant MAX_SAMPLES = 2048;

    uint256 internal constant PPB = 1e9;
    uint256 internal constant MAX_WEIGHT = 1 << 63;
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
    Exchange public immutable EXCHANGE;
    address public immutable MUT_IMPLEMENTATION;
    /// @notice Seconds from the end of the commitments to the draw of the samples.
    uint256 public immutable DRAW;
    uint256 public immutable LEAST_PROVIDER_WINDOW;
    uint256 public immutable LEAST_OPERATOR_WINDOW;

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
        // commit
        bytes32 agreement;
        // open, reveal and settle
        uint40 openStart;
        uint40 openEnd;
        uint40 revealStart;
        uint40 revealEnd;
        uint80 beta;
        // weights
        WeightRule weights;
        uint16 qMin;
        uint32 tranche;
        // deliver
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
    mapping(uint256 auction => Auction) internal _auctions;
    mapping(uint256 auction => Bid[1 << 32]) internal _bids;
    mapping(uint256 auction => mapping(uint256 chunk => address)) internal _scores;
    /// @inheritdoc IDataAuction
    mapping(uint256 auction => bytes32) public dstTermsHash;
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
        LEAST_PROVIDER_WINDOW = leastProviderWindow;
        LEAST_OPERATOR_WINDOW = leastOperatorWindow;
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
    ) external payable nonReentrant returns (uint256 auction) {
        _checkKey(key);
        (uint256 beta, uint256 reserve) = _checkTerms(terms);

        auction = ++auctionCount;
        Auction storage a = _auctions[auction];
        _setPhases(a, auction, terms);
        a.maxBids = terms.maxBids;
        a.bondGwei = terms.bondGwei;
        a.claimBondGwei = terms.bondGwei;
        a.entryFeeGwei = terms.scoring.entryFeeGwei;
        a.feeGwei = terms.scoring.feeGwei;
        a.fetchFeeGwei = terms.scoring.fetchFeeGwei;
        a.qMin = terms.scoring.qMin;
        a.agreement = terms.agreement;
        a.keyAddress = address(uint160(uint256(keccak256(abi.encode(key.x, key.y)))));
        a.enrolment = terms.enrolment;
        a.tranche = terms.tranche;
        a.budget = terms.budget;
        a.beta = uint80(beta);
        a.weights = terms.weights;
        a.token = terms.token;
        a.price.rho = terms.rho;
        a.pool = terms.pool;
        a.buyer = msg.sender;
        uint256 bounty = msg.value - uint256(terms.scoring.feeGwei) * 1 gwei;
        a.bounty = uint96(bounty);
        if (terms.dst.supply != 0) dstTermsHash[auction] = keccak256(abi.encode(terms.dst));

        if (terms.budget != 0) {
            IERC20 token = IERC20(terms.token);
            uint256 before = token.balanceOf(address(this));
            token.safeTransferFrom(msg.sender, address(this), terms.budget);
            uint256 received = token.balanceOf(address(this)) - before;
            if (received != terms.budget) revert BalanceMismatch(terms.budget, received);
        }
        emit AuctionCreated(auction, msg.sender, SCHEMA, terms, key.x, key.y, bounty, beta, reserve);
    }

    /// @dev The key's own signature proves that somebody can open what is wrapped for it (no rogue or mistyped key).
    function _checkKey(EncryptionKey calldata key) internal view {
        address keyAddress = address(uint160(uint256(keccak256(abi.encode(key.x, key.y)))));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(KEY_TYPEHASH, msg.sender, key.x, key.y)));
        address signer = ECDSA.recover(digest, key.signature);
        if (signer != keyAddress) revert KeyNotOwned(signer, keyAddress);
    }

    /// @dev β = min(B / ρ, U / (1-ρ)), a term with a zero denominator dropped.
    // slither-disable-next-line msg-value-in-nonpayable (called from create alone, which is payable)
    function _checkTerms(Terms calldata terms) internal view returns (uint256 beta, uint256 reserve) {
        if (terms.rho > PPB) revert RhoTooLarge(terms.rho);
        if (terms.tranche > PPB) revert TrancheTooLarge(terms.tranche);
        if (terms.maxBids == 0 || terms.maxBids >= Clock.NONE) revert MaxBidsInvalid(terms.maxBids);
        if (terms.scoring.samples > MAX_SAMPLES) revert TooManySamples(terms.scoring.samples);
        uint256 fee = uint256(terms.scoring.feeGwei) * 1 gwei;
        if (msg.value < fee) revert FeeMissing(msg.value, fee);
        if (msg.value > type(uint96).max) revert BountyTooLarge(msg.value);
        if (terms.token.code.length == 0) revert TokenWithoutCode(terms.token);

        beta = type(uint256).max;
        if (terms.rho != 0) beta = _min(beta, (uint256(terms.budget) * PPB) / terms.rho);
        if (terms.rho != PPB) beta = _min(beta, (uint256(terms.pool) * PPB) / (PPB - terms.rho));
        if (beta == 0 || beta > type(uint80).max) revert BudgetOutOfRange(beta);
        reserve = (beta * terms.tranche) / PPB;

        uint256 top = Weights.weight(terms.weights, Weights.MAX_SCORE, Weights.MAX_SCORE);
        if (top > MAX_WEIGHT) revert WeightsTooLarge(top);
        DstTerms calldata dst = terms.dst;
        if (
            dst.supply != 0 &&
            (dst.cap < dst.floor ||
                dst.cap == 0 ||
                dst.supply > type(uint88).max ||
                dst.cap > type(uint88).max ||
                uint256(dst.volumeWeight) + dst.qualityWeight + dst.impactWeight != PPB)
        ) revert DstTermsInvalid();
    }

    /// @dev The oracle checks the score windows, and knows whether there is an appeal.
    function _setPhases(Auction storage a, uint256 auction, Terms calldata terms) internal {
        Durations calldata d = terms.durations;
        _checkPhase(d.commit, LEAST_PROVIDER_WINDOW);
        if (terms.scoring.samples == 0) _checkLength(d.open, 0, 0);
        else _checkPhase(d.open, LEAST_PROVIDER_WINDOW);
        _checkPhase(d.reveal, LEAST_PROVIDER_WINDOW);
        _checkPhase(d.settle, LEAST_OPERATOR_WINDOW);
        _checkPhase(d.fetch, 2 * LEAST_OPERATOR_WINDOW);
        _checkPhase(d.deliver, LEAST_PROVIDER_WINDOW);
        _checkPhase(d.dispute, 2 * LEAST_OPERATOR_WINDOW);
        uint256 t = block.timestamp + d.commit;
        a.commitEnd = uint40(t);
        a.openStart = uint40(t += DRAW);
        a.openEnd = uint40(t += d.open);
        t = ORACLE.open(
            auction,
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
        if (t > block.timestamp + MAX_LENGTH) revert AuctionTooLong(t - block.timestamp, MAX_LENGTH);
    }

    function _checkPhase(uint256 length, uint256 least) internal pure {
        _checkLength(length, least, MAX_PHASE);
    }

    function _checkLength(uint256 length, uint256 least, uint256 most) internal pure {
        if (length < least || length > most) revert PhaseOutOfBounds(length, least, most);
    }

    /*//////////////////////////////////////////////////////////////
                                 COMMIT
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function commit(
        uint256 auction,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement
    ) external payable returns (uint256 index) {
        return _commit(auction, sealedBid, dataSet, agreement, msg.sender);
    }

    /// @inheritdoc IDataAuction
    function commitFor(
        uint256 auction,
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
                auction,
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
        return _commit(auction, sealedBid, dataSet, agreement, owner);
    }

    /// @dev A wallet's own code runs here as a static call; it can only harm the caller who chose to relay for it.
    function _checkSignature(address owner, bytes32 structHash, bytes calldata signature) internal view {
        if (!SignatureChecker.isValidSignatureNowCalldata(owner, _hashTypedDataV4(structHash), signature)) {
            revert SignatureInvalid(owner);
        }
    }

    function _commit(
        uint256 auction,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement,
        address owner
    ) internal returns (uint256 index) {
        Auction storage a = _auctions[auction];
        // An unknown auction has commitEnd 0 and fails here too.
        _inPhase(0, a.commitEnd);
        uint256 due = (uint256(a.bondGwei) + a.entryFeeGwei) * 1 gwei;
        if (msg.value != due) revert DepositMismatch(msg.value, due);
        if (agreement != a.agreement) revert AgreementDiffers(agreement);
        index = a.count;
        if (index == a.maxBids) revert AuctionFull(index);
        if (a.enrolment && sealedBid != sealBid(auction, owner, 0, 0)) revert NotAnEnrolment(sealedBid);
        unchecked {
            a.count = uint32(index + 1);
        }
        Place memory place = Place(uint32(index), owner, msg.sender, keccak256(abi.encode(dataSet)));
        _bids[auction][index] = BidLibrary.commitment(sealedBid, place, BidLibrary.COMMITTED);
        emit Committed(auction, index, owner, msg.sender, sealedBid, dataSet);
    }

    /// @inheritdoc IDataAuction
    function withdrawBid(uint256 auction, bytes32 sealedBid, Place calldata place) external {
        _inPhase(0, _auctions[auction].commitEnd);
        if (msg.sender != place.owner) revert NotTheOwner(auction, place.index);
        _checkCommitted(auction, sealedBid, place);
        _bids[auction][place.index] = BidLibrary.commitment(sealedBid, place, BidLibrary.OUT);
        emit Withdrawn(auction, place.index);
    }

    /*//////////////////////////////////////////////////////////////
                                  OPEN
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function open(uint256 auction, bytes32 sealedBid, Place calldata place, bytes32 opening) external {
        if (msg.sender != place.owner) revert NotTheOwner(auction, place.index);
        _open(auction, sealedBid, place, opening);
    }

    /// @inheritdoc IDataAuction
    function openFor(
        uint256 auction,
        bytes32 sealedBid,
        Place calldata place,
        bytes32 opening,
        bytes calldata signature
    ) external {
        bytes32 structHash = keccak256(abi.encode(OPENING_TYPEHASH, auction, uint256(place.index), opening));
        _checkSignature(place.owner, structHash, signature);
        _open(auction, sealedBid, place, opening);
    }

    /// @dev The first one in the logs counts. Nothing on chain reads it, so no flag is stored: that saves 2,900 gas.
    function _open(uint256 auction, bytes32 sealedBid, Place calldata place, bytes32 opening) internal {
        Auction storage a = _auctions[auction];
        _inPhase(a.openStart, a.openEnd);
        _checkCommitted(auction, sealedBid, place);
        emit Opened(auction, place.index, opening);
    }

    function _checkCommitted(uint256 auction, bytes32 sealedBid, Place calldata place) internal view {
        if (!_bids[auction][place.index].same(BidLibrary.commitment(sealedBid, place, BidLibrary.COMMITTED))) {
            revert NotTheCommitment(auction, place.index);
        }
    }

    /*//////////////////////////////////////////////////////////////
                                 REVEAL
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function reveal(uint256 auction, Place calldata place, uint256 cost, bytes32 salt) external {
        Auction storage a = _auctions[auction];
        _inPhase(a.revealStart, a.revealEnd);
        uint256 index = place.index;
        _checkCommitted(auction, sealBid(auction, place.owner, cost, salt), place);
        address chunk = _scores[auction][index / Scores.CHUNK];
        if (chunk == address(0)) {
            acceptScores(auction);
            chunk = _scores[auction][index / Scores.CHUNK];
        }
        uint256 score = Scores.read(chunk, index % Scores.CHUNK);
        if (Scores.flags(score) & Scores.PRESENT == 0) revert NotOnTheRoll(auction, index);
        bool flagged = Scores.flags(score) & Scores.UNDERSERVED != 0;
        uint256 weight;
        uint256 stored;
        // Weight 0 takes part in no clock. A bid above β could never win and would still set a price.
        if (cost <= a.beta && Scores.q(score) >= a.qMin && Scores.phi(score) != 0) {
            weight = Weights.weight(a.weights, Scores.q(score), Scores.phi(score));
            stored = cost;
        }
        uint256 tag = BidLibrary.tagOf(address(this), auction, place);
        _bids[auction][index] = BidLibrary.pack(stored, weight, flagged, tag);
        emit Revealed(auction, index, cost, salt, weight, flagged);
    }

    /// @inheritdoc IDataAuction
    function acceptScores(uint256 auction) public {
        Auction storage a = _auctions[auction];
        _inPhase(a.revealStart, a.revealEnd);
        (uint256 round, address[] memory chunks) = ORACLE.finalScores(address(this), auction);
        if (_scores[auction][0] != address(0)) return;
        for (uint256 i = 0; i < chunks.length; ++i) {
            _scores[auction][i] = chunks[i];
        }
        uint256 fees = (a.feeGwei + uint256(a.entryFeeGwei) * a.count) * 1 gwei;
        emit ScoresAccepted(auction, round, chunks, fees);
        if (fees != 0) ORACLE.payFees{value: fees}(address(this), auction, a.buyer);
    }

    /*//////////////////////////////////////////////////////////////
                                 SETTLE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function settle(
        uint256 auction,
        Marginals calldata marginals,
        uint256 count
    ) external nonReentrant returns (bool done) {
        Auction storage a = _auctions[auction];
        if (a.state != State.Open) revert WrongState(a.state);
        _inPhase(a.revealEnd, a.settleEnd);

        bytes32 proposal = keccak256(abi.encode(auction, marginals));
        Progress memory progress = _progress[proposal];
        (Clock.Walk memory all, Clock.Walk memory flagged, Clock.Walk memory unflagged) = _resume(
            auction,
            marginals,
            progress,
            a.tranche != 0
        );

        uint256 from = progress.cursor;
        uint256 to = _min(from + count, a.count);
        if (to == from && a.count != 0) revert NothingToWalk();
        _walk(auction, from, to, a.tranche != 0, progress, all, flagged, unflagged);

        emit Walked(auction, proposal, msg.sender, from, to);
        done = to == a.count;
        // Who walks alone is paid at once, and nothing need be kept for it.
        bool alone = done && from == 0;
        if (!alone) _walked[proposal][msg.sender] += to - from;
        if (done) {
            if (!alone) a.proposal = proposal;
            _finish(auction, marginals, progress, all, flagged, unflagged);
            if (alone && to != 0) _payBounty(auction, a.bounty);
        } else {
            progress.cursor = uint32(to);
            _save(proposal, progress, all, flagged, unflagged);
        }
    }

    function _resume(
        uint256 auction,
        Marginals calldata marginals,
        Progress memory progress,
        bool tranche
    ) internal view returns (Clock.Walk memory all, Clock.Walk memory flagged, Clock.Walk memory unflagged) {
        _load(auction, all, marginals.all, progress.loserAll, progress.sumAll, progress.countAll);
        if (!tranche && (marginals.flagged != Clock.NONE || marginals.unflagged != Clock.NONE)) {
            revert MarginalInvalid(_min(marginals.flagged, marginals.unflagged));
        }
        if (!tranche) return (all, flagged, unflagged);
        _load(auction, flagged, marginals.flagged, progress.loserFlagged, progress.sumFlagged, progress.countFlagged);
        _load(
            auction,
            unflagged,
            marginals.unflagged,
            progress.loserUnflagged,
            progress.sumUnflagged,
            progress.countUnflagged
        );
        if (flagged.next != 0 && !_bids[auction][marginals.flagged].is_(Bids.FLAGGED)) {
            revert MarginalInvalid(marginals.flagged);
        }
        if (unflagged.next != 0 && _bids[auction][marginals.unflagged].is_(Bids.FLAGGED)) {
            revert MarginalInvalid(marginals.unflagged);
        }
    }

    function _load(
        uint256 auction,
        Clock.Walk memory walk,
        uint256 marginal,
        uint256 loser,
        uint256 sum,
        uint256 count
    ) internal view {
        if (marginal != Clock.NONE) {
            uint256 bid = _bids[auction][marginal];
            if (!bid.stands()) revert MarginalInvalid(marginal);
            (walk.cost, walk.weight, walk.next) = (bid.cost(), bid.weight(), marginal + 1);
        }
        if (loser != 0) {
            uint256 bid = _bids[auction][loser - 1];
            (walk.loserCost, walk.loserWeight, walk.loser) = (bid.cost(), bid.weight(), loser);
        }
        walk.tally = (count << 128) | sum;
    }

    function _walk(
        uint256 auction,
        uint256 from,
        uint256 to,
        bool tranche,
        Progress memory progress,
        Clock.Walk memory all,
        Clock.Walk memory flagged,
        Clock.Walk memory unflagged
    ) internal view {
        uint256[1 << 32] storage slots = _bids[auction];
        uint256 revealed;
        uint256 unrevealed;
        unchecked {
            for (uint256 i = from; i < to; ++i) {
                uint256 bid;
                // The bound is checked once, by `to`, and not for each bid.
                assembly ("memory-safe") {
                    bid := sload(add(slots.slot, i))
                }
                if (!bid.is_(Bids.REVEALED)) {
                    if (bid != 0) ++unrevealed;
                    continue;
                }
                ++revealed;
                uint256 weight = bid.weight();
                if (weight == 0) continue;
                uint256 cost = bid.cost();
                Clock.step(all, cost, weight, i);
                if (tranche) Clock.step(bid.is_(Bids.FLAGGED) ? flagged : unflagged, cost, weight, i);
            }
            progress.revealed += uint32(revealed);
            progress.unrevealed += uint32(unrevealed);
        }
    }

    function _save(
        bytes32 proposal,
        Progress memory progress,
        Clock.Walk memory all,
        Clock.Walk memory flagged,
        Clock.Walk memory unflagged
    ) internal {
        progress.sumAll = uint96(all.sum());
        progress.countAll = uint32(all.count());
        progress.loserAll = uint32(all.loser);
        progress.sumFlagged = uint96(flagged.sum());
        progress.countFlagged = uint32(flagged.count());
        progress.loserFlagged = uint32(flagged.loser);
        progress.sumUnflagged = uint96(unflagged.sum());
        progress.countUnflagged = uint32(unflagged.count());
        progress.loserUnflagged = uint32(unflagged.loser);
        _progress[proposal] = progress;
    }

    function _finish(
        uint256 auction,
        Marginals calldata marginals,
        Progress memory progress,
        Clock.Walk memory all,
        Clock.Walk memory flagged,
        Clock.Walk memory unflagged
    ) internal {
        Auction storage a = _auctions[auction];
        Outcome memory o;
        // Scores that came too late for any reveal must cost nobody a bond: such an auction is aborted.
        if (progress.revealed == 0 && progress.unrevealed != 0 && _scores[auction][0] == address(0)) {
            revert ScoresMissing();
        }
        Clock.Price memory price = Clock.clear(all, a.beta);
        Clock.Price memory unflaggedPrice;
        if (flagged.tally != 0 || flagged.loser != 0) {
            Clock.Price memory reserved = Clock.clear(flagged, (uint256(a.beta) * a.tranche) / PPB);
            o.split = Clock.below(price, reserved);
            if (o.split) {
                // Rounded up: what is kept back for flagged winners is never less than they are paid.
                uint256 kept = (reserved.num * flagged.sum() + reserved.den - 1) / reserved.den;
                unflaggedPrice = Clock.clear(unflagged, a.beta - kept);
                price = reserved;
            }
        }
        if (!o.split && unflagged.next != 0) revert MarginalInvalid(marginals.unflagged);
        if (price.den == 0) price = Clock.Price(0, 1);
        if (unflaggedPrice.den == 0) unflaggedPrice = Clock.Price(0, 1);

        uint256 rho = a.price.rho;
        Clock.Walk memory first = o.split ? flagged : all;
        (uint256 spent, uint256 allotment) = _spend(rho, price, first.sum(), first.count());
        o.winners = first.count();
        if (o.split) {
            (uint256 moreSpent, uint256 moreAllotment) = _spend(
                rho,
                unflaggedPrice,
                unflagged.sum(),
                unflagged.count()
            );
            spent += moreSpent;
            allotment += moreAllotment;
            o.winners += unflagged.count();
        }
        o.num = price.num;
        o.den = price.den;
        o.unflaggedNum = unflaggedPrice.num;
        o.unflaggedDen = unflaggedPrice.den;
        o.refund = a.budget - spent;
        o.buyerMut = a.pool > allotment ? a.pool - allotment : 0;
        o.mutSupply = allotment + o.buyerMut;

        // Half of the forfeited bonds goes to honest revealers, the rest to the settlers; nothing to the buyer.
        o.revealed = progress.revealed;
        o.unrevealed = progress.unrevealed;
        uint256 forfeitedGwei = o.unrevealed * a.bondGwei;
        o.bonusGwei = o.revealed == 0 ? 0 : _min(forfeitedGwei / 2 / o.revealed, type(uint48).max);
        o.bounty = a.bounty + (forfeitedGwei - o.bonusGwei * o.revealed) * 1 gwei;

        a.state = State.Settled;
        PaidPrice memory paid = PaidPrice(uint80(o.num), uint96(o.den), uint32(rho), uint48(o.bonusGwei));
        if (o.split) {
            (a.split, a.flaggedPrice) = (true, paid);
            (paid.num, paid.den) = (uint80(o.unflaggedNum), uint96(o.unflaggedDen));
        }
        a.price = paid;
        a.lastFlagged = o.split ? marginals.flagged : marginals.all;
        a.lastUnflagged = o.split ? marginals.unflagged : marginals.all;
        a.winners = uint32(o.winners);
        a.refund = uint80(o.refund);
        a.buyerMut = uint80(o.buyerMut);
        a.bounty = uint96(o.bounty);

        if (o.mutSupply != 0) {
            // slither-disable-next-line reentrancy-events (the auction's own token)
            MutToken(Clones.cloneDeterministic(MUT_IMPLEMENTATION, bytes32(auction))).initialize(
                auction,
                a.token,
                o.mutSupply
            );
        }
        emit Settled(auction, marginals, o);
    }

    /// @dev Cash and MUT set aside for the winners of one clock; `k` more MUT because each face value is rounded up.
    function _spend(
        uint256 rho,
        Clock.Price memory price,
        uint256 sum,
        uint256 winners
    ) internal pure returns (uint256 cash, uint256 mut) {
        uint256 den = price.den * PPB;
        cash = (rho * price.num * sum) / den;
        if (rho != PPB) mut = ((PPB - rho) * price.num * sum) / den + winners;
    }

    /*//////////////////////////////////////////////////////////////
                                 DELIVER
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function deliver(uint256 auction, uint256 index, address payer, bytes calldata wrappedKey) external {
        Auction storage a = _auctions[auction];
        if (a.state != State.Settled) revert WrongState(a.state);
        _inPhase(0, a.deliverEnd);
        uint256 bid = _bids[auction][index];
        _checkOwner(bid, auction, index, msg.sender, payer);
        if (!_wins(a, auction, bid, index)) revert NotAWinner(auction, index);
        if (!bid.is_(Bids.DELIVERED)) {
            _bids[auction][index] = bid | Bids.DELIVERED;
            ++a.delivered;
        }
        emit Delivered(auction, index, wrappedKey);
    }

    /// @inheritdoc IDataAuction
    function enterVerdict(
        uint256 auction,
        uint32[] calldata indices,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external nonReentrant {
        Auction storage a = _auctions[auction];
        if (a.state != State.Settled) revert WrongState(a.state);
        _inPhase(a.deliverEnd, a.verdictEnd);
        ORACLE.recordVerdict(auction, indices, members, signatures);
        for (uint256 i = 0; i < indices.length; ++i) {
            uint256 bid = _bids[auction][indices[i]];
            if (!bid.is_(Bids.DELIVERED)) revert NotForfeitable(auction, indices[i]);
            --a.delivered;
            _forfeit(a, auction, indices[i], bid, true);
        }
        _burnBonds(a, indices.length);
    }

    /// @inheritdoc IDataAuction
    function forfeit(uint256 auction, uint256 index) external nonReentrant {
        Auction storage a = _auctions[auction];
        if (a.state != State.Settled) revert WrongState(a.state);
        _inPhase(a.deliverEnd, type(uint256).max);
        uint256 bid = _bids[auction][index];
        if (bid & (Bids.DELIVERED | Bids.FORFEITED) != 0 || !_wins(a, auction, bid, index)) {
            revert NotForfeitable(auction, index);
        }
        _forfeit(a, auction, index, bid, false);
        _burnBonds(a, 1);
    }

    /// @dev With a bond goes the bonus that its owner would have had as an honest revealer.
    function _burnBonds(Auction storage a, uint256 count) internal {
        _sendNative(BURN, count * (uint256(a.claimBondGwei) + a.price.bonusGwei) * 1 gwei);
    }

    /// @dev Payment back to the buyer, MUT struck out, bond burned: it pays neither the buyer nor who decides.
    function _forfeit(Auction storage a, uint256 auction, uint256 index, uint256 bid, bool verdict) internal {
        (uint256 cash, uint256 face, ) = _reward(a, bid);
        _bids[auction][index] =
            (bid & ~Bids.DELIVERED) |
            Bids.FORFEITED |
            Bids.CASH_PAID |
            Bids.MUT_PAID |
            Bids.BOND_PAID;
        ++a.forfeited;
        a.refund += uint80(cash);
        // slither-disable-next-line calls-loop,reentrancy-events (the auction's own token)
        if (face != 0) MutToken(mutToken(auction)).reduce(face);
        emit Forfeited(auction, index, cash, face, verdict);
    }

    /*//////////////////////////////////////////////////////////////
                                  CLAIM
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function claim(uint256 auction, uint256 index, address owner, address payer, uint256 parts) external nonReentrant {
        Auction storage a = _auctions[auction];
        uint256 bid = _bids[auction][index];
        _checkOwner(bid, auction, index, owner, payer);

        uint256 cash;
        uint256 face;
        uint256 bond;
        uint256 paid;
        // Nothing is delivered before the settlement, so this branch need not read the state.
        if (bid.is_(Bids.DELIVERED)) {
            _inPhase(a.verdictEnd, type(uint256).max);
            uint256 bonusGwei;
            (cash, face, bonusGwei) = _reward(a, bid);
            if (parts & CASH == 0 || bid.is_(Bids.CASH_PAID)) cash = 0;
            else paid = Bids.CASH_PAID;
            if (parts & MUT == 0 || bid.is_(Bids.MUT_PAID)) face = 0;
            else paid |= Bids.MUT_PAID;
            bond = bonusGwei;
        } else {
            if (a.state == State.Open) revert WrongState(State.Open);
            if (a.state == State.Settled && _wins(a, auction, bid, index)) revert NothingToClaim(auction, index);
            bond = a.price.bonusGwei;
        }
        if (parts & BOND == 0 || bid.is_(Bids.BOND_PAID)) {
            bond = 0;
        } else {
            paid |= Bids.BOND_PAID;
            bond = (bond + a.claimBondGwei) * 1 gwei;
        }
        if (paid == 0) revert NothingToClaim(auction, index);

        _bids[auction][index] = bid | paid;
        emit Claimed(auction, index, owner, payer, cash, face, bond);
        if (face != 0) MutToken(mutToken(auction)).mint(owner, face);
        if (cash != 0) IERC20(a.token).safeTransfer(owner, cash);
        _sendNative(payer, bond);
    }

    /// @inheritdoc IDataAuction
    function reclaim(
        uint256 auction,
        uint256 index,
        bytes32 sealedBid,
        address owner,
        address payer
    ) external nonReentrant {
        Auction storage a = _auctions[auction];
        if (a.state != State.Aborted) revert WrongState(a.state);
        _uncommit(auction, index, sealedBid, owner, payer);
        _sendNative(payer, uint256(a.bondGwei) * 1 gwei);
    }

    /// @inheritdoc IDataAuction
    function claimBounty(uint256 auction) external nonReentrant {
        Auction storage a = _auctions[auction];
        if (a.state != State.Settled) revert WrongState(a.state);
        uint256 walked = _walked[a.proposal][msg.sender];
        if (walked == 0) revert NothingToClaim(auction, 0);
        _walked[a.proposal][msg.sender] = 0;
        _payBounty(auction, (uint256(a.bounty) * walked) / a.count);
    }

    function _payBounty(uint256 auction, uint256 amount) internal {
        emit BountyClaimed(auction, msg.sender, amount);
        _sendNative(msg.sender, amount);
    }

    /// @inheritdoc IDataAuction
    function withdrawBuyer(uint256 auction, address to) external nonReentrant {
        Auction storage a = _auctions[auction];
        if (msg.sender != a.buyer) revert NotTheBuyer(msg.sender);
        if (a.state == State.Open) revert WrongState(State.Open);
        (uint256 amount, uint256 face, uint256 native) = (a.refund, a.buyerMut, 0);
        // Without bids nobody walked, and the bounty has no other taker.
        if (a.state == State.Aborted || a.count == 0) (native, a.bounty) = (a.bounty, 0);
        (a.refund, a.buyerMut) = (0, 0);
        emit BuyerWithdrawn(auction, to, amount, face, native);
        if (face != 0) MutToken(mutToken(auction)).mint(to, face);
        if (amount != 0) IERC20(a.token).safeTransfer(to, amount);
        _sendNative(to, native);
    }

    /*//////////////////////////////////////////////////////////////
                                  ABORT
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function abort(uint256 auction) external {
        Auction storage a = _auctions[auction];
        if (a.buyer == address(0)) revert UnknownAuction(auction);
        if (a.state != State.Open) revert WrongState(a.state);
        if (block.timestamp < a.settleEnd && !ORACLE.failed(address(this), auction)) revert ScoresStanding();
        a.state = State.Aborted;
        a.refund = a.budget;
        emit Aborted(auction);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IDataAuction
    function sealBid(uint256 auction, address owner, uint256 cost, bytes32 salt) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), auction, owner, cost, salt));
    }

    /// @inheritdoc IDataAuction
    function bidCount(uint256 auction) external view returns (uint256) {
        return _auctions[auction].count;
    }

    /// @inheritdoc IDataAuction
    function bids(uint256 auction, uint256 from, uint256 to) external view returns (uint256[] memory out) {
        out = new uint256[](to - from);
        for (uint256 i = from; i < to; ++i) {
            out[i - from] = _bids[auction][i];
        }
    }

    /// @inheritdoc IDataAuction
    function deliveriesResolved(uint256 auction) external view returns (bool) {
        Auction storage a = _auctions[auction];
        return
            a.state == State.Settled &&
            block.timestamp >= a.verdictEnd &&
            uint256(a.delivered) + a.forfeited == a.winners;
    }

    /// @inheritdoc IDataAuction
    function scoreChunks(uint256 auction) external view returns (address[] memory chunks) {
        uint256 count = (_auctions[auction].count + Scores.CHUNK - 1) / Scores.CHUNK;
        chunks = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            chunks[i] = _scores[auction][i];
        }
    }

    /// @inheritdoc IDataAuction
    function phases(
        uint256 auction
    )
        external
        view
        returns (
            State state,
            uint256 commitEnd,
            uint256 revealStart,
            uint256 revealEnd,
            uint256 settleEnd,
            uint256 deliverEnd,
            uint256 verdictEnd
        )
    {
        Auction storage a = _auctions[auction];
        return (a.state, a.commitEnd, a.revealStart, a.revealEnd, a.settleEnd, a.deliverEnd, a.verdictEnd);
    }

    /// @inheritdoc IDataAuction
    function mutToken(uint256 auction) public view returns (address) {
        return Clones.predictDeterministicAddress(MUT_IMPLEMENTATION, bytes32(auction));
    }

    /// @notice EIP-712 domain separator, for those who build the typed data themselves.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /*//////////////////////////////////////////////////////////////
                                INTERNAL
    //////////////////////////////////////////////////////////////*/

    /// @dev Whether a standing bid is not after the marginal winner of its clock.
    function _wins(Auction storage a, uint256 auction, uint256 bid, uint256 index) internal view returns (bool) {
        if (!bid.stands()) return false;
        uint256 marginal = bid.is_(Bids.FLAGGED) ? a.lastFlagged : a.lastUnflagged;
        if (marginal == Clock.NONE) return false;
        uint256 m = _bids[auction][marginal];
        return !Bids.after_(bid.cost(), bid.weight(), index, m.cost(), m.weight(), marginal);
    }

    /// @dev `floor(t w)`, split: cash `floor(ρ p)`, MUT the rest.
    function _reward(
        Auction storage a,
        uint256 bid
    ) internal view returns (uint256 cash, uint256 face, uint256 bonusGwei) {
        PaidPrice memory price = a.split && bid.is_(Bids.FLAGGED) ? a.flaggedPrice : a.price;
        uint256 reward = (uint256(price.num) * bid.weight()) / price.den;
        // slither-disable-next-line divide-before-multiply (the rule rounds the reward, then splits it)
        cash = (reward * price.rho) / PPB;
        face = reward - cash;
        bonusGwei = price.bonusGwei;
    }

    function _checkOwner(uint256 bid, uint256 auction, uint256 index, address owner, address payer) internal view {
        if (!bid.is_(Bids.REVEALED)) revert NotRevealed(auction, index);
        if (bid >> 152 != Bids.tag(auction, index, owner, payer)) revert NotTheOwner(auction, index);
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
