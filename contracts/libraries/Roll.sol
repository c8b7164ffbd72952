// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Which indices take part: bitmaps, counted bit by bit in parallel
/// @notice Index i is bit `i % 256` of word `i / 256`.
library Roll {
    /// @notice Words that hold so many bits.
    function words(uint256 count) internal pure returns (uint256) {
        return (count + 255) / 256;
    }

    /// @notice Bits that at least `least` (1 to 15) of at most 15 words have.
    /// @dev Four planes hold a counter for each bit. They start at 16 - least, so the carry out of the last plane tells
    /// where a counter reached `least`.
    function atLeast(
        uint256[][] calldata bitmaps,
        uint256 word,
        uint256 least
    ) internal pure returns (uint256 reached) {
        uint256 start = 16 - least;
        uint256 p0 = start & 1 != 0 ? type(uint256).max : 0;
        uint256 p1 = start & 2 != 0 ? type(uint256).max : 0;
        uint256 p2 = start & 4 != 0 ? type(uint256).max : 0;
        uint256 p3 = start & 8 != 0 ? type(uint256).max : 0;
        for (uint256 i = 0; i < bitmaps.length; ++i) {
            uint256 carry = bitmaps[i][word];
            (p0, carry) = (p0 ^ carry, p0 & carry);
            (p1, carry) = (p1 ^ carry, p1 & carry);
            (p2, carry) = (p2 ^ carry, p2 & carry);
            (p3, carry) = (p3 ^ carry, p3 & carry);
            reached |= carry;
        }
    }

    /// @notice Read word number `word` of a roll stored as contract code.
    function read(address pointer, uint256 word) internal view returns (uint256 bits) {
        assembly ("memory-safe") {
            mstore(0, 0)
            extcodecopy(pointer, 0, add(1, shl(5, word)), 32)
            bits := mload(0)
        }
    }
}
