// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ScoreOracle: bonded operators agree on scores, a median at a time
/// @notice Anyone may register as an operator with a bond, and anyone may gather operators into a set, which never
/// changes afterwards. An auction (the consumer and its id) freezes a set and a metric version when it is created.
///
/// A round has three half-open windows:
///
///     commit  operators commit to a signed report, before anybody sees another's vector
///     open    the scores can be posted with the vectors of ALL operators that committed; whoever fears that this
///             will not happen publishes its own vector on chain
///     post    the scores can be posted with the vectors of exactly those that PUBLISHED
///
/// A score is the lower median of each field over those vectors; at least k of them are needed. After round one, a
/// bonded challenge forces one second round over the same bytes.
interface IScoreOracle {
    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice Terms of a request: the end of the commitments to score, and window lengths in seconds.
    struct Request {
        uint32 operatorSet;
        uint40 start;
        uint32 commitWindow;
        uint32 openWindow;
        uint32 postWindow;
        uint32 challengeWindow;
        bytes32 metricVersion;
    }

    /// @notice One operator's vector for a chunk, with what proves that it is the one committed to.
    /// @param member Position in the operator set.
    /// @param salt Salt of the operator's commitment.
    /// @param evidence Digest of the operator's evidence bundle.
    /// @param signature EIP-712 signature of the report.
    /// @param chunkHashes keccak256 of each chunk of the whole vector; the report's root is the hash of them all.
    /// @param vector This chunk: eight bytes a score, see libraries/Scores.sol.
    struct Submission {
        uint8 member;
        bytes32 salt;
        bytes32 evidence;
        bytes signature;
        bytes32[] chunkHashes;
        bytes vector;
    }

    /// @notice A signed report without its vector.
    struct Report {
        uint8 round;
        bytes32 root;
        bytes32 evidence;
        bytes signature;
    }

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    event OperatorRegistered(address indexed operator, uint256 bond, bytes32 keyX, bytes32 keyY);
    event BondAdded(address indexed operator, uint256 amount, uint256 bond);
    event OperatorExited(address indexed operator, uint256 bond);
    event OperatorSlashed(
        address indexed consumer,
        uint256 indexed id,
        address indexed operator,
        uint256 round,
        bytes32 offence,
        uint256 amount,
        address beneficiary,
        uint256 reward
    );
    /// @notice What proves an offence, so that the logs alone convict.
    event EquivocationProved(
        address indexed consumer,
        uint256 indexed id,
        address indexed operator,
        Report a,
        Report b
    );
    event DeviationProved(
        address indexed consumer,
        uint256 indexed id,
        address indexed operator,
        uint256 index,
        bytes32 evidence,
        bytes signature,
        bytes32[] chunkHashes,
        bytes vector
    );
    event VerdictRecorded(
        address indexed consumer,
        uint256 indexed id,
        uint32[] indices,
        uint8[] members,
        bytes[] signatures
    );
    event SetCreated(uint256 indexed operatorSet, address indexed creator, uint256 threshold, address[] members);
    event RequestOpened(address indexed consumer, uint256 indexed id, uint256 schema, Request request);
    event VectorCommitted(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        address indexed operator,
        bytes32 commitment
    );
    event VectorAnnounced(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        address indexed operator,
        string location
    );
    event VectorPublished(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        address indexed operator,
        Submission submission
    );
    event ScoresPosted(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        uint256 chunk,
        uint256 mask,
        address pointer,
        Submission[] submissions
    );
    event RoundCompleted(address indexed consumer, uint256 indexed id, uint256 round, uint256 mask);
    event Challenged(address indexed consumer, uint256 indexed id, address indexed challenger, uint256 bond);
    event ChallengeResolved(
        address indexed consumer,
        uint256 indexed id,
        uint256 finalRound,
        bool quorum,
        bool moved,
        uint256 movedIndex
    );
    event CreditAdded(address indexed account, uint256 amount);
    event CreditWithdrawn(address indexed account, uint256 amount);

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    error BondTooSmall(uint256 bond, uint256 minimum);
    error BondLocked(uint256 until);
    error NotAnOperator(address account);
    error AlreadyRegistered(address operator);
    error SetInvalid();
    error UnknownSet(uint256 operatorSet);
    error UnknownRequest(address consumer, uint256 id);
    error RequestExists(address consumer, uint256 id);
    error OutOfWindow(uint256 now_, uint256 from, uint256 to);
    error NotAMember(address account, uint256 member);
    error AlreadyCommitted(address operator);
    error NotTheCommitment(uint256 member);
    error NotTheVector(uint256 member);
    error SignerMismatch(uint256 member, address recovered);
    error MembersUnordered(uint256 member);
    error WrongMembers(uint256 mask, uint256 due);
    error NoQuorum(uint256 present, uint256 threshold);
    error AlreadyPosted(uint256 chunk);
    error NoRound(uint256 round);
    error NotFinal();
    error ChallengeBondMismatch(uint256 sent, uint256 due);
    error NotSlashable(address operator);
    error AlreadySlashed(address operator);
    error NothingDue(address account);

