// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Makes one call whenever it is called back, and records how that went. It can act for itself, too.
contract ZooAttacker {
    address public target;
    bytes public data;
    uint256 public calls;
    uint256 public successes;
    bool internal _inside;

    receive() external payable {
        _attack();
    }

    function onTransfer(address, address, uint256) external {
        _attack();
    }

    function aim(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function execute(address to, uint256 value, bytes calldata data_) external payable {
        (bool ok, bytes memory answer) = to.call{value: value}(data_);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function _attack() internal {
        if (target == address(0) || _inside) return;
        _inside = true;
        ++calls;
        (bool ok, ) = target.call(data);
        if (ok) ++successes;
        _inside = false;
    }
}
