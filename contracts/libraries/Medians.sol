// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Lower medians of packed scores
/// @notice Vectors hold eight bytes a score (libraries/Scores.sol), four to a word.
library Medians {
    /// @notice Per-score, per-field lower median over `vectors`, all of the same length, in place of the first.
    /// @param starts Memory positions of the vectors' first words; each vector padded to whole words.
    /// @param words Length in words.
    function lower(uint256[] memory starts, uint256 words) internal pure {
        unchecked {
            uint256 n = starts.length;
            uint256[] memory row = new uint256[](n);
            for (uint256 w = 0; w < words; ++w) {
                uint256 offset = w << 5;
                uint256 first;
                uint256 differ;
                // Honest operators agree nearly everywhere: four scores at a time then cost one comparison each.
                assembly ("memory-safe") {
                    let p := add(starts, 32)
                    let end := add(p, shl(5, n))
                    first := mload(add(mload(p), offset))
                    for { p := add(p, 32) } lt(p, end) { p := add(p, 32) } {
                        differ := or(differ, xor(first, mload(add(mload(p), offset))))
                    }
                }
                if (differ == 0) continue;
                uint256 out;
                for (uint256 shift = 0; shift < 256; shift += 64) {
                    if ((differ >> shift) & type(uint64).max == 0) {
                        out |= first & (uint256(type(uint64).max) << shift);
                        continue;
                    }
                    for (uint256 i = 0; i < n; ++i) {
                        uint256 source = starts[i] + offset;
                        assembly ("memory-safe") {
                            mstore(add(add(row, 32), shl(5, i)), mload(source))
                        }
                    }
                    // volume 32 | φ 14 | q 14 | two flags, a bit each: a flag is a field of its own
                    out |= _select(row, shift, type(uint32).max) << shift;
                    out |= _select(row, shift + 32, 0x3fff) << (shift + 32);
                    out |= _select(row, shift + 46, 0x3fff) << (shift + 46);
                    out |= _select(row, shift + 60, 1) << (shift + 60);
                    out |= _select(row, shift + 61, 1) << (shift + 61);
                }
                uint256 target = starts[0] + offset;
                assembly ("memory-safe") {
                    mstore(target, out)
                }
            }
        }
    }

    /// @dev Lower median of one field: the element with exactly ⌊(n-1)/2⌋ others below it (ties broken by position).
    function _select(uint256[] memory row, uint256 shift, uint256 mask) private pure returns (uint256 value) {
        unchecked {
            uint256 n = row.length;
            uint256 rank = (n - 1) >> 1;
            for (uint256 i = 0; i < n; ++i) {
                value = (row[i] >> shift) & mask;
                uint256 below;
                for (uint256 j = 0; j < n; ++j) {
                    uint256 other = (row[j] >> shift) & mask;
                    if (other < value || (other == value && j < i)) ++below;
                }
                if (below == rank) return value;
            }
        }
    }
}
