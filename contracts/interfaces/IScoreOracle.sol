// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ScoreOracle: operators agree on scores, a median at a time
/// @notice Operators serve in sets that every member accepted. A set has a first panel, which scores, and may have an
/// appeal panel, disjoint from the first, which attests the inputs and scores again where somebody challenges. Both
/// panels accept the set as one, so nobody serves, attests or judges without its consent.
///
/// A request (an auction and its id) freezes a set, a metric version, a stake and these half-open windows:
///
///     roll       the attesting panel (the appeal panel, or the first where there is none) posts one bitmap per member
///     commit     first panel: stake, and commit to a signed report, before anybody sees another's vector
///     open       the scores can be posted with the vectors of ALL members that committed
///     post       the scores can be posted with the vectors of exactly those that PUBLISHED
///     challenge  anybody may pay for an appeal (only where there is an appeal panel)
///     commit, open, post   the same three windows for the appeal panel
///
/// An index takes part if and only if (k+1)/2 members of the attesting panel attested it. A score is the lower median
/// of each field over the vectors; at least k of them are needed. Scores are right with at most (k-1)/2 liars and n-k
/// silent members in a panel.
///
/// Units: money in wei, windows in seconds, times in seconds since 1970. A position counts the members of one panel.
interface IScoreOracle {
    /*//////////////////////////////////////////////////////////////
                                 TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice Operators that decide together.
    /// @param threshold Vectors needed, k: odd, more than half of the members.
    /// @param members Strictly ascending addresses of registered operators, at most MAX_MEMBERS.
    struct Panel {
        uint8 threshold;
        address[] members;
    }

    /// @notice Terms of a request.
    /// @param start Start of the roll call.
    /// @param challengeWindow 0 if and only if the set has no appeal panel.
    /// @param stake What each member puts at risk when it commits; at least MIN_STAKE.
    /// @param appealFee Bond of a challenge, and pay of the appeal panel where nothing moved.
    struct Request {
        uint32 operatorSet;
        uint40 start;
        uint32 rollWindow;
        uint32 commitWindow;
        uint32 openWindow;
        uint32 postWindow;
        uint32 challengeWindow;
        bytes32 metricVersion;
        uint96 stake;
        uint96 appealFee;
    }

    /// @notice One member's vector for a chunk, with what proves that it is the one committed to.
    /// @param member Position in the panel of the round.
    /// @param salt Salt of the member's commitment.
    /// @param evidence Digest of the member's evidence bundle.
    /// @param signature EIP-712 signature of the report.
    /// @param chunkHashes keccak256 of each chunk of the whole vector; the report's root is the hash of them all.
    /// @param vector This chunk: eight bytes per score, see libraries/Scores.sol.
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

    /// @notice Masks over the positions of a round's panel.
    /// @param committed Members that staked and committed.
    /// @param published Members that published their vector on chain.
    /// @param complete Members whose vectors made the round's scores; 0 while the round is not complete.
    /// @param settled Members whose stake was burned or released.
    struct Round {
        uint32 committed;
        uint32 published;
        uint32 complete;
        uint32 settled;
    }

    /// @notice Why a majority of the standing panel strikes out a winner.
    /// @dev Unavailable: its ciphertext cannot be had. Unreadable: a page does not open to what was committed.
    enum Ground {
        Silent,
        Unavailable,
        Refuted,
        Unreadable
    }

    /*//////////////////////////////////////////////////////////////
                                 EVENTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Emitted when an operator registers, or changes its key. The last one before an auction's creation counts
    /// for that auction.
    /// @param keyX The secp256k1 key for which openings are wrapped, with `keyY`.
    event OperatorRegistered(address indexed operator, bytes32 keyX, bytes32 keyY);
    /// @notice Emitted when an account gets money: a deposit, a released stake, a fee, a returned bond.
    event CreditAdded(address indexed account, uint256 amount);
    /// @notice Emitted when an account takes money out.
    event CreditWithdrawn(address indexed account, address to, uint256 amount);

