// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Stands for a generated verifier: a proof is the hash of its public inputs.
contract Judge {
    function verify(bytes calldata proof, bytes32[] calldata inputs) external pure returns (bool) {
        return keccak256(proof) == keccak256(abi.encode(keccak256(abi.encode(inputs))));
    }
}
