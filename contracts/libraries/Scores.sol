// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Roll} from "./Roll.sol";

/// @title Scores packed in eight bytes, stored as contract code
/// @notice From the lowest bit: volume 32 | φ 14 | q 14 | flags 4 (1 present, 2 under-served, others 0).
/// Code is a STOP byte followed by the scores in the order of the bids, CHUNK to a contract.
library Scores {
    uint256 internal constant SIZE = 8;
    /// @notice Scores in one chunk. All operators disagreeing everywhere must still fit one transaction.
    uint256 internal constant CHUNK = 1024;
    uint256 internal constant PRESENT = 1;
    uint256 internal constant UNDERSERVED = 2;
    /// @notice Difference of q or φ, in steps of the grid, that is still no deviation; of volume, with a thousandth more.
    uint256 internal constant TOLERANCE = 10;

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

    /// @notice Chunks that hold so many scores.
    function chunks(uint256 count) internal pure returns (uint256) {
        return (count + CHUNK - 1) / CHUNK;
    }

    /// @notice Give a score to who is on the roll and none to who is not, whatever the scores say: four to a word.
    /// @param scores A chunk held in memory, changed in place.
    /// @param roll The roll stored as contract code.
    /// @param chunk Number of the chunk.
    function setPresence(bytes memory scores, address roll, uint256 chunk) internal view {
        uint256 words = (scores.length + 31) / 32;
        uint256 bits;
        for (uint256 word = 0; word < words; ++word) {
            // slither-disable-next-line divide-before-multiply (a chunk is four whole words of the roll)
            if (word % 64 == 0) bits = Roll.read(roll, chunk * (CHUNK / 256) + word / 64);
            // slither-disable-next-line incorrect-shift (bits word*4 to word*4+3 of the roll's word)
            uint256 four = (bits >> ((word % 64) * 4)) & 0xf;
            uint256 lanes = ((four & 1) << 192) | ((four & 2) << 127) | ((four & 4) << 62) | (four >> 3);
            assembly ("memory-safe") {
                let p := add(add(scores, 32), shl(5, word))
                // Each lane is 0 or 1: times 2^64 - 1 it covers its score. The presence flag is bit 60.
                let kept := and(mload(p), mul(lanes, 0xffffffffffffffff))
                mstore(p, or(kept, shl(60, lanes)))
            }
        }
    }

    /// @notice Beyond the tolerance, or flagged for the other clock: the outcome is another one.
    function differ(uint256 a, uint256 b) internal pure returns (bool) {
        return flags(a) != flags(b) || deviates(a, b);
    }

    /// @notice Whether a score deviates from the one that stands, `b`. The under-served flag is a threshold on which
    /// honest machines may disagree: it costs nobody a stake.
    function deviates(uint256 a, uint256 b) internal pure returns (bool) {
        return
            (flags(a) ^ flags(b)) & PRESENT != 0 ||
            _distance(q(a), q(b)) > TOLERANCE ||
            _distance(phi(a), phi(b)) > TOLERANCE ||
            _distance(volume(a), volume(b)) > TOLERANCE + volume(b) / 1000;
    }

    function _distance(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : b - a;
    }
}