    /// @notice Emitted when somebody proposes a set. It serves once every member of both panels accepted it.
    /// @param appeal The appeal panel, without members where there is none.
    event SetProposed(uint256 indexed operatorSet, address indexed creator, Panel first, Panel appeal);
    /// @notice Emitted when a member accepts a set.
    /// @param standing Whether all members have accepted now, so that auctions can name the set.
    event SetAccepted(uint256 indexed operatorSet, address indexed member, bool standing);
    /// @notice Emitted when a member leaves a set: no new request can name it, running ones go on.
    event SetLeft(uint256 indexed operatorSet, address indexed member);

    /// @notice Emitted when a consumer opens a request.
    /// @param schema Version of the events' meaning.
    /// @param end Time from which the final scores can be read.
    event RequestOpened(address indexed consumer, uint256 indexed id, uint256 schema, Request request, uint256 end);
    /// @notice Emitted when a member of the attesting panel says which inputs it holds and has checked.
    /// @param bitmap Index i is bit `i % 256` of word `i / 256`.
    event RollCalled(address indexed consumer, uint256 indexed id, address indexed member, uint256[] bitmap);
    /// @notice Emitted when the roll is counted: it settles who takes part, before anybody signs a vector.
    /// @param callers Mask of the members that called.
    /// @param roll Indices with at least (k+1)/2 attestations, laid out like a bitmap.
    event RollTallied(address indexed consumer, uint256 indexed id, uint256 callers, uint256[] roll);

    /// @notice Emitted when a member stakes and commits to its report.
    /// @param commitment keccak256(abi.encode(report digest, member, salt)).
    event VectorCommitted(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        address indexed member,
        bytes32 commitment
    );
    /// @notice Emitted when a member tells where its signed vector can be fetched.
    event VectorAnnounced(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        address indexed member,
        string location
    );
    /// @notice Emitted when a whole vector goes on record, so that nobody can leave it out.
    event VectorPublished(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        address indexed member,
        Submission submission
    );
    /// @notice Emitted when the medians of a chunk are stored.
    /// @param mask Positions of the members whose vectors made them.
    /// @param pointer Contract whose code holds them, see libraries/Scores.sol.
    event ScoresPosted(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        uint256 chunk,
        uint256 mask,
        address pointer,
        Submission[] submissions
    );
    /// @notice Emitted when the last chunk of a round is posted.
    event RoundCompleted(address indexed consumer, uint256 indexed id, uint256 round, uint256 mask);
    /// @notice Emitted when somebody pays for an appeal.
    event Challenged(address indexed consumer, uint256 indexed id, address indexed challenger, uint256 bond);
    /// @notice Emitted when it is decided which round stands after a challenge.
    /// @param quorum Whether the appeal completed.
    /// @param moved Whether some score differs; the appeal then stands.
    /// @param movedIndex First index that differs, 0 where none does.
    event ChallengeResolved(
        address indexed consumer,
        uint256 indexed id,
        uint256 standing,
        bool quorum,
        bool moved,
        uint256 movedIndex
    );

    /// @notice Emitted when a member's stake in a request is lost.
    /// @param offence "contradiction", "missing" or "deviation".
    /// @param burned The part that is burned.
    /// @param dues The part that repays the gas of those who published and posted; 0 but for "missing".
    event StakeSlashed(
        address indexed consumer,
        uint256 indexed id,
        address indexed member,
        uint256 round,
        bytes32 offence,
        uint256 burned,
        uint256 dues
    );
    /// @notice Emitted when a member gets its stake in a request back.
    event StakeReleased(address indexed consumer, uint256 indexed id, address indexed member, uint256 round);
    /// @notice Emitted before the slash: two reports that one member signed for one round.
    event ContradictionProved(address indexed consumer, uint256 indexed id, address indexed member, Report a, Report b);
    /// @notice Emitted before the slash: a signed vector of round one that the appeal found wrong at `index`.
    event DeviationProved(
        address indexed consumer,
        uint256 indexed id,
        address indexed member,
        uint256 index,
        bytes32 evidence,
        bytes signature,
        bytes32[] chunkHashes,
        bytes vector
    );

