// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Lower medians of packed scores
/// @notice Vectors hold eight bytes a score (libraries/Scores.sol), four to a word. All fields of the four scores are
/// sorted at once: a word is split in two, so that above each field there is a bit that no field uses, the guard. With
/// the guards of one word set, a subtraction compares all its fields, and what is left of the guards tells which to swap.
library Medians {
    /// @dev Four scores in one word.
    uint256 private constant FOUR = 0x0000000000000001000000000000000100000000000000010000000000000001;
    /// @dev volume 32 | q 14 | under-served 1, and φ 14 | present 1. Whatever is in no field is dropped.
    uint256 private constant ODD = FOUR * (0xffffffff | (0x3fff << 46) | (1 << 61));
    uint256 private constant EVEN = FOUR * ((0x3fff << 32) | (1 << 60));
    /// @dev Guards, by the width of the field below.
    uint256 private constant ODD_32 = FOUR << 32;
    uint256 private constant ODD_14 = FOUR << 60;
    uint256 private constant ODD_1 = FOUR << 62;
    uint256 private constant EVEN_14 = FOUR << 46;
    uint256 private constant EVEN_1 = FOUR << 61;

    /// @notice Per-score, per-field lower median over `vectors`, all of the same length, in place of the first.
    /// @param starts Memory positions of the vectors' first words; each vector padded to whole words.
    /// @param words Length in words.
    function lower(uint256[] memory starts, uint256 words) internal pure {
        unchecked {
            uint256[] memory row = new uint256[](starts.length);
            for (uint256 word = 0; word < words; ++word) {
                uint256 offset = word << 5;
                uint256 first;
                uint256 differ;
                // Honest operators agree nearly everywhere: four scores then cost one comparison a vector.
                assembly ("memory-safe") {
                    let p := add(starts, 32)
                    let end := add(p, shl(5, mload(starts)))
                    first := mload(add(mload(p), offset))
                    for {
                        p := add(p, 32)
                    } lt(p, end) {
                        p := add(p, 32)
                    } {
                        differ := or(differ, xor(first, mload(add(mload(p), offset))))
                    }
                }
                differ |= first & ~(ODD | EVEN);
                if (differ == 0) continue;
                uint256 out = first & (ODD | EVEN);
                if (differ & ODD != 0) {
                    out = (out & EVEN) | _select(starts, row, offset, ODD, ODD_32, ODD_14, ODD_1);
                }
                if (differ & EVEN != 0) {
                    out = (out & ODD) | _select(starts, row, offset, EVEN, 0, EVEN_14, EVEN_1);
                }
                assembly ("memory-safe") {
                    mstore(add(mload(add(starts, 32)), offset), out)
                }
            }
        }
    }

    /// @dev Lower median of each field: selection sort up to the rank ⌊(n-1)/2⌋, every field with swaps of its own.
    function _select(
        uint256[] memory starts,
        uint256[] memory row,
        uint256 offset,
        uint256 fields,
        uint256 guards32,
        uint256 guards14,
        uint256 guards1
    ) private pure returns (uint256 x) {
        assembly ("memory-safe") {
            let n := mload(starts)
            let begin := add(row, 32)
            let end := add(begin, shl(5, n))
            for {
                let p := begin
            } lt(p, end) {
                p := add(p, 32)
            } {
                mstore(p, and(mload(add(mload(add(starts, sub(p, row))), offset)), fields))
            }
            let guards := or(guards32, or(guards14, guards1))
            let rank := add(begin, shl(5, shr(1, sub(n, 1))))
            for {
                let p := begin
            } iszero(gt(p, rank)) {
                p := add(p, 32)
            } {
                x := mload(p)
                for {
                    let next := add(p, 32)
                } lt(next, end) {
                    next := add(next, 32)
                } {
                    let y := mload(next)
                    // The guard stays where x >= y; less itself shifted down by the width, it covers the field.
                    let swap := and(sub(or(x, guards), y), guards)
                    swap := sub(
                        swap,
                        or(shr(32, and(swap, guards32)), or(shr(14, and(swap, guards14)), shr(1, and(swap, guards1))))
                    )
                    swap := and(xor(x, y), swap)
                    mstore(next, xor(y, swap))
                    x := xor(x, swap)
                }
            }
        }
    }
}
