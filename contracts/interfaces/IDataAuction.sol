// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {WeightRule} from "../libraries/Weights.sol";

/// @title DataAuction: budget-feasible procurement of training data
/// @notice A buyer escrows a budget. Providers commit encrypted data and a sealed cost, operators score the data,
/// costs are revealed, and one price per unit of weight clears the auction (docs/mechanism.md).
///
/// Phases are half-open intervals of block time, all fixed when the auction is created:
///
///     commit   [creation,    commitEnd)
///     score    [commitEnd,   revealStart)   two rounds, see IScoreOracle
///     reveal   [revealStart, revealEnd)
///     settle   [revealEnd,   settleEnd)
///     deliver  [settlement,  deliverEnd)
///     verdict  [deliverEnd,  verdictEnd)
///     claim    [verdictEnd,  ∞)             losers: from settlement on
///
/// Units: money in the settlement token's smallest unit; bonds and the bounty in wei, bonds a whole number of gwei;
/// shares (`rho`, `tranche`) in parts per billion; weights in 1e-18.
interface IDataAuction {
    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice Lengths of the phases, in seconds, in order. Each scoring round is `scoreCommit + scoreOpen + scorePost`.
    struct Durations {
        uint32 commit;
        uint32 scoreCommit;
        uint32 scoreOpen;
        uint32 scorePost;
        uint32 challenge;
        uint32 reveal;
        uint32 settle;
        uint32 deliver;
        uint32 verdict;
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

    /// @notice Everything that a buyer fixes for ever by creating an auction.
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
        uint32 operatorSet;
        bytes32 metricVersion;
        bytes32 evaluation;
        Durations durations;
        DstTerms dst;
    }

    /// @notice The buyer's secp256k1 encryption key with an EIP-712 signature by that very key.
    struct EncryptionKey {
        bytes32 x;
        bytes32 y;
        bytes signature;
    }

    /// @notice What a provider commits to. `cid` is the sha2-256 digest of the archive's CIDv1 root.
    struct DataSet {
        bytes32 cid;
        bytes32 contentDigest;
        uint64 size;
    }

    /// @notice Marginal winners, one a clock; NONE (2^32-1) where the clock has no winner or is not used.
    struct Marginals {
        uint32 all;
        uint32 flagged;
        uint32 unflagged;
    }

