// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bid, Place} from "../types/Bid.sol";
import {WeightRule} from "../libraries/Weights.sol";
import {IScoreOracle} from "./IScoreOracle.sol";

/// @title DataAuction: budget-feasible procurement of training data
/// @notice A buyer escrows a budget. Providers commit sealed data and a sealed cost, operators score a random sample of
/// the data, costs are revealed, and one price per unit of weight clears the auction (docs/mechanism.md). Keys are then
/// exchanged for money (IExchange).
///
/// Phases are half-open intervals of block time, all fixed when the auction is created:
///
///     commit   [creation,    commitEnd)
///     draw     [commitEnd,   openStart)    the sample's key is the prevrandao of the first block from openStart on
///     open     [openStart,   openEnd)      empty where nothing is sampled
///     score    [openEnd,     revealStart)  roll, scores, challenge, appeal: see IScoreOracle
///     reveal   [revealStart, revealEnd)
///     settle   [revealEnd,   settleEnd)
///     fetch    [settleEnd,   fetchEnd)     the buyer names what it cannot get in the first half, verdicts in the second
///     deliver  [fetchEnd,    deliverEnd)
///     dispute  [deliverEnd,  disputeEnd)   refutation; complaints in the first half, verdicts in the second
///     claim    [disputeEnd,  ∞)            losers: from settlement on
///
/// Units: money in the settlement token's smallest unit; bonds, fees and the bounty in wei, those of the terms in gwei;
/// shares (`rho`, `tranche`) in parts per billion; weights in 1e-18; q and φ in 1e-4.
interface IDataAuction {
    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice Lengths of the phases, in seconds, in order. An appeal takes the three score windows once more.
    /// @dev Least lengths are fixed at deployment: LEAST_PROVIDER_WINDOW for commit, open, reveal and deliver,
    /// LEAST_OPERATOR_WINDOW for the others, twice that for fetch and dispute. Each is at most 30 days, all 90 together.
    struct Durations {
        uint32 commit;
        uint32 open;
        uint32 roll;
        uint32 scoreCommit;
        uint32 scoreOpen;
        uint32 scorePost;
        uint32 challenge;
        uint32 reveal;
        uint32 settle;
        uint32 fetch;
        uint32 deliver;
        uint32 dispute;
    }

    /// @notice Terms of the participation tokens (paper §7). Weights in parts per billion, summing to 1e9.
    struct DstTerms {
        uint96 supply;
        uint96 floor;
        uint96 cap;
        uint32 volumeWeight;
        uint32 qualityWeight;
        uint32 impactWeight;
    }

    /// @notice What operators are asked for, what they risk and what they earn. All money in gwei.
    /// @param operatorSet A standing set; its appeal panel is part of it.
    /// @param samples Pages of each data set that are opened to the operators, at most MAX_SAMPLES; 0: all of them, by
    /// the manifest, and no open phase.
    /// @param stakeGwei What each operator puts at risk in this auction.
    /// @param feeGwei Paid by the buyer for the scores.
    /// @param entryFeeGwei Paid by each bid for the scores; does not come back, but where no scores stand.
    /// @param appealFeeGwei Bond of a challenge, and pay of the appeal panel where nothing moved.
    /// @param fetchFeeGwei Paid by the buyer for each index that it names in the fetch and the dispute phase.
    struct Scoring {
        uint32 operatorSet;
        uint16 samples;
        uint16 qMin;
        uint40 stakeGwei;
        uint40 feeGwei;
        uint40 entryFeeGwei;
        uint40 appealFeeGwei;
        uint40 fetchFeeGwei;
        bytes32 metricVersion;
        bytes32 evaluation;
    }

    /// @notice Everything that a buyer fixes by creating an auction; nothing of it can change.
    /// @param agreement Digest of the contract text that buyer and providers agree to.
    struct Terms {
        address token;
        uint80 budget;
        uint80 pool;
        uint32 rho;
        uint32 tranche;
        WeightRule weights;
        uint40 bondGwei;
        uint32 maxBids;
        bool enrolment;
        bytes32 agreement;
        Scoring scoring;
        Durations durations;
        DstTerms dst;
    }