    /// @notice Emitted when a call is owed its gas, to be repaid before fees are shared.
    event DueAdded(address indexed consumer, uint256 indexed id, address indexed account, uint256 amount);
    /// @notice Emitted when fees arrive for the members that made the standing scores.
    /// @param part What each of them may claim of it; a panel of n members has n parts, also where fewer took part.
    /// @param dues What goes to those who posted and published.
    /// @param refund What goes back to `refundTo`: the parts of members that did not count, and what does not divide.
    event FeesPaid(
        address indexed consumer,
        uint256 indexed id,
        uint256 round,
        uint256 part,
        uint256 dues,
        address refundTo,
        uint256 refund
    );
    /// @notice Emitted when a member's fee is added to its credit.
    event FeeClaimed(
        address indexed consumer,
        uint256 indexed id,
        address indexed member,
        uint256 round,
        uint256 amount
    );
    /// @notice Emitted when repaid gas is added to an account's credit.
    event DueClaimed(address indexed consumer, uint256 indexed id, address indexed account, uint256 amount);

    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @notice Thrown at deployment when the smallest stake is 0 or the shortest window is 0 or above a day.
    error ConstantsInvalid();
    /// @notice Thrown when the caller has not registered.
    error NotAnOperator(address account);
    /// @notice Thrown when an encryption key did not sign for its owner.
    /// @param signer Who did sign.
    /// @param key Address of the key that should have.
    error KeyNotOwned(address signer, address key);
    /// @notice Thrown when an account's credit is below what is asked of it.
    error CreditTooSmall(uint256 credit, uint256 needed);
    /// @notice Thrown when ether cannot be sent.
    error TransferFailed(address to, uint256 amount);

    /// @notice Thrown when a panel has no or too many members.
    error PanelSizeInvalid(uint256 size);
    /// @notice Thrown when a threshold is even, above the panel's size, or not above half of it.
    error ThresholdInvalid(uint256 threshold, uint256 size);
    /// @notice Thrown when a list is not strictly ascending at `position`.
    error NotAscending(uint256 position);
    /// @notice Thrown when an operator is in both panels of a set.
    error PanelsOverlap(address member);
    /// @notice Thrown when there is no such set.
    error UnknownSet(uint256 operatorSet);
    /// @notice Thrown when not every member has accepted the set, or one has left it.
    error SetNotStanding(uint256 operatorSet);
    /// @notice Thrown when a member accepts a set twice.
    error AlreadyAccepted(address member);
    /// @notice Thrown when a member leaves a set that it has not accepted.
    error NotAccepted(address member);
    /// @notice Thrown when `account` is not at this position.
    error NotAMember(address account, uint256 member);

    /// @notice Thrown when there is no such request.
    error UnknownRequest(address consumer, uint256 id);
    /// @notice Thrown when a request is opened twice.
    error RequestExists(address consumer, uint256 id);
    /// @notice Thrown when a window is shorter or longer than is allowed.
    error WindowOutOfBounds(uint256 window, uint256 least, uint256 most);
    /// @notice Thrown when a request would end too far in the future.
    error RequestTooLong(uint256 end, uint256 latest);
    /// @notice Thrown when a challenge window is given without an appeal panel, or none is given with one.
    error ChallengeWithoutPanel();
    /// @notice Thrown when a request's stake is below the least one.
    error StakeTooSmall(uint256 stake, uint256 least);
    /// @notice Thrown when a call comes before or after its window.
    error OutOfWindow(uint256 timestamp, uint256 from, uint256 to);

    /// @notice Thrown when a bitmap has not one bit per bid, in whole words.
    error BitmapLengthInvalid(uint256 length, uint256 needed);
    /// @notice Thrown when a member calls the roll twice.
    error AlreadyCalled(address member);
    /// @notice Thrown when a bitmap is not the one that the member posted.
    error NotTheBitmap(uint256 member);
    /// @notice Thrown when fewer than k members called the roll: the request has failed.
    error RollFailed(uint256 callers, uint256 threshold);
    /// @notice Thrown when the roll is counted twice.
    error RollAlreadyTallied();
    /// @notice Thrown when scores are posted before the roll is counted.
    error RollNotTallied();