    /// @notice Result of a settlement. Without a split `price` is everybody's, else that of the flagged bids.
    /// A price is the exact fraction num / den of token units per unit of weight.
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
        uint256 bounty;
        uint256 bonusGwei;
    }

    enum State {
        Open,
        Settled,
        Aborted
    }

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    event AuctionCreated(
        uint256 indexed auction,
        address indexed buyer,
        uint256 schema,
        Terms terms,
        bytes32 keyX,
        bytes32 keyY,
        uint256 bounty,
        uint256 beta,
        uint256 reserve
    );
    event Committed(
        uint256 indexed auction,
        uint256 indexed index,
        address indexed owner,
        address payer,
        bytes32 sealedBid,
        DataSet dataSet
    );
    event Withdrawn(uint256 indexed auction, uint256 indexed index);
    event ScoresAccepted(uint256 indexed auction, uint256 round, address[] chunks);
    event Revealed(
        uint256 indexed auction,
        uint256 indexed index,
        uint256 cost,
        bytes32 salt,
        uint256 weight,
        bool flagged
    );
    event Walked(uint256 indexed auction, bytes32 indexed proposal, address indexed settler, uint256 from, uint256 to);
    event Settled(uint256 indexed auction, Marginals marginals, Outcome outcome);
    event Delivered(uint256 indexed auction, uint256 indexed index, bytes wrappedKey);
    event Forfeited(uint256 indexed auction, uint256 indexed index, uint256 cash, uint256 face, bool verdict);
    event Claimed(
        uint256 indexed auction,
        uint256 indexed index,
        address indexed owner,
        address payer,
        uint256 cash,
        uint256 face,
        uint256 bond
    );
    event BountyClaimed(uint256 indexed auction, address indexed settler, uint256 amount);
    event BuyerWithdrawn(uint256 indexed auction, address indexed to, uint256 amount, uint256 face, uint256 native);
    event Aborted(uint256 indexed auction);

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    error TermsInvalid(bytes32 what);
    error BalanceMismatch(uint256 expected, uint256 received);
    error KeyNotOwned(address signer, address key);
    error UnknownAuction(uint256 auction);
    error OutOfPhase(uint256 now_, uint256 from, uint256 to);
    error WrongState(State state);
    error BondMismatch(uint256 sent, uint256 due);
    error AuctionFull(uint256 maxBids);
    error SignatureExpired(uint256 deadline);
    error SignatureInvalid(address owner);
    error NotTheCommitment(uint256 auction, uint256 index);
    error NotTheOwner(uint256 auction, uint256 index);
    error NotRevealed(uint256 auction, uint256 index);
    error NotAWinner(uint256 auction, uint256 index);
    error NotForfeitable(uint256 auction, uint256 index);
    error NothingToClaim(uint256 auction, uint256 index);
    error NotTheBuyer(address caller);
    error MarginalInvalid(uint256 index);
    error CertificateFailed(uint256 clock, bool tooLong);
    error NothingToWalk();
    error ScoresStanding();
    error ScoresMissing();
    error TransferFailed(address to, uint256 amount);

    /*//////////////////////////////////////////////////////////////
                                FUNCTIONS
    //////////////////////////////////////////////////////////////*/

    /// @notice Create an auction and escrow its budget. The value sent is the settlers' bounty.
    /// @return auction Its id; ids start at 1.
    function create(Terms calldata terms, EncryptionKey calldata key) external payable returns (uint256 auction);

    /// @notice Commit a data set and a sealed bid; the value sent must be the bond.
    /// @param sealedBid `sealBid(auction, msg.sender, cost, salt)`, computed by the caller off chain.
    /// In an enrolment it must be `sealBid(auction, msg.sender, 0, 0)`.
    /// @return index Place in the order of commitment.
    function commit(
        uint256 auction,
        bytes32 sealedBid,
        DataSet calldata dataSet
    ) external payable returns (uint256 index);

    /// @notice Commit for `owner`, who signed for this caller; the caller pays the bond and gets it back.
    function commitFor(
        uint256 auction,
        bytes32 sealedBid,
        DataSet calldata dataSet,
        address owner,
        uint256 deadline,
        bytes calldata signature
    ) external payable returns (uint256 index);

    /// @notice Replace one's own commitment; the bond moves along, the index is a new one.
    function recommit(
        uint256 auction,
        uint256 index,
        bytes32 oldSealedBid,
        address payer,
        bytes32 sealedBid,
        DataSet calldata dataSet
    ) external returns (uint256 newIndex);

    /// @notice Take one's own commitment back before the deadline; the bond returns to who paid it.
    function withdraw(uint256 auction, uint256 index, bytes32 sealedBid, address payer) external;

    /// @notice Open a bid. Anyone who knows it may.
    function reveal(uint256 auction, uint256 index, uint256 cost, bytes32 salt, address owner, address payer) external;

    /// @notice Fetch the final scores' location from the oracle; the first reveal does it by itself.
    function acceptScores(uint256 auction) external;

    /// @notice Propose the marginal winners and verify up to `count` further bids of the proposal. Where nobody
    /// revealed, scores must have been accepted. Who walks all bids in one call gets the bounty with it.
    /// @return done True when the auction is settled by this call.
    function settle(uint256 auction, Marginals calldata marginals, uint256 count) external returns (bool done);

    /// @notice Hand over the data key, wrapped for the buyer. The last one posted in time counts.
    function deliver(uint256 auction, uint256 index, address payer, bytes calldata wrappedKey) external;

    /// @notice Enter the quorum's verdict that these winners' posted keys do not open their data.
    /// @param indices Strictly ascending.
    /// @param members Positions of the signers in the operator set, strictly ascending.
    function enterVerdict(
        uint256 auction,
        uint32[] calldata indices,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external;

    /// @notice Past the delivery deadline: strike out a winner who posted no key.
    function forfeit(uint256 auction, uint256 index) external;

    /// @notice Pay what is due to bid `index`: cash, MUT and bond, chosen by the bits of `parts` (1, 2, 4).
    function claim(uint256 auction, uint256 index, address owner, address payer, uint256 parts) external;

    /// @notice After an abort: return the bond of a bid that was never revealed.
    function reclaim(uint256 auction, uint256 index, bytes32 sealedBid, address owner, address payer) external;

    /// @notice The caller's part of the settlement bounty, where several calls walked the bids.
    function claimBounty(uint256 auction) external;

    /// @notice The buyer's unspent cash, share of MUT, and bounty where it is due back.
    function withdrawBuyer(uint256 auction, address to) external;

    /// @notice Before settlement: end an auction whose scores failed, or that nobody settled in time.
    function abort(uint256 auction) external;

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice keccak256(chain, this contract, auction, owner, cost, salt).
    function sealBid(uint256 auction, address owner, uint256 cost, bytes32 salt) external view returns (bytes32);

    /// @notice Number of indices given out; withdrawn ones included.
    function bidCount(uint256 auction) external view returns (uint256);

    /// @notice Packed bids `[from, to)`, see libraries/Bids.sol.
    function bids(uint256 auction, uint256 from, uint256 to) external view returns (uint256[] memory);

    /// @notice True when every winner has delivered or been struck out and no verdict can follow.
    function deliveriesResolved(uint256 auction) external view returns (bool);

    /// @notice Where the accepted scores stand, as contract code, see libraries/Scores.sol.
    function scoreChunks(uint256 auction) external view returns (address[] memory);

    /// @notice The auction's state and deadlines.
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
        );

    /// @notice Revenue-share token of an auction (exists once it is settled, unless it has no pool).
    function mutToken(uint256 auction) external view returns (address);

    /// @notice keccak256(abi.encode(DstTerms)) of an auction with participation tokens, else 0. See DstFactory.
    function dstTermsHash(uint256 auction) external view returns (bytes32);
}