    /// @notice The buyer's secp256k1 encryption key with an EIP-712 signature by that very key.
    struct EncryptionKey {
        bytes32 x;
        bytes32 y;
        bytes signature;
    }

    /// @notice What a provider commits to.
    /// @param manifest sha2-256 digest in the CIDv1 of the manifest.
    /// @param contentDigest Digest of the canonical document stream.
    /// @param size Bytes of the canonical document stream.
    /// @param keyCommitment keccak256 of the 32-byte data key.
    struct DataSet {
        bytes32 manifest;
        bytes32 contentDigest;
        uint64 size;
        bytes32 keyCommitment;
    }

    /// @notice Marginal winners, one per clock; NONE (2^32-1) where the clock has no winner or is not used.
    struct Marginals {
        uint32 all;
        uint32 flagged;
        uint32 unflagged;
    }

    /// @notice Result of a settlement. Prices are exact fractions of token units per unit of weight.
    /// @param split Whether the tranche split off: num / den is then the price of flagged bids only.
    /// @param unrevealed Commitments that were neither revealed nor withdrawn; their bonds burn.
    struct Outcome {
        bool split;
        uint256 num;
        uint256 den;
        uint256 unflaggedNum;
        uint256 unflaggedDen;
        uint256 winners;
        uint256 revealed;
        uint256 unrevealed;
        uint256 refund;
        uint256 mutSupply;
        uint256 buyerMut;
    }

