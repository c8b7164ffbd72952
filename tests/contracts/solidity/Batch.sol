// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Makes many calls in one transaction, as a thief would who wants to pay its fixed cost once.
contract Batch {
    error Failed(uint256 call);

    /// @return spent Gas of each call, without that of the transaction.
    function run(address target, bytes[] calldata calls) external returns (uint256[] memory spent) {
        spent = new uint256[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes memory data = calls[i];
            uint256 before = gasleft();
            (bool ok, ) = target.call(data);
            spent[i] = before - gasleft();
            if (!ok) revert Failed(i);
        }
    }
}
