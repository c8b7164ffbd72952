// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ChaumPedersen} from "../../../contracts/libraries/ChaumPedersen.sol";

/// @notice Makes the library callable from tests.
contract Curve {
    function verify(
        bytes32 context,
        ChaumPedersen.Point memory b,
        ChaumPedersen.Point memory e,
        ChaumPedersen.Proof memory proof
    ) external pure returns (bool) {
        return ChaumPedersen.verify(context, b, e, proof);
    }
}