    /// @notice Where an auction stands. Aborted: everybody is refunded.
    enum State {
        Open,
        Settled,
        Aborted
    }

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Emitted when a buyer creates an auction.
    /// @param schema Version of the events' meaning; an auditor refuses versions that it does not know.
    /// @param bounty Paid to who settles, in wei: the value sent less the fee.
    /// @param beta Budget of the clock.
    /// @param reserve Part of β that is kept for flagged bids first.
    event AuctionCreated(
        uint256 indexed auctionId,
        address indexed buyer,
        uint256 schema,
        Terms terms,
        bytes32 keyX,
        bytes32 keyY,
        uint256 bounty,
        uint256 beta,
        uint256 reserve
    );
    /// @notice Emitted when a data set and a sealed bid are committed, under the auction's agreement.
    event Committed(
        uint256 indexed auctionId,
        uint256 indexed index,
        address indexed owner,
        address payer,
        bytes32 sealedBid,
        DataSet dataSet
    );
    /// @notice Emitted when a commitment is taken back; its bond can be reclaimed once commitments end.
    event Withdrawn(uint256 indexed auctionId, uint256 indexed index);
    /// @notice Emitted when a provider records where the opening of its sample is. The first one of an index counts.
    /// @param opening sha2-256 digest in the CIDv1 of the opening.
    event Opened(uint256 indexed auctionId, uint256 indexed index, bytes32 opening);
    /// @notice Emitted when the standing scores are taken over and the fees go to the oracle.
    /// @param fees Wei.
    event ScoresAccepted(uint256 indexed auctionId, uint256 round, address[] chunks, uint256 fees);
    /// @notice Emitted when a bid is revealed.
    /// @param cost As bid; stored as 0 where the bid takes part in no clock.
    /// @param weight 0 where the bid is not eligible or above β.
    event Revealed(
        uint256 indexed auctionId,
        uint256 indexed index,
        uint256 cost,
        bytes32 salt,
        uint256 weight,
        bool flagged
    );
    /// @notice Emitted when bids `[from, to)` are walked for a proposal.
    event Walked(
        uint256 indexed auctionId,
        bytes32 indexed proposal,
        address indexed settler,
        uint256 from,
        uint256 to
    );
    /// @notice Emitted when the certificate of a proposal holds and the auction is settled.
    event Settled(uint256 indexed auctionId, Marginals marginals, Outcome outcome);
    /// @notice Emitted when a winner is struck out: its bond burns.
    /// @param cash Back to the buyer.
    /// @param mut Out of the supply.
    event StruckOut(
        uint256 indexed auctionId,
        uint256 indexed index,
        uint256 cash,
        uint256 mut,
        IScoreOracle.Ground ground
    );
    /// @notice Emitted when a bid is paid: cash and MUT to the owner, the bond to the payer.
    event Claimed(
        uint256 indexed auctionId,
        uint256 indexed index,
        address indexed owner,
        address payer,
        uint256 cash,
        uint256 mut,
        uint256 bond
    );
    /// @notice Emitted when bond, and after failed scores the entry fee, of an unrevealed commitment go back.
    event BondReclaimed(uint256 indexed auctionId, uint256 indexed index, address indexed payer, uint256 amount);
    /// @notice Emitted when a settler takes its part of the bounty.
    event BountyClaimed(uint256 indexed auctionId, address indexed settler, uint256 amount);
    /// @notice Emitted when the buyer takes what is left to it.
    /// @param native Wei: bounty or fee, where nobody earned it.
    event RefundWithdrawn(uint256 indexed auctionId, address indexed to, uint256 cash, uint256 mut, uint256 native);
    /// @notice Emitted when an auction ends without a settlement.
    event Aborted(uint256 indexed auctionId);

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @notice Thrown at deployment on a network whose prevrandao is a constant, so that samples could be foreseen.
    error NoRandomness(uint256 prevrandao);
    /// @notice Thrown at deployment when a least window is 0, or so long that no terms could keep it.
    error LeastWindowsInvalid(uint256 provider, uint256 operator);
    /// @notice Thrown when ρ is above 1e9.
    error RhoTooLarge(uint256 rho);
    /// @notice Thrown when the tranche is above 1e9.
    error TrancheTooLarge(uint256 tranche);
    /// @notice Thrown when `maxBids` is 0 or above MAX_BIDS of TermsRules.
    error MaxBidsInvalid(uint256 maxBids);
    /// @notice Thrown when the bounty does not fit its 96 bits.
    error BountyTooLarge(uint256 bounty);
    /// @notice Thrown when the settlement token has no code.
    error TokenWithoutCode(address token);
    /// @notice Thrown when a phase is shorter or longer than is allowed.
    error PhaseOutOfBounds(uint256 phase, uint256 least, uint256 most);
    /// @notice Thrown when all phases together are longer than is allowed.
    error AuctionTooLong(uint256 length, uint256 most);
    /// @notice Thrown when more pages are sampled than is allowed.
    error TooManySamples(uint256 samples);
    /// @notice Thrown when β is 0 or does not fit its 80 bits.
    error BudgetOutOfRange(uint256 beta);
    /// @notice Thrown when the weight of the best possible score is above 2^63.
    error WeightsTooLarge(uint256 weight);
    /// @notice Thrown when the terms of the participation tokens contradict each other.
    error DstTermsInvalid();
    /// @notice Thrown when the token moved another amount than it was asked to.
    error BalanceMismatch(uint256 expected, uint256 received);
    /// @notice Thrown when the encryption key did not sign for its buyer.
    error KeyNotOwned(address signer, address key);
    /// @notice Thrown when the value sent is below the fee that the terms name.
    error FeeMissing(uint256 sent, uint256 due);
    /// @notice Thrown when there is no such auction.
    error UnknownAuction(uint256 auctionId);
    /// @notice Thrown when a call comes before or after its phase.
    error OutOfPhase(uint256 timestamp, uint256 from, uint256 to);
    /// @notice Thrown when the auction is open, settled or aborted where it must not be.
    error WrongState(State state);
    /// @notice Thrown when the value sent is not bond and entry fee.
    error DepositMismatch(uint256 sent, uint256 due);
    /// @notice Thrown when all indices are given out.
    error AuctionFull(uint256 maxBids);
    /// @notice Thrown when a commitment names another contract text than the auction.
    error AgreementDiffers(bytes32 agreement);
    /// @notice Thrown in an enrolment when the sealed bid is not that of cost 0 and salt 0.
    error NotAnEnrolment(bytes32 sealedBid);
    /// @notice Thrown when a signature has expired.
    error SignatureExpired(uint256 deadline);
    /// @notice Thrown when the owner did not sign.
    error SignatureInvalid(address owner);
    /// @notice Thrown when the words given are not those committed to at this index.
    error NotTheCommitment(uint256 auctionId, uint256 index);
    /// @notice Thrown when owner, payer or data set are not those of the revealed bid.
    error NotTheOwner(uint256 auctionId, uint256 index);
    /// @notice Thrown when a bid was not revealed.
    error NotRevealed(uint256 auctionId, uint256 index);
    /// @notice Thrown when an index is not on the roll: it cannot reveal and loses its bond.
    error NotOnTheRoll(uint256 auctionId, uint256 index);
    /// @notice Thrown when a bid did not win.
    error NotAWinner(uint256 auctionId, uint256 index);
    /// @notice Thrown when a winner has delivered.
    error AlreadyDelivered(uint256 auctionId, uint256 index);
    /// @notice Thrown when a winner was struck out.
    error AlreadyStruckOut(uint256 auctionId, uint256 index);
    /// @notice Thrown when nothing is due to this bid or caller.
    error NothingToClaim(uint256 auctionId, uint256 index);
    /// @notice Thrown when the caller is not the buyer.
    error NotTheBuyer(address caller);
    /// @notice Thrown when the caller is not the exchange.
    error NotTheExchange(address caller);
    /// @notice Thrown when a marginal winner is no standing bid of its clock, or its clock is not used.
    error MarginalInvalid(uint256 index);
    /// @notice Thrown when a proposal has no bids left to walk.
    error NothingToWalk();
    /// @notice Thrown when an auction is aborted whose scores stand or may still come.
    error ScoresStanding();
    /// @notice Thrown when nobody revealed and scores were never accepted: such an auction is aborted.
    error ScoresMissing();
    /// @notice Thrown when ether cannot be sent.
    error TransferFailed(address to, uint256 amount);