    /// @notice Thrown when a member commits twice in a round.
    error AlreadyCommitted(address member);
    /// @notice Thrown when a report is not the one committed to.
    error NotTheCommitment(uint256 member);
    /// @notice Thrown when a member's vector has another length or hash than its report says.
    error NotTheVector(uint256 member);
    /// @notice Thrown when somebody else signed.
    error SignerMismatch(uint256 member, address recovered);
    /// @notice Thrown when the vectors are not those of exactly the members that are due.
    error WrongMembers(uint256 mask, uint256 due);
    /// @notice Thrown when there are too few vectors or signatures.
    error NoQuorum(uint256 present, uint256 threshold);
    /// @notice Thrown when there is no such chunk.
    error ChunkUnknown(uint256 chunk);
    /// @notice Thrown when a chunk is posted twice.
    error ChunkPosted(uint256 chunk);
    /// @notice Thrown when scores are posted or published for a round that is complete.
    error RoundComplete(uint256 round);
    /// @notice Thrown when round one has no scores to challenge.
    error NothingToChallenge();
    /// @notice Thrown when a request is challenged twice.
    error AlreadyChallenged(address challenger);
    /// @notice Thrown when the value sent is not the appeal fee.
    error ChallengeBondMismatch(uint256 sent, uint256 due);
    /// @notice Thrown when there is no challenge to decide.
    error NothingToResolve();
    /// @notice Thrown when it is not decided yet which round stands.
    error NotFinal();

    /// @notice Thrown when there is no round of this number.
    error UnknownRound(uint256 round);
    /// @notice Thrown when the proof shows no offence of this member.
    error NotSlashable(address member);
    /// @notice Thrown when a member has no stake in the round, or it was burned or released before.
    error NoStake(address member);
    /// @notice Thrown when nothing is due.
    error NothingDue(address account);

    /*//////////////////////////////////////////////////////////////
                             OPERATORS, SETS
    //////////////////////////////////////////////////////////////*/

    /// @notice Register as an operator, or change one's key; a change counts for auctions created later.
    /// @param signature The key's own EIP-712 signature of `EncryptionKey(address owner,bytes32 x,bytes32 y)`.
    function register(bytes32 keyX, bytes32 keyY, bytes calldata signature) external;

    /// @notice Add ether to an account's credit, from which stakes are taken.
    function deposit(address account) external payable;

    /// @notice Withdraw credit: deposits, released stakes, fees, returned bonds.
    function withdrawCredit(address to, uint256 amount) external;

    /// @notice Propose a set. It serves nobody before each of its members accepted it.
    /// @param appeal The appeal panel; no members and threshold 0 where there is none.
    function proposeSet(Panel calldata first, Panel calldata appeal) external returns (uint256 operatorSet);

    /// @notice Accept to serve in a set.
    /// @param position Of the caller: members of the first panel first, then those of the appeal panel.
    function acceptSet(uint256 operatorSet, uint256 position) external;

    /// @notice Leave a set: new requests cannot name it until the caller accepts it again; running ones go on.
    function leaveSet(uint256 operatorSet, uint256 position) external;

    /*//////////////////////////////////////////////////////////////
                              REQUEST, ROLL
    //////////////////////////////////////////////////////////////*/

    /// @notice Open a request; the caller is the consumer.
    /// @return end Time from which `finalScores` is decided, but for a call of `resolve`.
    function open(uint256 id, Request calldata request) external returns (uint256 end);

    /// @notice Attest which inputs the caller holds, checked, and serves to both panels until claims begin.
    /// @param member Position in the attesting panel.
    /// @param bitmap One bit per bid, see RollCalled.
    function callRoll(address consumer, uint256 id, uint256 member, uint256[] calldata bitmap) external;

    /// @notice Count the roll from the bitmaps posted, in the order of their members' positions; anybody may, once.
    function tallyRoll(address consumer, uint256 id, uint256[][] calldata bitmaps) external;

    /*//////////////////////////////////////////////////////////////
                                 SCORES
    //////////////////////////////////////////////////////////////*/

    /// @notice Stake and commit to a report: keccak256(abi.encode(report digest, member, salt)).
    function commitVector(address consumer, uint256 id, uint256 member, bytes32 commitment) external;

    /// @notice Tell where one's signed vector can be fetched. No obligation, no effect on chain.
    function announceVector(address consumer, uint256 id, uint256 member, string calldata location) external;

