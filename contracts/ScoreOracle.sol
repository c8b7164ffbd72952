// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {IScoreConsumer, IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {Medians} from "./libraries/Medians.sol";
import {Roll} from "./libraries/Roll.sol";
import {Scores} from "./libraries/Scores.sol";

/// @title ScoreOracle
/// @notice See IScoreOracle for the protocol and every function.
contract ScoreOracle is IScoreOracle, EIP712, ReentrancyGuardTransient {
    /*//////////////////////////////////////////////////////////////
                                CONSTANTS
    //////////////////////////////////////////////////////////////*/

    uint256 public constant SCHEMA = 2;
    /// @notice With more, a chunk on which all disagree would not fit a transaction (EIP-7825, a fifth to spare).
    uint256 public constant MAX_MEMBERS = 13;
    /// @notice Difference of q or φ, in grid steps of 1e-4, that is still no deviation; of volume, with a thousandth more.
    uint256 public constant TOLERANCE = 10;
    uint256 public constant MAX_WINDOW = 30 days;
    uint256 public constant MAX_LENGTH = 90 days;
    /// @notice How long after the last window stakes stay locked, so that offences can be proved.
    uint256 public constant LOCK = 7 days;

    /// @dev Gas repaid at the base fee. To who posts a chunk: fixed, and for each byte of the vectors. To who publishes a
    /// vector: fixed, and for each index on the roll; more to its own operator. For somebody else's vector it is no more
    /// than a call costs that is one of many in a transaction, so nobody earns by publishing what others have.
    uint256 internal constant POST_GAS = 100_000;
    uint256 internal constant POST_GAS_PER_BYTE = 30;
    uint256 internal constant PUBLISH_GAS = 24_000;
    uint256 internal constant PUBLISH_GAS_PER_INDEX = 60;
    uint256 internal constant OWN_GAS = 50_000;
    uint256 internal constant OWN_GAS_PER_INDEX = 170;
    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;
    bytes32 internal constant REPORT_TYPEHASH = keccak256(
        "Report(address auction,uint256 auctionId,uint8 round,bytes32 metricVersion,bytes32 root,bytes32 evidence)"
    );
    bytes32 internal constant VERDICT_TYPEHASH = keccak256(
        "NonDelivery(address auction,uint256 auctionId,uint256 index,uint8 ground)"
    );
    bytes32 internal constant KEY_TYPEHASH = keccak256("EncryptionKey(address owner,bytes32 x,bytes32 y)");

    uint256 public immutable MIN_STAKE;
    uint256 public immutable LEAST_WINDOW;

    /*//////////////////////////////////////////////////////////////
                                 STORAGE
    //////////////////////////////////////////////////////////////*/

    /// @dev Panels of round one and two; `accepted` has a bit for each member, those of the first panel first.
    struct Set {
        uint32 accepted;
        Panel[2] panels;
    }

    struct Feed {
        Request request;
        Round[2] rounds;
        address challenger;
        uint8 standing;
        bool moved;
        address roll;
        /// How many indices are on the roll.
        uint16 present;
        /// Sum of the parts of all fees, by round.
        uint128[2] parts;
        /// Gas to repay, and what of it is covered.
        uint128 owed;
        uint128 covered;
    }

    uint256 public setCount;
    mapping(address account => bool) public registered;
    mapping(uint256 operatorSet => Set) internal _sets;
    /// @inheritdoc IScoreOracle
    mapping(address account => uint256) public credit;
    // slither-disable-next-line uninitialized-state (written through storage pointers)
    mapping(address consumer => mapping(uint256 id => Feed)) internal _feeds;
    /// @dev Hashes of bitmaps, by keccak256(consumer, id, member); they also tell who called.
    mapping(bytes32 => bytes32) internal _bitmaps;
    /// @dev Commitments, by keccak256(consumer, id, round, member).
    mapping(bytes32 => bytes32) internal _commitments;
    /// @dev Chunks posted, by keccak256(consumer, id, round, mask): pointers, and how many there are.
    mapping(bytes32 => mapping(uint256 chunk => address)) internal _chunks;
    mapping(bytes32 => uint256) internal _posted;
    /// @dev Gas owed and paid, by keccak256(consumer, id, account); fees paid, by keccak256(consumer, id, round, member).
    mapping(bytes32 => uint256) internal _owed;
    mapping(bytes32 => uint256) internal _paid;

    constructor(uint256 minStake, uint256 leastWindow) EIP712("Q-MIA ScoreOracle", "1") {
        if (minStake == 0 || leastWindow == 0 || leastWindow > 1 days) revert ConstantsInvalid();
        MIN_STAKE = minStake;
        LEAST_WINDOW = leastWindow;
    }

    /*//////////////////////////////////////////////////////////////
                             OPERATORS, SETS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function register(bytes32 keyX, bytes32 keyY, bytes calldata signature) external {
        address key = address(uint160(uint256(keccak256(abi.encode(keyX, keyY)))));
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(KEY_TYPEHASH, msg.sender, keyX, keyY)));
        address signer = ECDSA.recoverCalldata(digest, signature);
        if (signer != key) revert KeyNotOwned(signer, key);
        registered[msg.sender] = true;
        emit OperatorRegistered(msg.sender, keyX, keyY);
    }

    /// @inheritdoc IScoreOracle
    function deposit(address account) external payable {
        _addCredit(account, msg.value);
    }

    /// @inheritdoc IScoreOracle
    function withdrawCredit(address to, uint256 amount) external nonReentrant {
        _takeCredit(msg.sender, amount);
        emit CreditWithdrawn(msg.sender, to, amount);
        _send(to, amount);
    }

    /// @inheritdoc IScoreOracle
    function proposeSet(Panel calldata first, Panel calldata appeal) external returns (uint256 operatorSet) {
        _checkPanel(first);
        if (appeal.members.length != 0 || appeal.threshold != 0) _checkPanel(appeal);
        for (uint256 i = 0; i < first.members.length; ++i) {
            for (uint256 j = 0; j < appeal.members.length; ++j) {
                if (first.members[i] == appeal.members[j]) revert PanelsOverlap(first.members[i]);
            }
        }
        operatorSet = ++setCount;
        _sets[operatorSet].panels[0] = first;
        _sets[operatorSet].panels[1] = appeal;
        emit SetProposed(operatorSet, msg.sender, first, appeal);
    }

    function _checkPanel(Panel calldata panel) internal view {
        uint256 n = panel.members.length;
        uint256 k = panel.threshold;
        if (n == 0 || n > MAX_MEMBERS) revert PanelSizeInvalid(n);
        if (k > n || k % 2 == 0 || 2 * k <= n) revert ThresholdInvalid(k, n);
        for (uint256 i = 0; i < n; ++i) {
            if (i != 0 && panel.members[i] <= panel.members[i - 1]) revert NotAscending(i);
            if (!registered[panel.members[i]]) revert NotAnOperator(panel.members[i]);
        }
    }

    /// @inheritdoc IScoreOracle
    function acceptSet(uint256 operatorSet, uint256 position) external {
        uint32 bit = _checkPosition(operatorSet, position);
        Set storage set = _sets[operatorSet];
        if (set.accepted & bit != 0) revert AlreadyAccepted(msg.sender);
        set.accepted |= bit;
        emit SetAccepted(operatorSet, msg.sender, _standing(set));
    }

    /// @inheritdoc IScoreOracle
    function leaveSet(uint256 operatorSet, uint256 position) external {
        uint32 bit = _checkPosition(operatorSet, position);
        Set storage set = _sets[operatorSet];
        if (set.accepted & bit == 0) revert NotAccepted(msg.sender);
        set.accepted &= ~bit;
        emit SetLeft(operatorSet, msg.sender);
    }

    function _checkPosition(uint256 operatorSet, uint256 position) internal view returns (uint32) {
        if (operatorSet == 0 || operatorSet > setCount) revert UnknownSet(operatorSet);
        Set storage set = _sets[operatorSet];
        uint256 n = set.panels[0].members.length;
        address[] storage members = set.panels[position < n ? 0 : 1].members;
        uint256 place = position < n ? position : position - n;
        if (place >= members.length || members[place] != msg.sender) revert NotAMember(msg.sender, position);
        return uint32(1 << position);
    }

    function _standing(Set storage set) internal view returns (bool) {
        return set.accepted == (1 << (set.panels[0].members.length + set.panels[1].members.length)) - 1;
    }

    /*//////////////////////////////////////////////////////////////
                              REQUEST, ROLL
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function open(uint256 id, Request calldata request) external returns (uint256 end) {
        Feed storage feed = _feeds[msg.sender][id];
        if (feed.request.start != 0) revert RequestExists(msg.sender, id);
        uint256 set = request.operatorSet;
        if (set == 0 || set > setCount) revert UnknownSet(set);
        if (!_standing(_sets[set])) revert SetNotStanding(set);
        if (request.stake < MIN_STAKE) revert StakeTooSmall(request.stake, MIN_STAKE);
        _checkWindow(request.rollWindow);
        _checkWindow(request.commitWindow);
        _checkWindow(request.openWindow);
        _checkWindow(request.postWindow);
        bool appeal = _sets[set].panels[1].members.length != 0;
        if (appeal != (request.challengeWindow != 0)) revert ChallengeWithoutPanel();
        if (appeal) _checkWindow(request.challengeWindow);
        end = _windows(request, appeal ? 2 : 1)[3];
        if (request.start <= block.timestamp || end > block.timestamp + MAX_LENGTH) {
            revert RequestTooLong(end, block.timestamp + MAX_LENGTH);
        }
        feed.request = request;
        emit RequestOpened(msg.sender, id, SCHEMA, request, end);
    }

    function _checkWindow(uint256 window) internal view {
        if (window < LEAST_WINDOW || window > MAX_WINDOW) revert WindowOutOfBounds(window, LEAST_WINDOW, MAX_WINDOW);
    }

    /// @inheritdoc IScoreOracle
    function callRoll(address consumer, uint256 id, uint256 member, uint256[] calldata bitmap) external {
        Feed storage feed = _feed(consumer, id);
        _inWindow(feed.request.start, uint256(feed.request.start) + feed.request.rollWindow);
        if (_member(_attesting(feed), member) != msg.sender) revert NotAMember(msg.sender, member);
        bytes32 key = keccak256(abi.encode(consumer, id, member));
        if (_bitmaps[key] != 0) revert AlreadyCalled(msg.sender);
        uint256 words = Roll.words(IScoreConsumer(consumer).bidCount(id));
        if (bitmap.length != words) revert BitmapLengthInvalid(bitmap.length, words);
        _bitmaps[key] = keccak256(abi.encodePacked(bitmap));
        emit RollCalled(consumer, id, msg.sender, bitmap);
    }

    /// @dev Mask of the members of the attesting panel that called.
    function _callers(Feed storage feed, address consumer, uint256 id) internal view returns (uint256 callers) {
        uint256 n = _attesting(feed).members.length;
        for (uint256 member = 0; member < n; ++member) {
            if (_bitmaps[keccak256(abi.encode(consumer, id, member))] != 0) callers |= 1 << member;
        }
    }

    /// @inheritdoc IScoreOracle
    function tallyRoll(address consumer, uint256 id, uint256[][] calldata bitmaps) external {
        Feed storage feed = _feed(consumer, id);
        uint256 callers = _callers(feed, consumer, id);
        uint256 threshold = _attesting(feed).threshold;
        _inWindow(uint256(feed.request.start) + feed.request.rollWindow, type(uint256).max);
        if (feed.roll != address(0)) revert RollAlreadyTallied();
        if (LibBit.popCount(callers) < threshold) revert RollFailed(LibBit.popCount(callers), threshold);
        if (bitmaps.length != LibBit.popCount(callers)) revert WrongMembers(bitmaps.length, callers);
        uint256 position;
        for (uint256 i = 0; i < bitmaps.length; ++i) {
            while (callers & (1 << position) == 0) ++position;
            bytes32 hash = _bitmaps[keccak256(abi.encode(consumer, id, position))];
            if (keccak256(abi.encodePacked(bitmaps[i])) != hash) revert NotTheBitmap(position);
            ++position;
        }
        uint256 count = IScoreConsumer(consumer).bidCount(id);
        uint256[] memory roll = new uint256[](Roll.words(count));
        uint256 present;
        for (uint256 w = 0; w < roll.length; ++w) {
            roll[w] = Roll.atLeast(bitmaps, w, (threshold + 1) / 2);
            // Bits of no bid do not count, whatever members attested there.
            if (count < (w + 1) * 256) roll[w] &= (1 << (count % 256)) - 1;
            present += LibBit.popCount(roll[w]);
        }
        feed.present = uint16(present);
        feed.roll = SSTORE2.write(abi.encodePacked(roll));
        emit RollTallied(consumer, id, callers, roll);
    }

    /*//////////////////////////////////////////////////////////////
                                  ROUNDS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function commitVector(address consumer, uint256 id, uint256 member, bytes32 commitment) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        uint256[4] memory w = _windows(feed.request, round);
        _inWindow(w[0], w[1]);
        // Nobody stakes before it is settled who takes part.
        if (feed.roll == address(0)) revert RollNotTallied();
        if (_member(_panel(feed, round), member) != msg.sender) revert NotAMember(msg.sender, member);
        if (feed.rounds[round - 1].committed & (1 << member) != 0) revert AlreadyCommitted(msg.sender);
        _takeCredit(msg.sender, feed.request.stake);
        feed.rounds[round - 1].committed |= uint32(1 << member);
        _commitments[keccak256(abi.encode(consumer, id, round, member))] = commitment;
        emit VectorCommitted(consumer, id, round, msg.sender, commitment);
    }

    /// @inheritdoc IScoreOracle
    function announceVector(address consumer, uint256 id, uint256 member, string calldata location) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        if (_member(_panel(feed, round), member) != msg.sender) revert NotAMember(msg.sender, member);
        emit VectorAnnounced(consumer, id, round, msg.sender, location);
    }

    /// @inheritdoc IScoreOracle
    function publishVector(address consumer, uint256 id, Submission calldata submission) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        uint256[4] memory w = _windows(feed.request, round);
        _inWindow(w[1], w[2]);
        // Who repeats what has been posted would only be repaid for it.
        if (feed.rounds[round - 1].complete != 0) revert RoundComplete(round);
        address operator = _checkReport(feed, consumer, id, round, submission);

        uint256 count = IScoreConsumer(consumer).bidCount(id);
        uint256 chunks = _chunkCount(count);
        if (submission.vector.length != count * Scores.SIZE || submission.chunkHashes.length != chunks) {
            revert NotTheVector(submission.member);
        }
        for (uint256 c = 0; c < chunks; ++c) {
            uint256 end = (c + 1) * Scores.CHUNK < count ? (c + 1) * Scores.CHUNK : count;
            bytes calldata part = submission.vector[c * Scores.CHUNK * Scores.SIZE:end * Scores.SIZE];
            if (keccak256(part) != submission.chunkHashes[c]) revert NotTheVector(submission.member);
        }
        uint32 bit = uint32(1 << submission.member);
        if (feed.rounds[round - 1].published & bit == 0) {
            bool own = msg.sender == operator;
            (uint256 fixed_, uint256 each) = own ? (OWN_GAS, OWN_GAS_PER_INDEX) : (PUBLISH_GAS, PUBLISH_GAS_PER_INDEX);
            _addDue(feed, consumer, id, fixed_ + each * feed.present);
        }
        feed.rounds[round - 1].published |= bit;
        emit VectorPublished(consumer, id, round, operator, submission);
    }

    /// @inheritdoc IScoreOracle
    function postScores(address consumer, uint256 id, uint256 chunk, Submission[] calldata submissions) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        uint256 mask = _dueMask(feed, round, submissions);
        uint256 count = IScoreConsumer(consumer).bidCount(id);
        bytes memory medians = _median(feed, consumer, id, round, chunk, count, submissions);

        bytes32 key = keccak256(abi.encode(consumer, id, round, mask));
        if (_chunks[key][chunk] != address(0)) revert ChunkPosted(chunk);
        _setPresence(medians, feed.roll, chunk);
        _addDue(feed, consumer, id, POST_GAS + POST_GAS_PER_BYTE * medians.length * submissions.length);
        address pointer = SSTORE2.write(medians);
        _chunks[key][chunk] = pointer;
        emit ScoresPosted(consumer, id, round, chunk, mask, pointer, submissions);
        if (++_posted[key] == _chunkCount(count)) {
            feed.rounds[round - 1].complete = uint32(mask);
            if (round == 1) feed.standing = 1;
            emit RoundCompleted(consumer, id, round, mask);
        }
    }

    /// @dev Members of the submissions as a mask; must be all that committed, or later all that published.
    function _dueMask(
        Feed storage feed,
        uint256 round,
        Submission[] calldata submissions
    ) internal view returns (uint256 mask) {
        uint256[4] memory w = _windows(feed.request, round);
        _inWindow(w[1], w[3]);
        Round storage r = feed.rounds[round - 1];
        if (r.complete != 0) revert RoundComplete(round);
        if (feed.roll == address(0)) revert RollNotTallied();
        for (uint256 i = 0; i < submissions.length; ++i) {
            if (i != 0 && submissions[i].member <= submissions[i - 1].member) revert NotAscending(i);
            mask |= 1 << submissions[i].member;
        }
        uint256 due = block.timestamp < w[2] ? r.committed : r.published;
        if (mask != due) revert WrongMembers(mask, due);
        uint256 threshold = _panel(feed, round).threshold;
        if (submissions.length < threshold) revert NoQuorum(submissions.length, threshold);
    }

    function _median(
        Feed storage feed,
        address consumer,
        uint256 id,
        uint256 round,
        uint256 chunk,
        uint256 count,
        Submission[] calldata submissions
    ) internal view returns (bytes memory medians) {
        uint256 chunks = _chunkCount(count);
        if (chunk >= chunks) revert ChunkUnknown(chunk);
        uint256 length =
            ((chunk + 1) * Scores.CHUNK < count ? Scores.CHUNK : count - chunk * Scores.CHUNK) * Scores.SIZE;
        uint256[] memory starts = new uint256[](submissions.length);
        for (uint256 i = 0; i < submissions.length; ++i) {
            Submission calldata s = submissions[i];
            _checkReport(feed, consumer, id, round, s);
            if (
                s.chunkHashes.length != chunks ||
                s.vector.length != length ||
                keccak256(s.vector) != s.chunkHashes[chunk]
            ) revert NotTheVector(s.member);
            bytes memory vector = s.vector;
            if (i == 0) medians = vector;
            uint256 start;
            assembly ("memory-safe") {
                start := add(vector, 32)
            }
            starts[i] = start;
        }
        Medians.lower(starts, (length + 31) >> 5);
    }

    /// @dev Who is on the roll has a score, who is not has none, whatever the vectors say: four scores to a word.
    function _setPresence(bytes memory scores, address roll, uint256 chunk) internal view {
        uint256 words = (scores.length + 31) / 32;
        uint256 bits;
        for (uint256 w = 0; w < words; ++w) {
            // slither-disable-next-line divide-before-multiply (a chunk is four whole words of the roll)
            if (w % 64 == 0) bits = Roll.read(roll, chunk * (Scores.CHUNK / 256) + w / 64);
            // slither-disable-next-line incorrect-shift (bits w*4 to w*4+3 of the roll's word)
            uint256 four = (bits >> ((w % 64) * 4)) & 0xf;
            uint256 lanes = ((four & 1) << 192) | ((four & 2) << 127) | ((four & 4) << 62) | (four >> 3);
            assembly ("memory-safe") {
                let p := add(add(scores, 32), shl(5, w))
                // Each lane is 0 or 1: times 2^64 - 1 it covers its score. The presence flag is bit 60.
                let kept := and(mload(p), mul(lanes, 0xffffffffffffffff))
                mstore(p, or(kept, shl(60, lanes)))
            }
        }
    }

    /// @dev The member committed to this very report and signed it.
    function _checkReport(
        Feed storage feed,
        address consumer,
        uint256 id,
        uint256 round,
        Submission calldata s
    ) internal view returns (address operator) {
        operator = _member(_panel(feed, round), s.member);
        bytes32 digest = reportDigest(consumer, id, round, keccak256(abi.encodePacked(s.chunkHashes)), s.evidence);
        bytes32 commitment = _commitments[keccak256(abi.encode(consumer, id, round, uint256(s.member)))];
        if (commitment != keccak256(abi.encode(digest, operator, s.salt))) revert NotTheCommitment(s.member);
        address signer = ECDSA.recoverCalldata(digest, s.signature);
        if (signer != operator) revert SignerMismatch(s.member, signer);
    }

    /*//////////////////////////////////////////////////////////////
                                CHALLENGE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function challenge(address consumer, uint256 id) external payable {
        Feed storage feed = _feed(consumer, id);
        uint256 end = _windows(feed.request, 1)[3];
        _inWindow(end, end + feed.request.challengeWindow);
        if (feed.rounds[0].complete == 0) revert NothingToChallenge();
        if (feed.challenger != address(0)) revert AlreadyChallenged(feed.challenger);
        if (msg.value != feed.request.appealFee) revert ChallengeBondMismatch(msg.value, feed.request.appealFee);
        feed.challenger = msg.sender;
        feed.standing = 0;
        emit Challenged(consumer, id, msg.sender, msg.value);
    }

    /// @inheritdoc IScoreOracle
    function resolve(address consumer, uint256 id) external {
        Feed storage feed = _feed(consumer, id);
        if (feed.challenger == address(0) || feed.standing != 0) revert NothingToResolve();
        bool quorum = feed.rounds[1].complete != 0;
        if (!quorum) _inWindow(_windows(feed.request, 2)[3], type(uint256).max);
        (bool moved, uint256 index) = quorum ? _moved(feed, consumer, id) : (false, 0);
        feed.moved = moved;
        feed.standing = moved ? 2 : 1;
        emit ChallengeResolved(consumer, id, feed.standing, quorum, moved, index);
        // Moved: the fees of round one pay the appeal. No quorum: nobody knows. Either way the bond returns.
        if (moved || !quorum) _addCredit(feed.challenger, feed.request.appealFee);
        else _share(feed, consumer, id, 2, feed.request.appealFee, 0, feed.challenger);
    }

    function _moved(Feed storage feed, address consumer, uint256 id) internal view returns (bool, uint256) {
        bytes32 before = keccak256(abi.encode(consumer, id, uint256(1), uint256(feed.rounds[0].complete)));
        bytes32 appealed = keccak256(abi.encode(consumer, id, uint256(2), uint256(feed.rounds[1].complete)));
        uint256 chunks = _posted[before];
        for (uint256 c = 0; c < chunks; ++c) {
            bytes memory a = SSTORE2.read(_chunks[before][c]);
            bytes memory b = SSTORE2.read(_chunks[appealed][c]);
            // Most chunks are equal to the bit.
            if (keccak256(a) == keccak256(b)) continue;
            for (uint256 i = 0; i < a.length / Scores.SIZE; ++i) {
                if (_differ(Scores.item(a, i), Scores.item(b, i))) return (true, c * Scores.CHUNK + i);
            }
        }
        return (false, 0);
    }

    /// @dev Beyond the tolerance, or flagged for the other clock: the outcome is another one.
    function _differ(uint256 a, uint256 b) internal pure returns (bool) {
        return Scores.flags(a) != Scores.flags(b) || _deviates(a, b);
    }

    /// @dev The under-served flag is a threshold on which honest machines may disagree: it costs nobody a stake.
    function _deviates(uint256 a, uint256 b) internal pure returns (bool) {
        return
            (Scores.flags(a) ^ Scores.flags(b)) & Scores.PRESENT != 0 ||
            _distance(Scores.q(a), Scores.q(b)) > TOLERANCE ||
            _distance(Scores.phi(a), Scores.phi(b)) > TOLERANCE ||
            _distance(Scores.volume(a), Scores.volume(b)) > TOLERANCE + Scores.volume(b) / 1000;
    }

    function _distance(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a - b : b - a;
    }

    /*//////////////////////////////////////////////////////////////
                             STAKES AND FEES
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function slashContradiction(
        address consumer,
        uint256 id,
        uint256 member,
        Report calldata a,
        Report calldata b
    ) external nonReentrant {
        Feed storage feed = _feed(consumer, id);
        if (a.round != 1 && a.round != 2) revert UnknownRound(a.round);
        address operator = _member(_panel(feed, a.round), member);
        bytes32 digestA = reportDigest(consumer, id, a.round, a.root, a.evidence);
        bytes32 digestB = reportDigest(consumer, id, b.round, b.root, b.evidence);
        if (
            a.round != b.round ||
            digestA == digestB ||
            ECDSA.recoverCalldata(digestA, a.signature) != operator ||
            ECDSA.recoverCalldata(digestB, b.signature) != operator
        ) revert NotSlashable(operator);
        emit ContradictionProved(consumer, id, operator, a, b);
        _slash(feed, consumer, id, a.round, member, "contradiction");
    }

    /// @inheritdoc IScoreOracle
    function slashMissing(address consumer, uint256 id, uint256 round, uint256 member) external nonReentrant {
        Feed storage feed = _feed(consumer, id);
        if (round != 1 && round != 2) revert UnknownRound(round);
        _inWindow(_windows(feed.request, round)[3], type(uint256).max);
        if (!_missing(feed, round, 1 << member)) revert NotSlashable(_member(_panel(feed, round), member));
        _slash(feed, consumer, id, round, member, "missing");
    }

    /// @inheritdoc IScoreOracle
    function slashDeviator(
        address consumer,
        uint256 id,
        uint256 member,
        uint256 index,
        bytes32 evidence,
        bytes calldata signature,
        bytes32[] calldata chunkHashes,
        bytes calldata vector
    ) external nonReentrant {
        Feed storage feed = _feed(consumer, id);
        address operator = _member(_panel(feed, 1), member);
        uint256 chunk = index / Scores.CHUNK;
        bytes32 digest = reportDigest(consumer, id, 1, keccak256(abi.encodePacked(chunkHashes)), evidence);
        if (
            !feed.moved ||
            ECDSA.recoverCalldata(digest, signature) != operator ||
            keccak256(vector) != chunkHashes[chunk] ||
            vector.length <= (index % Scores.CHUNK) * Scores.SIZE
        ) revert NotSlashable(operator);
        bytes32 key = keccak256(abi.encode(consumer, id, uint256(2), uint256(feed.rounds[1].complete)));
        uint256 score = Scores.read(_chunks[key][chunk], index % Scores.CHUNK);
        if (!_deviates(Scores.item(vector, index % Scores.CHUNK), score)) revert NotSlashable(operator);

        emit DeviationProved(consumer, id, operator, index, evidence, signature, chunkHashes, vector);
        _slash(feed, consumer, id, 1, member, "deviation");
    }

    /// @inheritdoc IScoreOracle
    function releaseStake(address consumer, uint256 id, uint256 round, uint256 member) external {
        Feed storage feed = _feed(consumer, id);
        if (round != 1 && round != 2) revert UnknownRound(round);
        _inWindow(_end(feed) + LOCK, type(uint256).max);
        if (_missing(feed, round, 1 << member)) revert NoStake(_member(_panel(feed, round), member));
        address operator = _takeStake(feed, round, member);
        emit StakeReleased(consumer, id, operator, round);
        _addCredit(operator, feed.request.stake);
    }

    /// @inheritdoc IScoreOracle
    function payFees(address consumer, uint256 id, address refundTo) external payable {
        Feed storage feed = _feed(consumer, id);
        uint256 round = feed.standing;
        if (round == 0) revert NotFinal();
        // At least half of every payment is shared among the members.
        uint256 dues = FixedPointMathLib.min(feed.owed - feed.covered, msg.value / 2);
        feed.covered += uint128(dues);
        _share(feed, consumer, id, round, msg.value, dues, refundTo);
    }

    /// @dev A panel of n members has n equal parts. The parts of absent members go back, so that nobody earns more by
    /// keeping a colleague out.
    function _share(
        Feed storage feed,
        address consumer,
        uint256 id,
        uint256 round,
        uint256 amount,
        uint256 dues,
        address refundTo
    ) internal {
        uint256 part = (amount - dues) / _panel(feed, round).members.length;
        // slither-disable-next-line divide-before-multiply (what does not divide is refunded)
        uint256 refund = amount - dues - part * LibBit.popCount(feed.rounds[round - 1].complete);
        feed.parts[round - 1] += uint128(part);
        emit FeesPaid(consumer, id, round, part, dues, refundTo, refund);
        _addCredit(refundTo, refund);
    }

    /// @inheritdoc IScoreOracle
    function claimFee(address consumer, uint256 id, uint256 round, uint256 member) external {
        Feed storage feed = _feed(consumer, id);
        if (round != 1 && round != 2) revert UnknownRound(round);
        address operator = _member(_panel(feed, round), member);
        bytes32 key = keccak256(abi.encode(consumer, id, round, member));
        uint256 amount = feed.parts[round - 1] - _paid[key];
        if (amount == 0 || feed.rounds[round - 1].complete & (1 << member) == 0) revert NothingDue(operator);
        _paid[key] += amount;
        emit FeeClaimed(consumer, id, operator, round, amount);
        _addCredit(operator, amount);
    }

    /// @inheritdoc IScoreOracle
    function claimDue(address consumer, uint256 id, address account) external {
        Feed storage feed = _feed(consumer, id);
        // Nothing is posted or published any more, so what is owed no longer grows.
        _inWindow(_end(feed), type(uint256).max);
        bytes32 key = keccak256(abi.encode(consumer, id, account));
        uint256 amount = feed.owed == 0 ? 0 : (_owed[key] * feed.covered) / feed.owed - _paid[key];
        if (amount == 0) revert NothingDue(account);
        _paid[key] += amount;
        emit DueClaimed(consumer, id, account, amount);
        _addCredit(account, amount);
    }

    function _addDue(Feed storage feed, address consumer, uint256 id, uint256 gas_) internal {
        uint256 amount = block.basefee * gas_;
        feed.owed += uint128(amount);
        _owed[keccak256(abi.encode(consumer, id, msg.sender))] += amount;
        emit DueAdded(consumer, id, msg.sender, amount);
    }

    /// @dev Committed, and neither in the scores nor published. Where too few committed for any scores, nobody is missing.
    function _missing(Feed storage feed, uint256 round, uint256 bit) internal view returns (bool) {
        Round storage r = feed.rounds[round - 1];
        if (LibBit.popCount(r.committed) < _panel(feed, round).threshold) return false;
        return r.committed & bit != 0 && (r.complete | r.published) & bit == 0;
    }

    function _takeStake(Feed storage feed, uint256 round, uint256 member) internal returns (address operator) {
        operator = _member(_panel(feed, round), member);
        Round storage r = feed.rounds[round - 1];
        uint32 bit = uint32(1 << member);
        if (r.committed & bit == 0 || r.settled & bit != 0) revert NoStake(operator);
        r.settled |= bit;
    }

    /// @dev The whole stake is lost, and nobody is paid for the proof. Who withheld its vector first repays the gas that
    /// this cost the others.
    function _slash(
        Feed storage feed,
        address consumer,
        uint256 id,
        uint256 round,
        uint256 member,
        bytes32 offence
    ) internal {
        address operator = _takeStake(feed, round, member);
        uint256 dues;
        if (offence == "missing") {
            dues = FixedPointMathLib.min(feed.owed - feed.covered, feed.request.stake);
            feed.covered += uint128(dues);
        }
        emit StakeSlashed(consumer, id, operator, round, offence, feed.request.stake - dues, dues);
        _send(BURN, feed.request.stake - dues);
    }

    function _addCredit(address account, uint256 amount) internal {
        if (amount == 0) return;
        credit[account] += amount;
        emit CreditAdded(account, amount);
    }

    function _takeCredit(address account, uint256 amount) internal {
        if (amount > credit[account]) revert CreditTooSmall(credit[account], amount);
        credit[account] -= amount;
    }

    function _send(address to, uint256 amount) internal {
        if (amount == 0) return;
        // slither-disable-next-line missing-zero-check (the caller's own money, or to be burned)
        (bool ok, ) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to, amount);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function finalScores(address consumer, uint256 id) external view returns (uint256 round, address[] memory chunks) {
        Feed storage feed = _feed(consumer, id);
        round = feed.standing;
        if (round == 0) revert NotFinal();
        bytes32 key = keccak256(abi.encode(consumer, id, round, uint256(feed.rounds[round - 1].complete)));
        chunks = new address[](_posted[key]);
        for (uint256 i = 0; i < chunks.length; ++i) {
            chunks[i] = _chunks[key][i];
        }
    }

    /// @inheritdoc IScoreOracle
    function failed(address consumer, uint256 id) external view returns (bool) {
        Feed storage feed = _feed(consumer, id);
        if (feed.rounds[0].complete != 0) return false;
        uint256[4] memory w = _windows(feed.request, 1);
        bool empty = LibBit.popCount(_callers(feed, consumer, id)) < _attesting(feed).threshold;
        return block.timestamp >= (empty ? w[0] : w[3]);
    }

    /// @inheritdoc IScoreOracle
    function reportDigest(
        address consumer,
        uint256 id,
        uint256 round,
        bytes32 root,
        bytes32 evidence
    ) public view returns (bytes32) {
        bytes32 version = _feeds[consumer][id].request.metricVersion;
        return _hashTypedDataV4(keccak256(abi.encode(REPORT_TYPEHASH, consumer, id, round, version, root, evidence)));
    }

    /// @inheritdoc IScoreOracle
    function checkVerdict(
        address consumer,
        uint256 id,
        uint256 index,
        Ground ground,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external view {
        Feed storage feed = _feed(consumer, id);
        if (feed.standing == 0) revert NotFinal();
        Panel storage panel = _panel(feed, feed.standing);
        uint256 majority = panel.members.length / 2 + 1;
        if (members.length < majority) revert NoQuorum(members.length, majority);
        bytes32 digest = verdictDigest(consumer, id, index, ground);
        for (uint256 i = 0; i < members.length; ++i) {
            if (i != 0 && members[i] <= members[i - 1]) revert NotAscending(i);
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (signer != _member(panel, members[i])) revert SignerMismatch(members[i], signer);
        }
    }

    /// @inheritdoc IScoreOracle
    function verdictDigest(address consumer, uint256 id, uint256 index, Ground ground) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(VERDICT_TYPEHASH, consumer, id, index, ground)));
    }

    /// @inheritdoc IScoreOracle
    function setOf(
        uint256 operatorSet
    ) external view returns (Panel memory first, Panel memory appeal, uint256 accepted, bool standing) {
        Set storage set = _sets[operatorSet];
        return (set.panels[0], set.panels[1], set.accepted, set.accepted != 0 && _standing(set));
    }

    /// @inheritdoc IScoreOracle
    function requestOf(
        address consumer,
        uint256 id
    ) external view returns (Request memory request, Round[2] memory rounds, address challenger, uint256 standing) {
        Feed storage feed = _feed(consumer, id);
        return (feed.request, feed.rounds, feed.challenger, feed.standing);
    }

    /// @inheritdoc IScoreOracle
    function rollOf(address consumer, uint256 id) external view returns (uint256 callers, address pointer) {
        Feed storage feed = _feed(consumer, id);
        return (_callers(feed, consumer, id), feed.roll);
    }

    /// @inheritdoc IScoreOracle
    function windows(address consumer, uint256 id, uint256 round) external view returns (uint256[4] memory) {
        return _windows(_feed(consumer, id).request, round);
    }

    /*//////////////////////////////////////////////////////////////
                                 INTERNAL
    //////////////////////////////////////////////////////////////*/

    function _feed(address consumer, uint256 id) internal view returns (Feed storage feed) {
        feed = _feeds[consumer][id];
        if (feed.request.start == 0) revert UnknownRequest(consumer, id);
    }

    function _panel(Feed storage feed, uint256 round) internal view returns (Panel storage) {
        return _sets[feed.request.operatorSet].panels[round - 1];
    }

    /// @dev The appeal panel attests the inputs, so that both rounds are over the same ones; without it the first does.
    function _attesting(Feed storage feed) internal view returns (Panel storage) {
        return _panel(feed, feed.request.challengeWindow != 0 ? 2 : 1);
    }

    function _member(Panel storage panel, uint256 member) internal view returns (address) {
        if (member >= panel.members.length) revert NotAMember(msg.sender, member);
        return panel.members[member];
    }

    /// @dev Round two exists only after a challenge, and only from the end of the challenge window.
    function _round(Feed storage feed) internal view returns (uint256) {
        return feed.challenger != address(0) && block.timestamp >= _windows(feed.request, 2)[0] ? 2 : 1;
    }

    /// @dev `[commit, open, post, end)`.
    function _windows(Request memory r, uint256 round) internal pure returns (uint256[4] memory w) {
        uint256 length = uint256(r.commitWindow) + r.openWindow + r.postWindow;
        w[0] = uint256(r.start) + r.rollWindow;
        if (round == 2) w[0] += length + r.challengeWindow;
        w[1] = w[0] + r.commitWindow;
        w[2] = w[1] + r.openWindow;
        w[3] = w[2] + r.postWindow;
    }

    /// @dev Time from which the final scores can be read.
    function _end(Feed storage feed) internal view returns (uint256) {
        return _windows(feed.request, feed.request.challengeWindow != 0 ? 2 : 1)[3];
    }

    function _chunkCount(uint256 count) internal pure returns (uint256) {
        return (count + Scores.CHUNK - 1) / Scores.CHUNK;
    }

    function _inWindow(uint256 from, uint256 to) internal view {
        if (block.timestamp < from || block.timestamp >= to) revert OutOfWindow(block.timestamp, from, to);
    }
}