    /*//////////////////////////////////////////////////////////////
                                FUNCTIONS
    //////////////////////////////////////////////////////////////*/

    /// @notice Create an auction and escrow its budget. The value sent is the fee and the settlers' bounty.
    /// @return auctionId Its id; ids start at 1.
    function create(Terms calldata terms, EncryptionKey calldata key) external payable returns (uint256 auctionId);

    /// @notice Commit a data set and a sealed bid; the value sent must be bond and entry fee.
    /// @param sealedBid `sealBid(auctionId, msg.sender, cost, salt)`, computed by the caller off chain.
    /// In an enrolment it must be `sealBid(auctionId, msg.sender, 0, 0)`.
    /// @param agreement Must be that of the terms.
    /// @return index Place in the order of commitment.
    function commit(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement
    ) external payable returns (uint256 index);

    /// @notice Commit for `owner`, who signed for this caller; the caller pays, and gets the bond back.
    function commitFor(
        uint256 auctionId,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        bytes32 agreement,
        address owner,
        uint256 deadline,
        bytes calldata signature
    ) external payable returns (uint256 index);

    /// @notice Take one's own commitment back. To replace it, commit again: that takes a new place, fee and bond.
    function withdrawBid(uint256 auctionId, bytes32 sealedBid, Place calldata place) external;

    /// @notice Record where the opening of one's sample is; by the owner of the commitment.
    function open(uint256 auctionId, bytes32 sealedBid, Place calldata place, bytes32 opening) external;

    /// @notice Record an opening that the owner signed.
    function openFor(
        uint256 auctionId,
        bytes32 sealedBid,
        Place calldata place,
        bytes32 opening,
        bytes calldata signature
    ) external;

    /// @notice Take over the standing scores and pay the operators' fees; the first reveal does it by itself.
    function acceptScores(uint256 auctionId) external;

    /// @notice Reveal a bid that is on the roll. Anyone who knows it may.
    function reveal(uint256 auctionId, Place calldata place, uint256 cost, bytes32 salt) external;

