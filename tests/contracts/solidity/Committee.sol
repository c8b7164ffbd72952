// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice A wallet of several owners, as a Safe is one: two of them sign each transaction, in the order of the list.
/// By ERC-1271 it signs what two of them signed for this wallet on this chain, and for no other.
contract Committee {
    uint256 private constant NEEDED = 2;
    bytes32 private constant DOMAIN = keccak256("EIP712Domain(uint256 chainId,address verifyingContract)");
    bytes32 private constant MESSAGE = keccak256("Message(bytes32 digest)");
    bytes32 private constant TRANSACTION = keccak256(
        "Transaction(address target,uint256 value,bytes data,uint256 nonce)"
    );

    address[] public owners;
    uint256 public nonce;

    error NotSigned();

    constructor(address[] memory owners_) payable {
        owners = owners_;
    }

    receive() external payable {}

    /// @notice Anybody may send what enough owners signed.
    function execute(address target, uint256 value, bytes calldata data, bytes calldata signatures) external {
        if (!_signed(keccak256(abi.encode(TRANSACTION, target, value, keccak256(data), nonce++)), signatures)) {
            revert NotSigned();
        }
        (bool ok, bytes memory answer) = target.call{value: value}(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function isValidSignature(bytes32 digest, bytes calldata signatures) external view returns (bytes4) {
        bool right = _signed(keccak256(abi.encode(MESSAGE, digest)), signatures);
        return right ? this.isValidSignature.selector : bytes4(0);
    }

    function _signed(bytes32 structHash, bytes calldata signatures) private view returns (bool) {
        bytes32 domain = keccak256(abi.encode(DOMAIN, block.chainid, address(this)));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        uint256 found;
        for (uint256 i; i < owners.length && signatures.length >= 65 * (found + 1); i++) {
            bytes calldata one = signatures[65 * found:65 * (found + 1)];
            (bytes32 r, bytes32 s) = abi.decode(one[:64], (bytes32, bytes32));
            if (ecrecover(digest, uint8(one[64]), r, s) == owners[i]) found++;
        }
        return found == NEEDED && signatures.length == 65 * NEEDED;
    }
}
