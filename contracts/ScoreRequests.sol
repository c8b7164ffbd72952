// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LibBit} from "solady/utils/LibBit.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";

import {OperatorSets} from "./OperatorSets.sol";
import {IScoreConsumer, IScoreOracle} from "./interfaces/IScoreOracle.sol";
import {Roll} from "./libraries/Roll.sol";

/// @title ScoreRequests
/// @notice The part of ScoreOracle that knows what is to be scored: requests, their windows, and the roll of the indices
/// that take part.
abstract contract ScoreRequests is OperatorSets {
    uint256 public constant SCHEMA = 2;
    uint256 public constant MAX_WINDOW = 30 days;
    uint256 public constant MAX_LENGTH = 90 days;

    uint256 public immutable MIN_STAKE;
    uint256 public immutable LEAST_WINDOW;

    /// @dev What is kept of a request.
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

    // slither-disable-next-line uninitialized-state (written through storage pointers)
    mapping(address consumer => mapping(uint256 id => Feed)) internal _feeds;
    /// @dev Hashes of bitmaps, by keccak256(consumer, id, member); they also tell who called.
    mapping(bytes32 => bytes32) internal _bitmaps;

    constructor(uint256 minStake, uint256 leastWindow) {
        if (minStake == 0 || leastWindow == 0 || leastWindow > 1 days) revert ConstantsInvalid();
        MIN_STAKE = minStake;
        LEAST_WINDOW = leastWindow;
    }

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
        for (uint256 word = 0; word < roll.length; ++word) {
            roll[word] = Roll.atLeast(bitmaps, word, (threshold + 1) / 2);
            // Bits of no bid do not count, whatever members attested there.
            if (count < (word + 1) * 256) roll[word] &= (1 << (count % 256)) - 1;
            present += LibBit.popCount(roll[word]);
        }
        feed.present = uint16(present);
        feed.roll = SSTORE2.write(abi.encodePacked(roll));
        emit RollTallied(consumer, id, callers, roll);
    }

    /// @inheritdoc IScoreOracle
    function failed(address consumer, uint256 id) external view returns (bool) {
        Feed storage feed = _feed(consumer, id);
        if (feed.rounds[0].complete != 0) return false;
        uint256[4] memory bounds = _windows(feed.request, 1);
        bool empty = LibBit.popCount(_callers(feed, consumer, id)) < _attesting(feed).threshold;
        return block.timestamp >= (empty ? bounds[0] : bounds[3]);
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
    function _windows(Request memory request, uint256 round) internal pure returns (uint256[4] memory bounds) {
        uint256 length = uint256(request.commitWindow) + request.openWindow + request.postWindow;
        bounds[0] = uint256(request.start) + request.rollWindow;
        if (round == 2) bounds[0] += length + request.challengeWindow;
        bounds[1] = bounds[0] + request.commitWindow;
        bounds[2] = bounds[1] + request.openWindow;
        bounds[3] = bounds[2] + request.postWindow;
    }

    /// @dev Time from which the final scores can be read.
    function _end(Feed storage feed) internal view returns (uint256) {
        return _windows(feed.request, feed.request.challengeWindow != 0 ? 2 : 1)[3];
    }

    function _inWindow(uint256 from, uint256 to) internal view {
        if (block.timestamp < from || block.timestamp >= to) revert OutOfWindow(block.timestamp, from, to);
    }
}
