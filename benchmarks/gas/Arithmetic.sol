// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clock} from "../../contracts/libraries/Clock.sol";
import {Medians} from "../../contracts/libraries/Medians.sol";
import {Scores} from "../../contracts/libraries/Scores.sol";
import {WeightRule, Weights} from "../../contracts/libraries/Weights.sol";
import {Bid, BidLibrary, Place} from "../../contracts/types/Bid.sol";

/// @notice What some steps must calculate, and nothing else: no storage, no calls, no checks, no events. Its gas is a
/// call's with `on`, less the same call's without.
contract Arithmetic {
    /// @notice Gas of the first call to this contract, less that of the second.
    function difference(bytes memory first, bytes memory second) external view returns (uint256) {
        uint256 begin = gasleft();
        (bool ok, ) = address(this).staticcall(first);
        uint256 middle = gasleft();
        (bool also, ) = address(this).staticcall(second);
        uint256 end = gasleft();
        require(ok && also);
        return (begin - middle) - (middle - end);
    }

    /// @notice A reveal: three hashes, the weight, the packing.
    function reveal(
        bool on,
        WeightRule calldata rule,
        Place calldata place,
        uint256 cost,
        bytes32 salt,
        uint256 score
    ) external view returns (Bid slot, Bid commitment) {
        if (!on) return (Bid.wrap(0), Bid.wrap(0));
        bytes32 seal = keccak256(abi.encode(block.chainid, address(this), 1, place.owner, cost, salt));
        commitment = BidLibrary.commitment(seal, place, BidLibrary.COMMITTED);
        uint256 weight = Weights.weight(rule, Scores.q(score), Scores.phi(score));
        uint256 tag = BidLibrary.tagOf(address(this), 1, place);
        slot = BidLibrary.pack(cost, weight, Scores.flags(score) & Scores.UNDERSERVED != 0, tag);
    }

    /// @notice A settlement's walk over bids, with or without a tranche.
    function settle(bool on, bool tranche, Bid[] calldata bids) external pure returns (uint256 tally) {
        if (!on) return 0;
        Clock.Walk memory all;
        Clock.Walk memory flagged;
        Clock.Walk memory unflagged;
        (all.cost, all.weight, all.next) = (bids[0].cost(), bids[0].weight(), 1);
        flagged = unflagged = all;
        unchecked {
            uint256 end;
            uint256 start;
            assembly ("memory-safe") {
                start := bids.offset
                end := add(start, shl(5, bids.length))
            }
            uint256 i = 0;
            for (; start < end; start += 32) {
                Bid bid;
                assembly ("memory-safe") {
                    bid := calldataload(start)
                }
                if (!bid.has(BidLibrary.REVEALED)) continue;
                uint256 weight = bid.weight();
                if (weight == 0) continue;
                uint256 cost = bid.cost();
                Clock.step(all, cost, weight, i);
                if (tranche) Clock.step(bid.has(BidLibrary.FLAGGED) ? flagged : unflagged, cost, weight, i);
                ++i;
            }
        }
        return all.tally + flagged.tally + unflagged.tally;
    }

    /// @notice Scores of one chunk: every vector to memory and hashed, then the medians.
    function scores(bool on, bytes[] calldata vectors) external pure returns (bytes32 hash) {
        if (!on) return 0;
        uint256[] memory starts = new uint256[](vectors.length);
        uint256 length;
        for (uint256 i = 0; i < vectors.length; ++i) {
            bytes memory vector = vectors[i];
            hash ^= keccak256(vector);
            uint256 start;
            assembly ("memory-safe") {
                start := add(vector, 32)
            }
            (starts[i], length) = (start, vector.length);
        }
        Medians.lower(starts, (length + 31) >> 5);
        uint256 first = starts[0];
        assembly ("memory-safe") {
            hash := xor(hash, mload(first))
        }
    }
}