    /// @notice Publish a whole vector of a round that is not complete; it then counts in the post window. Anybody may who has
    /// the report.
    function publishVector(address consumer, uint256 id, Submission calldata submission) external;

    /// @notice Post one chunk of scores. Chunks may come in any order; the last one completes the round.
    function postScores(address consumer, uint256 id, uint256 chunk, Submission[] calldata submissions) external;

    /// @notice Pay for an appeal; the value sent must be the appeal fee.
    function challenge(address consumer, uint256 id) external payable;

    /// @notice Decide a challenge once the appeal is complete or over.
    function resolve(address consumer, uint256 id) external;

    /*//////////////////////////////////////////////////////////////
                             STAKES AND FEES
    //////////////////////////////////////////////////////////////*/

    /// @notice Two different reports signed for one round: the stake in this request burns.
    function slashContradiction(
        address consumer,
        uint256 id,
        uint256 member,
        Report calldata a,
        Report calldata b
    ) external;

    /// @notice Committed, but neither posted nor published by the end of the round: the stake is lost. It repays the
    /// gas of those who published and posted, the rest burns.
    function slashMissing(address consumer, uint256 id, uint256 round, uint256 member) external;

    /// @notice After an appeal that moved scores: a vector of round one lies beyond the tolerance from the final score of
    /// `index`. The stake burns; nobody is paid.
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

    /// @notice Give a member its stake back, a week after the request's end.
    function releaseStake(address consumer, uint256 id, uint256 round, uint256 member) external;

    /// @notice Pay fees to the members that made the standing scores; anybody may add some.
    /// @param refundTo Gets credit for the parts of members that did not count.
    function payFees(address consumer, uint256 id, address refundTo) external payable;

    /// @notice Add to a member's credit what it is due of the fees of a round.
    function claimFee(address consumer, uint256 id, uint256 round, uint256 member) external;

    /// @notice Add to an account's credit what it is repaid for posting and publishing.
    function claimDue(address consumer, uint256 id, address account) external;

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice Round that stands and its chunks; reverts while that is not decided.
    function finalScores(address consumer, uint256 id) external view returns (uint256 round, address[] memory chunks);

    /// @notice True when no scores can come any more: too few called the roll, or round one is over and incomplete.
    function failed(address consumer, uint256 id) external view returns (bool);

    /// @notice Reverts unless a majority of the standing panel signed that a winner is to be struck out.
    /// @param members Positions of the signers, strictly ascending.
    function checkVerdict(
        address consumer,
        uint256 id,
        uint256 index,
        Ground ground,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external view;

    /// @notice EIP-712 digest that a member signs for a report.
    function reportDigest(
        address consumer,
        uint256 id,
        uint256 round,
        bytes32 root,
        bytes32 evidence
    ) external view returns (bytes32);

    /// @notice EIP-712 digest that a member signs for a verdict.
    function verdictDigest(address consumer, uint256 id, uint256 index, Ground ground) external view returns (bytes32);

    /// @notice Panels of a set, and whether all members have accepted it.
    function setOf(
        uint256 operatorSet
    ) external view returns (Panel memory first, Panel memory appeal, uint256 accepted, bool standing);

    /// @notice A request, its rounds, its challenger, and the round that stands (0 while undecided).
    function requestOf(
        address consumer,
        uint256 id
    ) external view returns (Request memory request, Round[2] memory rounds, address challenger, uint256 standing);

    /// @notice Mask of the members that called the roll, and the contract whose code holds the roll (0 before it is
    /// counted).
    function rollOf(address consumer, uint256 id) external view returns (uint256 callers, address pointer);

    /// @notice Bounds `[commit, open, post, end)` of a round's windows. The roll call ends where round one begins.
    function windows(address consumer, uint256 id, uint256 round) external view returns (uint256[4] memory);

    /// @notice Ether that an account can withdraw or stake.
    function credit(address account) external view returns (uint256);
}

/// @notice What the oracle asks of the contract that opened a request.
interface IScoreConsumer {
    /// @notice Number of scores due.
    function bidCount(uint256 id) external view returns (uint256);
}
