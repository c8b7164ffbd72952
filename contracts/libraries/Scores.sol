// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Scores packed in eight bytes, stored as contract code
/// @notice From the lowest bit: volume 32 | φ 14 | q 14 | flags 4 (1 present, 2 under-served, others 0).
/// Code is a STOP byte followed by the scores in the order of the bids, CHUNK to a contract.
library Scores {
    uint256 internal constant SIZE = 8;
    /// @notice Scores in one chunk. All operators disagreeing everywhere must still fit one transaction.
    uint256 internal constant CHUNK = 1024;
    uint256 internal constant PRESENT = 1;
    uint256 internal constant UNDERSERVED = 2;

    function volume(uint256 score) internal pure returns (uint256) {
        return score & type(uint32).max;
    }

    function phi(uint256 score) internal pure returns (uint256) {
        return (score >> 32) & 0x3fff;
    }

    function q(uint256 score) internal pure returns (uint256) {
        return (score >> 46) & 0x3fff;
    }

    function flags(uint256 score) internal pure returns (uint256) {
        return (score >> 60) & 0xf;
    }

    /// @notice Read score number `position` of a chunk.
    function read(address chunk, uint256 position) internal view returns (uint256 score) {
        assembly ("memory-safe") {
            mstore(0, 0)
            extcodecopy(chunk, 24, add(1, shl(3, position)), 8)
            score := mload(0)
        }
    }

    /// @notice Read score number `position` of a chunk held in memory (without the STOP byte).
    function item(bytes memory chunk, uint256 position) internal pure returns (uint256 score) {
        assembly ("memory-safe") {
            score := shr(192, mload(add(add(chunk, 32), shl(3, position))))
        }
    }
}
