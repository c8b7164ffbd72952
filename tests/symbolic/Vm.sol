// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice What the checks take from the symbolic executor.
interface Vm {
    function assume(bool condition) external pure;

    function prank(address sender) external;
}

Vm constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
