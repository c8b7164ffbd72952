// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Medians} from "../../../contracts/libraries/Medians.sol";
import {Scores} from "../../../contracts/libraries/Scores.sol";
import {WeightRule, Weights} from "../../../contracts/libraries/Weights.sol";
import {Bid, BidLibrary} from "../../../contracts/types/Bid.sol";

/// @notice The libraries' functions, callable.
contract Libraries {
    /// @notice Weights of many scores at once: `points` holds q in the upper, φ in the lower 16 bits.
    function weights(WeightRule calldata rule, uint32[] calldata points) external pure returns (uint256[] memory out) {
        out = new uint256[](points.length);
        for (uint256 i = 0; i < points.length; ++i) {
            out[i] = Weights.weight(rule, points[i] >> 16, points[i] & 0xffff);
        }
    }

    function lower(bytes[] calldata vectors) external pure returns (bytes memory medians) {
        uint256[] memory starts = new uint256[](vectors.length);
        for (uint256 i = 0; i < vectors.length; ++i) {
            bytes memory vector = vectors[i];
            if (i == 0) medians = vector;
            uint256 start;
            assembly ("memory-safe") {
                start := add(vector, 32)
            }
            starts[i] = start;
        }
        Medians.lower(starts, (medians.length + 31) / 32);
    }

    function score(
        bytes calldata vector,
        uint256 position
    ) external pure returns (uint256 volume, uint256 phi, uint256 q, uint256 flags) {
        uint256 item = Scores.item(vector, position);
        return (Scores.volume(item), Scores.phi(item), Scores.q(item), Scores.flags(item));
    }

    function bid(
        Bid slot
    ) external pure returns (uint256 cost, uint256 weight, uint256 tag, bool revealed, bool flagged, bool stands) {
        return (
            slot.cost(),
            slot.weight(),
            slot.tag(),
            slot.has(BidLibrary.REVEALED),
            slot.has(BidLibrary.FLAGGED),
            slot.stands()
        );
    }
}
