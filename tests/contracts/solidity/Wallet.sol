// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A wallet that is a contract: it signs by ERC-1271 through one key, and may refuse ether.
contract Wallet {
    address public immutable KEY;
    bool public refuses;

    error Refused();

    constructor(address key) payable {
        KEY = key;
    }

    receive() external payable {
        if (refuses) revert Refused();
    }

    function refuse(bool value) external {
        refuses = value;
    }

    function execute(address target, uint256 value, bytes calldata data) external payable {
        (bool ok, bytes memory answer) = target.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = abi.decode(signature[:64], (bytes32, bytes32));
        return ecrecover(digest, uint8(signature[64]), r, s) == KEY ? this.isValidSignature.selector : bytes4(0);
    }
}
