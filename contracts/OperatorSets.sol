// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {IScoreOracle} from "./interfaces/IScoreOracle.sol";

/// @title OperatorSets
/// @notice The part of ScoreOracle that knows who may score: operators, the sets that they accepted, and the ether that
/// each has here. It knows of no request.
abstract contract OperatorSets is IScoreOracle, EIP712, ReentrancyGuardTransient {
    /// @notice With more, a chunk on which all disagree would not fit a transaction (EIP-7825, a fifth to spare).
    uint256 public constant MAX_MEMBERS = 13;
    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;
    bytes32 internal constant KEY_TYPEHASH = keccak256("EncryptionKey(address owner,bytes32 x,bytes32 y)");

    /// @dev Panels of round one and two; `accepted` has a bit for each member, those of the first panel first.
    struct Set {
        uint32 accepted;
        Panel[2] panels;
    }

    uint256 public setCount;
    mapping(address account => bool) public registered;
    mapping(uint256 operatorSet => Set) internal _sets;
    /// @inheritdoc IScoreOracle
    mapping(address account => uint256) public credit;

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

    /// @inheritdoc IScoreOracle
    function setOf(
        uint256 operatorSet
    ) external view returns (Panel memory first, Panel memory appeal, uint256 accepted, bool standing) {
        Set storage set = _sets[operatorSet];
        return (set.panels[0], set.panels[1], set.accepted, set.accepted != 0 && _standing(set));
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
}
