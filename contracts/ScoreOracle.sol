// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {ScoreRequests} from "./ScoreRequests.sol";
import {IScoreConsumer, IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {Medians} from "./libraries/Medians.sol";
import {Scores} from "./libraries/Scores.sol";

/// @title ScoreOracle
/// @notice See IScoreOracle for the protocol and every function.
contract ScoreOracle is ScoreRequests {
    /*//////////////////////////////////////////////////////////////
                                CONSTANTS
    //////////////////////////////////////////////////////////////*/

    /// @notice Difference of q or φ, in grid steps of 1e-4, that is still no deviation; of volume, with a thousandth more.
    uint256 public constant TOLERANCE = Scores.TOLERANCE;
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
    bytes32 internal constant REPORT_TYPEHASH = keccak256(
        "Report(address auction,uint256 auctionId,uint8 round,bytes32 metricVersion,bytes32 root,bytes32 evidence)"
    );
    bytes32 internal constant VERDICT_TYPEHASH = keccak256(
        "NonDelivery(address auction,uint256 auctionId,uint256 index,uint8 ground)"
    );

    /*//////////////////////////////////////////////////////////////
                                 STORAGE
    //////////////////////////////////////////////////////////////*/

    /// @dev Commitments, by keccak256(consumer, id, round, member).
    mapping(bytes32 => bytes32) internal _commitments;
    /// @dev Chunks posted, by keccak256(consumer, id, round, mask): pointers, and how many there are.
    mapping(bytes32 => mapping(uint256 chunk => address)) internal _chunks;
    mapping(bytes32 => uint256) internal _posted;
    /// @dev Gas owed and paid, by keccak256(consumer, id, account); fees paid, by keccak256(consumer, id, round, member).
    mapping(bytes32 => uint256) internal _owed;
    mapping(bytes32 => uint256) internal _paid;

    constructor(
        uint256 minStake,
        uint256 leastWindow
    ) EIP712("Q-MIA ScoreOracle", "1") ScoreRequests(minStake, leastWindow) {}

    /*//////////////////////////////////////////////////////////////
                                  ROUNDS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IScoreOracle
    function commitVector(address consumer, uint256 id, uint256 member, bytes32 commitment) external {
        Feed storage feed = _feed(consumer, id);
        uint256 round = _round(feed);
        uint256[4] memory bounds = _windows(feed.request, round);
        _inWindow(bounds[0], bounds[1]);
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
        uint256[4] memory bounds = _windows(feed.request, round);
        _inWindow(bounds[1], bounds[2]);
        // Who repeats what has been posted would only be repaid for it.
        if (feed.rounds[round - 1].complete != 0) revert RoundComplete(round);
        address operator = _checkReport(feed, consumer, id, round, submission);

        uint256 count = IScoreConsumer(consumer).bidCount(id);
        uint256 chunks = Scores.chunks(count);
        if (submission.vector.length != count * Scores.SIZE || submission.chunkHashes.length != chunks) {
            revert NotTheVector(submission.member);
        }
        for (uint256 chunk = 0; chunk < chunks; ++chunk) {
            uint256 end = (chunk + 1) * Scores.CHUNK < count ? (chunk + 1) * Scores.CHUNK : count;
            bytes calldata part = submission.vector[chunk * Scores.CHUNK * Scores.SIZE:end * Scores.SIZE];
            if (keccak256(part) != submission.chunkHashes[chunk]) revert NotTheVector(submission.member);
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
        Scores.setPresence(medians, feed.roll, chunk);
        _addDue(feed, consumer, id, POST_GAS + POST_GAS_PER_BYTE * medians.length * submissions.length);
        address pointer = SSTORE2.write(medians);
        _chunks[key][chunk] = pointer;
        emit ScoresPosted(consumer, id, round, chunk, mask, pointer, submissions);
        if (++_posted[key] == Scores.chunks(count)) {
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
        uint256[4] memory bounds = _windows(feed.request, round);
        _inWindow(bounds[1], bounds[3]);
        Round storage record = feed.rounds[round - 1];
        if (record.complete != 0) revert RoundComplete(round);
        if (feed.roll == address(0)) revert RollNotTallied();
        for (uint256 i = 0; i < submissions.length; ++i) {
            if (i != 0 && submissions[i].member <= submissions[i - 1].member) revert NotAscending(i);
            mask |= 1 << submissions[i].member;
        }
        uint256 due = block.timestamp < bounds[2] ? record.committed : record.published;
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
        uint256 chunks = Scores.chunks(count);
        if (chunk >= chunks) revert ChunkUnknown(chunk);
        uint256 length =
            ((chunk + 1) * Scores.CHUNK < count ? Scores.CHUNK : count - chunk * Scores.CHUNK) * Scores.SIZE;
        uint256[] memory starts = new uint256[](submissions.length);
        for (uint256 i = 0; i < submissions.length; ++i) {
            Submission calldata submission = submissions[i];
            _checkReport(feed, consumer, id, round, submission);
            if (
                submission.chunkHashes.length != chunks ||
                submission.vector.length != length ||
                keccak256(submission.vector) != submission.chunkHashes[chunk]
            ) revert NotTheVector(submission.member);
            bytes memory vector = submission.vector;
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
        Submission calldata submission
    ) internal view returns (address operator) {
        operator = _member(_panel(feed, round), submission.member);
        bytes32 digest = reportDigest(
            consumer,
            id,
            round,
            keccak256(abi.encodePacked(submission.chunkHashes)),
            submission.evidence
        );
        bytes32 commitment = _commitments[keccak256(abi.encode(consumer, id, round, uint256(submission.member)))];
        if (commitment != keccak256(abi.encode(digest, operator, submission.salt))) {
            revert NotTheCommitment(submission.member);
        }
        address signer = ECDSA.recoverCalldata(digest, submission.signature);
        if (signer != operator) revert SignerMismatch(submission.member, signer);
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
        for (uint256 chunk = 0; chunk < chunks; ++chunk) {
            bytes memory a = SSTORE2.read(_chunks[before][chunk]);
            bytes memory b = SSTORE2.read(_chunks[appealed][chunk]);
            // Most chunks are equal to the bit.
            if (keccak256(a) == keccak256(b)) continue;
            for (uint256 i = 0; i < a.length / Scores.SIZE; ++i) {
                if (Scores.differ(Scores.item(a, i), Scores.item(b, i))) return (true, chunk * Scores.CHUNK + i);
            }
        }
        return (false, 0);
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
        if (!Scores.deviates(Scores.item(vector, index % Scores.CHUNK), score)) revert NotSlashable(operator);

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
        Round storage record = feed.rounds[round - 1];
        if (LibBit.popCount(record.committed) < _panel(feed, round).threshold) return false;
        return record.committed & bit != 0 && (record.complete | record.published) & bit == 0;
    }

    function _takeStake(Feed storage feed, uint256 round, uint256 member) internal returns (address operator) {
        operator = _member(_panel(feed, round), member);
        Round storage record = feed.rounds[round - 1];
        uint32 bit = uint32(1 << member);
        if (record.committed & bit == 0 || record.settled & bit != 0) revert NoStake(operator);
        record.settled |= bit;
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
}
