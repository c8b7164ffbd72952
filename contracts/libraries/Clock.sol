// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bid} from "../types/Bid.sol";

/// @title The descending clock, verified and not computed (docs/mechanism.md, "Settlement")
/// @notice Given a marginal winner, a walk over the bids adds up the weight not after it and keeps the first loser.
/// The outcome is right if and only if the marginal bid still affords its own price and the first loser does not.
library Clock {
    uint256 internal constant NONE = type(uint32).max;

    /// @dev The marginal winner, the tally of bids not after it, and the first one after it. `tally` holds the sum of
    /// weights in its lower, the count in its upper half. `next` and `loser` are an index plus one, 0 for none.
    struct Walk {
        uint256 cost;
        uint256 weight;
        uint256 next;
        uint256 tally;
        uint256 loserCost;
        uint256 loserWeight;
        uint256 loser;
    }

    /// @notice What one clock has counted so far, in one slot. `loser` is an index plus one, 0 for none.
    struct Tally {
        uint96 sum;
        uint32 count;
        uint32 loser;
    }

    /// @notice A price per unit of weight; `den` 0 means infinite.
    struct Price {
        uint256 num;
        uint256 den;
    }

    /// @notice Thrown when the marginal winner affords less than its cost, or the first loser would afford its own.
    error CertificateFailed(uint256 index, bool tooLong);

    /// @notice Go on from a tally; `bids` has every bid of the auction.
    /// @param marginal Index of the marginal winner, NONE without one.
    function resume(
        Tally memory before,
        Bid[1 << 32] storage bids,
        uint256 marginal
    ) internal view returns (Walk memory walk) {
        if (marginal != NONE) {
            Bid bid = bids[marginal];
            (walk.cost, walk.weight, walk.next) = (bid.cost(), bid.weight(), marginal + 1);
        }
        if (before.loser != 0) {
            Bid bid = bids[before.loser - 1];
            (walk.loserCost, walk.loserWeight, walk.loser) = (bid.cost(), bid.weight(), before.loser);
        }
        walk.tally = (uint256(before.count) << 128) | before.sum;
    }

    /// @notice What a walk has counted.
    function counted(Walk memory walk) internal pure returns (Tally memory) {
        return Tally(uint96(sum(walk)), uint32(count(walk)), uint32(walk.loser));
    }

    /// @notice Count one bid: by (ψ, index) it wins, or it may be the first loser. Hand-written: this loop decides the cost
    /// of a settlement.
    /// @dev Without a marginal winner both products are 0, and no index is below 0. Costs have 80 bits, weights 64: no
    /// overflow.
    function step(Walk memory walk, uint256 cost_, uint256 weight_, uint256 index) internal pure {
        assembly ("memory-safe") {
            let a := mul(cost_, mload(add(walk, 0x20)))
            let b := mul(mload(walk), weight_)
            switch or(lt(a, b), and(eq(a, b), lt(index, mload(add(walk, 0x40)))))
            case 1 {
                mstore(add(walk, 0x60), add(mload(add(walk, 0x60)), or(weight_, shl(128, 1))))
            }
            default {
                // The bids come in ascending order of index, so a tie never replaces the loser.
                let loser := mload(add(walk, 0xc0))
                a := mul(cost_, mload(add(walk, 0xa0)))
                b := mul(mload(add(walk, 0x80)), weight_)
                if or(iszero(loser), lt(a, b)) {
                    mstore(add(walk, 0x80), cost_)
                    mstore(add(walk, 0xa0), weight_)
                    mstore(add(walk, 0xc0), add(index, 1))
                }
            }
        }
    }

    function sum(Walk memory walk) internal pure returns (uint256) {
        return walk.tally & type(uint128).max;
    }

    function count(Walk memory walk) internal pure returns (uint256) {
        return walk.tally >> 128;
    }

    /// @notice Check the certificate against a budget and return the clearing price `min(β / W, ψ of the first loser)`.
    /// @dev Budget and cost 80 bits, sums 96: no overflow.
    function clear(Walk memory walk, uint256 budget) internal pure returns (Price memory) {
        uint256 total = sum(walk);
        if (walk.next != 0 && walk.cost * total > budget * walk.weight) {
            revert CertificateFailed(walk.next - 1, true);
        }
        if (walk.loser == 0) return total == 0 ? Price(1, 0) : Price(budget, total);
        if (walk.loserCost * (total + walk.loserWeight) <= budget * walk.loserWeight) {
            revert CertificateFailed(walk.loser - 1, false);
        }
        return
            budget * walk.loserWeight < walk.loserCost * total
                ? Price(budget, total)
                : Price(walk.loserCost, walk.loserWeight);
    }

    function below(Price memory a, Price memory b) internal pure returns (bool) {
        return a.num * b.den < b.num * a.den;
    }
}