    /// @notice Propose the marginal winners and verify up to `count` further bids of the proposal. Who walks all bids in
    /// one call gets the bounty with it.
    /// @return done True when the auction is settled by this call.
    function settle(uint256 auctionId, Marginals calldata marginals, uint256 count) external returns (bool done);

    /// @notice Past the delivery deadline: strike out a winner who delivered nothing.
    function forfeit(uint256 auctionId, uint256 index) external;

    /// @notice Pay what is due to a bid: cash, MUT and bond, chosen by the bits of `parts` (1, 2, 4).
    function claim(uint256 auctionId, Place calldata place, uint256 parts) external;

    /// @notice Return the bond of a withdrawn commitment once commitments end; after an abort that of any commitment. Where
    /// the auction ended without scores, the entry fee too.
    function reclaimBond(uint256 auctionId, bytes32 sealedBid, Place calldata place) external;

    /// @notice The caller's part of the settlement bounty, where several calls walked the bids.
    function claimBounty(uint256 auctionId) external;

    /// @notice The buyer's unspent cash and share of MUT, and bounty and fee where nobody earned them.
    function withdrawRefund(uint256 auctionId, address to) external;

    /// @notice Before settlement: end an auction whose scores failed, or that nobody settled in time.
    function abort(uint256 auctionId) external;

    /*//////////////////////////////////////////////////////////////
                              THE EXCHANGE
    //////////////////////////////////////////////////////////////*/

    /// @notice Mark a winner as delivered, once; by the exchange, in the deliver phase.
    /// @param tag Of owner, payer and data set at this index, see types/Bid.sol.
    /// @param digest80 Upper 80 bits of the delivery's digest.
    function recordDelivery(uint256 auctionId, uint32 index, bytes13 tag, uint256 digest80) external;

    /// @notice Strike out a winner; by the exchange, which has checked the ground and the phase.
    function strikeOut(uint256 auctionId, uint256 index, IScoreOracle.Ground ground) external;

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice keccak256(chain, this contract, auction, owner, cost, salt).
    function sealBid(uint256 auctionId, address owner, uint256 cost, bytes32 salt) external view returns (bytes32);

    /// @notice Number of indices given out; withdrawn ones included.
    function bidCount(uint256 auctionId) external view returns (uint256);

    /// @notice Packed bids `[from, to)`, see types/Bid.sol.
    function bids(uint256 auctionId, uint256 from, uint256 to) external view returns (Bid[] memory);

    /// @notice Whether a revealed bid won, delivered or not, and was not struck out.
    function isWinner(uint256 auctionId, uint256 index) external view returns (bool);

    /// @notice True when every winner has delivered or been struck out and no dispute can follow.
    function deliveriesResolved(uint256 auctionId) external view returns (bool);

    /// @notice Whether anybody holds or can claim MUT: some winner is not struck out, or the buyer was given some.
    function hasHolders(uint256 auctionId) external view returns (bool);

    /// @notice Where the accepted scores stand, as contract code, see libraries/Scores.sol.
    function scoreChunks(uint256 auctionId) external view returns (address[] memory);

    /// @notice The auction's state and deadlines, in order: commitEnd, openStart, openEnd, revealStart, revealEnd,
    /// settleEnd, fetchEnd, deliverEnd, disputeEnd.
    function phases(uint256 auctionId) external view returns (State state, uint256[9] memory ends);

    /// @notice The last four of these deadlines, which the exchange needs: it reads fewer slots.
    function saleEnds(
        uint256 auctionId
    ) external view returns (State state, uint256 settleEnd, uint256 fetchEnd, uint256 deliverEnd, uint256 disputeEnd);

    /// @notice What the exchange needs: the buyer, the address of its encryption key, and the fee per index in wei.
    function buyerOf(uint256 auctionId) external view returns (address buyer, address key, uint256 fetchFee);

    /// @notice Revenue-share token of an auction (exists once it is settled, unless it has no pool).
    function mutToken(uint256 auctionId) external view returns (address);

    /// @notice keccak256(abi.encode(DstTerms)) of an auction with participation tokens, else 0. See DstFactory.
    function dstTermsHash(uint256 auctionId) external view returns (bytes32);
}