    /*//////////////////////////////////////////////////////////////
                                OPERATORS
    //////////////////////////////////////////////////////////////*/

    /// @notice Become an operator; the value sent is the bond. The key is for data wrapped for scoring.
    function register(bytes32 keyX, bytes32 keyY) external payable;

    /// @notice Add to one's bond.
    function addBond() external payable;

    /// @notice Leave, once no request that one committed to can slash any more; the bond becomes credit.
    function exit() external;

    /// @notice Withdraw credit: bonds given back and challengers' rewards.
    function withdrawCredit(address to) external;

    /// @notice Gather operators into an immutable set with threshold `k`: odd, more than half.
    /// @param members Strictly ascending addresses of registered operators.
    function createSet(address[] calldata members, uint256 k) external returns (uint256 operatorSet);

    /*//////////////////////////////////////////////////////////////
                                 SCORES
    //////////////////////////////////////////////////////////////*/

    /// @notice Open a request; the caller is the consumer.
    function open(uint256 id, Request calldata request) external;

    /// @notice Commit to a report: keccak256(abi.encode(report digest, operator, salt)).
    function commitVector(address consumer, uint256 id, uint256 member, bytes32 commitment) external;

    /// @notice Tell where one's signed vector can be had. No obligation, no effect on chain.
    function announceVector(address consumer, uint256 id, uint256 member, string calldata location) external;

    /// @notice Publish one's whole vector; it then counts in the post window.
    function publishVector(address consumer, uint256 id, Submission calldata submission) external;

    /// @notice Post one chunk of scores. Chunks may come in any order; the last one completes the round.
    function postScores(address consumer, uint256 id, uint256 chunk, Submission[] calldata submissions) external;

    /// @notice Force a second round; the value sent must be the challenge bond.
    function challenge(address consumer, uint256 id) external payable;

    /// @notice Decide a challenge once round two is complete or over.
    function resolve(address consumer, uint256 id) external;

    /*//////////////////////////////////////////////////////////////
                                SLASHING
    //////////////////////////////////////////////////////////////*/

    /// @notice Two different reports signed for one round: the whole bond goes, half of it to the caller. As any
    /// offence, it is punished once a round.
    function slashEquivocation(
        address consumer,
        uint256 id,
        address operator,
        Report calldata a,
        Report calldata b
    ) external;

    /// @notice Committed, but neither posted nor published by the deadline: a tenth of the bond is burned.
    function slashMissing(address consumer, uint256 id, uint256 round, uint256 member) external;

    /// @notice After a challenge that moved scores: an operator's round-one vector differs from the final score of
    /// `index` beyond the tolerance. Half of the bond goes, half of that to the challenger.
    function slashDeviator(
        address consumer,
        uint256 id,
        uint256 member,
        uint256 index,
        bytes32 evidence,
        bytes calldata signature,
        bytes32[] calldata chunkHashes,
        bytes calldata vector
    ) external;

    /// @notice Called by an auction: a verdict on non-delivery with at least k signatures of set members goes on
    /// record; reverts otherwise.
    function recordVerdict(
        uint256 id,
        uint32[] calldata indices,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external;

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice Round that counts and its chunks; reverts while that is not decided.
    function finalScores(address consumer, uint256 id) external view returns (uint256 round, address[] memory chunks);

    /// @notice True when no scores can come any more.
    function failed(address consumer, uint256 id) external view returns (bool);

    /// @notice EIP-712 digest that an operator signs for a report.
    function reportDigest(
        address consumer,
        uint256 id,
        uint256 round,
        bytes32 root,
        bytes32 evidence
    ) external view returns (bytes32);

    /// @notice EIP-712 digest that an operator signs for a verdict.
    function verdictDigest(address consumer, uint256 id, uint32[] calldata indices) external view returns (bytes32);

    /// @notice Members and threshold of a set.
    function setOf(uint256 operatorSet) external view returns (address[] memory members, uint256 threshold);

    /// @notice Bond of an operator and the time until which it is locked.
    function bondOf(address operator) external view returns (uint256 bond, uint256 lockedUntil);

    /// @notice A request, its rounds' masks (committed, published, complete), and its challenge.
    function requestOf(
        address consumer,
        uint256 id
    )
        external
        view
        returns (
            Request memory request,
            uint256[2] memory committed,
            uint256[2] memory published,
            uint256[2] memory complete,
            address challenger,
            uint256 finalRound
        );

    /// @notice Bounds `[commit, open, post, end)` of a round's windows.
    function windows(address consumer, uint256 id, uint256 round) external view returns (uint256[4] memory);
}

/// @notice What the oracle asks of the contract that opened a request.
interface IScoreConsumer {
    /// @notice Number of scores due.
    function bidCount(uint256 id) external view returns (uint256);
}
