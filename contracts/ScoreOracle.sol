// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {IScoreConsumer, IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {Medians} from "./libraries/Medians.sol";
import {Scores} from "./libraries/Scores.sol";

/// @title ScoreOracle
/// @notice See IScoreOracle for the protocol and every function.
contract ScoreOracle is IScoreOracle, EIP712, ReentrancyGuardTransient {
    /*//////////////////////////////////////////////////////////////
                                CONSTANTS
    //////////////////////////////////////////////////////////////*/

    uint256 public constant SCHEMA = 1;
    /// @notice With more, a chunk on which all disagree would not fit a transaction (EIP-7825, a fifth to spare).
    uint256 public constant MAX_MEMBERS = 13;
    /// @notice Difference of q or φ, in grid steps, from which a challenge has moved a score (0.01).
    uint256 public constant TOLERANCE = 100;
    /// @notice Relative difference of volume, in 1e-4, with the same effect.
    uint256 public constant VOLUME_TOLERANCE = 100;
    /// @notice How long after the last window bonds stay locked, so that offences can be proved.
    uint256 public constant LOCK = 7 days;

    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;
    bytes32 internal constant REPORT_TYPEHASH = keccak256(
        "Report(address auction,uint256 auctionId,uint8 round,bytes32 metricVersion,bytes32 root,bytes32 evidence)"
    );
    bytes32 internal constant VERDICT_TYPEHASH = keccak256(
        "NonDelivery(address auction,uint256 auctionId,uint32[] indices)"
    );

    uint256 public immutable MIN_BOND;
    uint256 public immutable CHALLENGE_BOND;

    /*//////////////////////////////////////////////////////////////
                                 STORAGE
    //////////////////////////////////////////////////////////////*/

    struct Operator {
        uint128 bond;
        uint64 lockedUntil;
        bool registered;
    }

    struct Set {
        uint8 threshold;
        address[] members;
    }

    struct Round {
        uint32 committed;
        uint32 published;
        uint32 complete;
    }

    struct Feed {
        Request request;
        Round[2] rounds;
        address challenger;
        uint8 finalRound;
        bool moved;
    }

    uint256 public setCount;
    mapping(address account => Operator) internal _operators;
    mapping(uint256 operatorSet => Set) internal _sets;
    mapping(address account => uint256) public credit;
    // slither-disable-next-line uninitialized-state (written through storage pointers)
    mapping(address consumer => mapping(uint256 id => Feed)) internal _feeds;
    /// @dev Commitments, by keccak256(consumer, id, round, member).
    mapping(bytes32 => bytes32) internal _commitments;
    /// @dev Chunks posted, by keccak256(consumer, id, round, mask): pointers, and how many there are.
    mapping(bytes32 => mapping(uint256 chunk => address)) internal _chunks;
    mapping(bytes32 => uint256) internal _posted;
    /// @dev Offences punished, by keccak256(consumer, id, round, operator, offence).
    mapping(bytes32 => bool) internal _punished;

    constructor(uint256 minBond, uint256 challengeBond) EIP712("Q-MIA ScoreOracle", "1") {
        MIN_BOND = minBond;
        CHALLENGE_BOND = challengeBond;
    }

    /*//////////////////////////////////////////////////////////////
                                OPERATORS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function register(bytes32 keyX, bytes32 keyY) external payable {
        Operator storage o = _operators[msg.sender];
        if (o.registered) revert AlreadyRegistered(msg.sender);
        if (msg.value < MIN_BOND) revert BondTooSmall(msg.value, MIN_BOND);
        o.registered = true;
        o.bond = uint128(msg.value);
        emit OperatorRegistered(msg.sender, msg.value, keyX, keyY);
    }

    /// @inheritdoc IScoreOracle
    function addBond() external payable {
        Operator storage o = _operators[msg.sender];
        if (!o.registered) revert NotAnOperator(msg.sender);
        o.bond += uint128(msg.value);
        emit BondAdded(msg.sender, msg.value, o.bond);
    }

    /// @inheritdoc IScoreOracle
    function exit() external {
        Operator storage o = _operators[msg.sender];
        if (!o.registered) revert NotAnOperator(msg.sender);
        if (block.timestamp < o.lockedUntil) revert BondLocked(o.lockedUntil);
        uint256 bond = o.bond;
        delete _operators[msg.sender];
        emit OperatorExited(msg.sender, bond);
        _addCredit(msg.sender, bond);
    }

    /// @inheritdoc IScoreOracle
    function withdrawCredit(address to) external nonReentrant {
        uint256 amount = credit[msg.sender];
        if (amount == 0) revert NothingDue(msg.sender);
        credit[msg.sender] = 0;
        emit CreditWithdrawn(msg.sender, amount);
        // slither-disable-next-line missing-zero-check (the caller's own money)
        (bool ok, ) = to.call{value: amount}("");
        if (!ok) revert NothingDue(to);
    }

    /// @inheritdoc IScoreOracle
    function createSet(address[] calldata members, uint256 k) external returns (uint256 operatorSet) {
        uint256 n = members.length;
        if (n == 0 || n > MAX_MEMBERS || k > n || k % 2 == 0 || 2 * k <= n) revert SetInvalid();
        for (uint256 i = 0; i < n; ++i) {
            if (i != 0 && members[i] <= members[i - 1]) revert MembersUnordered(i);
            if (!_operators[members[i]].registered) revert NotAnOperator(members[i]);
        }
        operatorSet = ++setCount;
        _sets[operatorSet] = Set(uint8(k), members);
        emit SetCreated(operatorSet, msg.sender, k, members);
    }

    /*//////////////////////////////////////////////////////////////
                                  ROUNDS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function open(uint256 id, Request calldata request) external {
        Feed storage feed = _feeds[msg.sender][id];
        if (feed.request.start != 0) revert RequestExists(msg.sender, id);
        if (request.operatorSet == 0 || request.operatorSet > setCount) revert UnknownSet(request.operatorSet);
        if (request.start == 0) revert UnknownRequest(msg.sender, id);
        feed.request = request;
        emit RequestOpened(msg.sender, id, SCHEMA, request);
    }

    /// @inheritdoc IScoreOracle
    function commitVector(address consumer, uint256 id, uint256 member, bytes32 commitment) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        uint256[4] memory w = _windows(feed.request, round);
        _inWindow(w[0], w[1]);
        address operator = _member(feed, member);
        if (operator != msg.sender) revert NotAMember(msg.sender, member);
        Operator storage o = _operators[operator];
        if (o.bond < MIN_BOND) revert BondTooSmall(o.bond, MIN_BOND);
        if (feed.rounds[round - 1].committed & (1 << member) != 0) revert AlreadyCommitted(operator);

        uint256 lock = _windows(feed.request, 2)[3] + LOCK;
        if (lock > o.lockedUntil) o.lockedUntil = uint64(lock);
        feed.rounds[round - 1].committed |= uint32(1 << member);
        _commitments[keccak256(abi.encode(consumer, id, round, member))] = commitment;
        emit VectorCommitted(consumer, id, round, operator, commitment);
    }

    /// @inheritdoc IScoreOracle
    function announceVector(address consumer, uint256 id, uint256 member, string calldata location) external {
        Feed storage feed = _feed(consumer, id);
        if (_member(feed, member) != msg.sender) revert NotAMember(msg.sender, member);
        emit VectorAnnounced(consumer, id, _round(feed), msg.sender, location);
    }

    /// @inheritdoc IScoreOracle
    function publishVector(address consumer, uint256 id, Submission calldata submission) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        uint256[4] memory w = _windows(feed.request, round);
        _inWindow(w[1], w[2]);
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
        feed.rounds[round - 1].published |= uint32(1 << submission.member);
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
        if (_chunks[key][chunk] != address(0)) revert AlreadyPosted(chunk);
        address pointer = SSTORE2.write(medians);
        _chunks[key][chunk] = pointer;
        emit ScoresPosted(consumer, id, round, chunk, mask, pointer, submissions);
        if (++_posted[key] == _chunkCount(count)) {
            feed.rounds[round - 1].complete = uint32(mask);
            if (round == 1) feed.finalRound = 1;
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
        if (r.complete != 0) revert AlreadyPosted(0);
        for (uint256 i = 0; i < submissions.length; ++i) {
            if (i != 0 && submissions[i].member <= submissions[i - 1].member) revert MembersUnordered(i);
            mask |= 1 << submissions[i].member;
        }
        uint256 due = block.timestamp < w[2] ? r.committed : r.published;
        if (mask != due) revert WrongMembers(mask, due);
        uint256 threshold = _sets[feed.request.operatorSet].threshold;
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
        if (chunk >= chunks) revert NotTheVector(chunk);
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

    /// @dev The member committed to this very report and signed it.
    function _checkReport(
        Feed storage feed,
        address consumer,
        uint256 id,
        uint256 round,
        Submission calldata s
    ) internal view returns (address operator) {
        operator = _member(feed, s.member);
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
        if (feed.rounds[0].complete == 0) revert NoRound(1);
        if (feed.challenger != address(0)) revert RequestExists(consumer, id);
        if (msg.value != CHALLENGE_BOND) revert ChallengeBondMismatch(msg.value, CHALLENGE_BOND);
        feed.challenger = msg.sender;
        feed.finalRound = 0;
        emit Challenged(consumer, id, msg.sender, msg.value);
    }

    /// @inheritdoc IScoreOracle
    function resolve(address consumer, uint256 id) external nonReentrant {
        Feed storage feed = _feed(consumer, id);
        if (feed.challenger == address(0) || feed.finalRound != 0) revert NoRound(2);
        bool quorum = feed.rounds[1].complete != 0;
        if (!quorum) _inWindow(_windows(feed.request, 2)[3], type(uint256).max);
        (bool moved, uint256 index) = quorum ? _moved(feed, consumer, id) : (false, 0);
        feed.moved = moved;
        feed.finalRound = moved ? 2 : 1;
        emit ChallengeResolved(consumer, id, feed.finalRound, quorum, moved, index);
        // Moved: the bond returns. Not moved: it is burned. No quorum: nobody knows, it returns.
        if (moved || !quorum) _addCredit(feed.challenger, CHALLENGE_BOND);
        else _burn(CHALLENGE_BOND);
    }

    function _moved(Feed storage feed, address consumer, uint256 id) internal view returns (bool, uint256) {
        bytes32 before = keccak256(abi.encode(consumer, id, uint256(1), uint256(feed.rounds[0].complete)));
        bytes32 after_ = keccak256(abi.encode(consumer, id, uint256(2), uint256(feed.rounds[1].complete)));
        uint256 chunks = _posted[before];
        for (uint256 c = 0; c < chunks; ++c) {
            bytes memory a = SSTORE2.read(_chunks[before][c]);
            bytes memory b = SSTORE2.read(_chunks[after_][c]);
            // Most chunks are equal to the bit.
            if (keccak256(a) == keccak256(b)) continue;
            for (uint256 i = 0; i < a.length / Scores.SIZE; ++i) {
                if (_differ(Scores.item(a, i), Scores.item(b, i))) return (true, c * Scores.CHUNK + i);
            }
        }
        return (false, 0);
    }

    function _differ(uint256 a, uint256 b) internal pure returns (bool) {
        if (a == b) return false;
        uint256 volumes = _distance(Scores.volume(a), Scores.volume(b));
        return
            Scores.flags(a) != Scores.flags(b) ||
            _distance(Scores.q(a), Scores.q(b)) > TOLERANCE ||
            _distance(Scores.phi(a), Scores.phi(b)) > TOLERANCE ||
            volumes * 10_000 > VOLUME_TOLERANCE * Scores.volume(b);
    }

    function _distance(uint256 a, uint256 b) internal pure returns (uint256) {
        return a > b ? a - b : b - a;
    }

    /*//////////////////////////////////////////////////////////////
                                 SLASHING
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function slashEquivocation(
        address consumer,
        uint256 id,
        address operator,
        Report calldata a,
        Report calldata b
    ) external nonReentrant {
        _feed(consumer, id);
        bytes32 digestA = reportDigest(consumer, id, a.round, a.root, a.evidence);
        bytes32 digestB = reportDigest(consumer, id, b.round, b.root, b.evidence);
        if (
            a.round != b.round ||
            digestA == digestB ||
            ECDSA.recoverCalldata(digestA, a.signature) != operator ||
            ECDSA.recoverCalldata(digestB, b.signature) != operator
        ) revert NotSlashable(operator);
        emit EquivocationProved(consumer, id, operator, a, b);
        uint256 amount = _operators[operator].bond;
        _slash(consumer, id, a.round, operator, "equivocation", amount, msg.sender, amount / 2);
    }

    /// @inheritdoc IScoreOracle
    function slashMissing(address consumer, uint256 id, uint256 round, uint256 member) external nonReentrant {
        Feed storage feed = _feed(consumer, id);
        if (round != 1 && round != 2) revert NoRound(round);
        _inWindow(_windows(feed.request, round)[3], type(uint256).max);
        Round storage r = feed.rounds[round - 1];
        address operator = _member(feed, member);
        uint256 bit = 1 << member;
        if (r.committed & bit == 0 || (r.complete | r.published) & bit != 0) revert NotSlashable(operator);
        _slash(consumer, id, round, operator, "missing", _operators[operator].bond / 10, address(0), 0);
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
        address operator = _member(feed, member);
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
        if (!_differ(Scores.item(vector, index % Scores.CHUNK), score)) revert NotSlashable(operator);

        emit DeviationProved(consumer, id, operator, index, evidence, signature, chunkHashes, vector);
        uint256 amount = _operators[operator].bond / 2;
        _slash(consumer, id, 1, operator, "deviation", amount, feed.challenger, amount / 2);
    }

    /// @dev Whoever takes part in an offence and in its proof always loses: a half or more is burned.
    function _slash(
        address consumer,
        uint256 id,
        uint256 round,
        address operator,
        bytes32 offence,
        uint256 amount,
        address beneficiary,
        uint256 reward
    ) internal {
        bytes32 key = keccak256(abi.encode(consumer, id, round, operator, offence));
        if (amount == 0 || _punished[key]) revert AlreadySlashed(operator);
        _punished[key] = true;
        _operators[operator].bond -= uint128(amount);
        emit OperatorSlashed(consumer, id, operator, round, offence, amount, beneficiary, reward);
        if (reward != 0) _addCredit(beneficiary, reward);
        _burn(amount - reward);
    }

    function _addCredit(address account, uint256 amount) internal {
        if (amount == 0) return;
        credit[account] += amount;
        emit CreditAdded(account, amount);
    }

    function _burn(uint256 amount) internal {
        (bool ok, ) = BURN.call{value: amount}("");
        if (!ok) revert NothingDue(BURN);
    }

    /// @inheritdoc IScoreOracle
    function recordVerdict(
        uint256 id,
        uint32[] calldata indices,
        uint8[] calldata members,
        bytes[] calldata signatures
    ) external {
        Feed storage feed = _feed(msg.sender, id);
        uint256 threshold = _sets[feed.request.operatorSet].threshold;
        if (members.length < threshold) revert NoQuorum(members.length, threshold);
        bytes32 digest = verdictDigest(msg.sender, id, indices);
        for (uint256 i = 0; i < members.length; ++i) {
            if (i != 0 && members[i] <= members[i - 1]) revert MembersUnordered(i);
            address signer = ECDSA.recoverCalldata(digest, signatures[i]);
            if (signer != _member(feed, members[i])) revert SignerMismatch(members[i], signer);
        }
        emit VerdictRecorded(msg.sender, id, indices, members, signatures);
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function finalScores(address consumer, uint256 id) external view returns (uint256 round, address[] memory chunks) {
        Feed storage feed = _feed(consumer, id);
        round = feed.finalRound;
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
        return feed.rounds[0].complete == 0 && block.timestamp >= _windows(feed.request, 1)[3];
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
    function verdictDigest(address consumer, uint256 id, uint32[] calldata indices) public view returns (bytes32) {
        // EIP-712 encodes array members as whole words, and so does packing a uint32 array.
        return
            _hashTypedDataV4(
                keccak256(abi.encode(VERDICT_TYPEHASH, consumer, id, keccak256(abi.encodePacked(indices))))
            );
    }

    /// @inheritdoc IScoreOracle
    function setOf(uint256 operatorSet) external view returns (address[] memory members, uint256 threshold) {
        return (_sets[operatorSet].members, _sets[operatorSet].threshold);
    }

    /// @inheritdoc IScoreOracle
    function bondOf(address operator) external view returns (uint256 bond, uint256 lockedUntil) {
        return (_operators[operator].bond, _operators[operator].lockedUntil);
    }

    /// @inheritdoc IScoreOracle
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
        )
    {
        Feed storage feed = _feed(consumer, id);
        (request, challenger, finalRound) = (feed.request, feed.challenger, feed.finalRound);
        for (uint256 i = 0; i < 2; ++i) {
            Round storage r = feed.rounds[i];
            (committed[i], published[i], complete[i]) = (r.committed, r.published, r.complete);
        }
    }

    /// @inheritdoc IScoreOracle
    function windows(address consumer, uint256 id, uint256 round) external view returns (uint256[4] memory) {
        return _windows(_feed(consumer, id).request, round);
    }

    /// @notice EIP-712 domain separator, for those who build the typed data themselves.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /*//////////////////////////////////////////////////////////////
                                 INTERNAL
    //////////////////////////////////////////////////////////////*/

    function _feed(address consumer, uint256 id) internal view returns (Feed storage feed) {
        feed = _feeds[consumer][id];
        if (feed.request.start == 0) revert UnknownRequest(consumer, id);
    }

    function _member(Feed storage feed, uint256 member) internal view returns (address) {
        address[] storage members = _sets[feed.request.operatorSet].members;
        if (member >= members.length) revert NotAMember(msg.sender, member);
        return members[member];
    }

    /// @dev Round two exists only after a challenge, and only from the end of the challenge window.
    function _round(Feed storage feed) internal view returns (uint256) {
        return feed.challenger != address(0) && block.timestamp >= _windows(feed.request, 2)[0] ? 2 : 1;
    }

    /// @dev `[commit, open, post, end)`.
    function _windows(Request memory r, uint256 round) internal pure returns (uint256[4] memory w) {
        uint256 length = uint256(r.commitWindow) + r.openWindow + r.postWindow;
        w[0] = round == 1 ? r.start : r.start + length + r.challengeWindow;
        w[1] = w[0] + r.commitWindow;
        w[2] = w[1] + r.openWindow;
        w[3] = w[2] + r.postWindow;
    }

    function _chunkCount(uint256 count) internal pure returns (uint256) {
        return (count + Scores.CHUNK - 1) / Scores.CHUNK;
    }

    function _inWindow(uint256 from, uint256 to) internal view {
        if (block.timestamp < from || block.timestamp >= to) revert OutOfWindow(block.timestamp, from, to);
    }
}
