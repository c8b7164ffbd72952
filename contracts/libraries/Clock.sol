// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Bids} from "./Bids.sol";

/// @title The descending clock, verified and not computed (docs/mechanism.md, "Settlement")
/// @notice Given a marginal winner, a walk over the bids adds up the weight not after it and keeps the first loser.
/// The outcome is right if and only if the marginal bid still affords its own price and the first loser does not.
library Clock {
    uint256 internal constant NONE = type(uint32).max;

    /// @dev `weight` is 0 when the clock has no winner; `loser` is an index plus one, 0 when nobody lost yet.
    struct Walk {
        uint256 cost;
        uint256 weight;
        uint256 index;
        uint256 sum;
        uint256 count;
        uint256 loserCost;
        uint256 loserWeight;
        uint256 loser;
    }

    /// @notice A price per unit of weight; `den` 0 means infinite.
    struct Price {
        uint256 num;
        uint256 den;
    }

    /// @notice The marginal winner affords less than its cost, or the first loser would afford its own.
    error CertificateFailed(uint256 index, bool tooLong);

    function step(Walk memory walk, uint256 cost, uint256 weight, uint256 index) internal pure {
        unchecked {
            if (walk.weight != 0 && !Bids.after_(cost, weight, index, walk.cost, walk.weight, walk.index)) {
                walk.sum += weight;
                ++walk.count;
            } else if (
                walk.loser == 0
                    || Bids.after_(walk.loserCost, walk.loserWeight, walk.loser - 1, cost, weight, index)
            ) {
                walk.loserCost = cost;
                walk.loserWeight = weight;
                walk.loser = index + 1;
            }
        }
    }

    /// @notice Check the certificate against a budget and return the clearing price `min(β / W, ψ of the first loser)`.
    /// @dev Budget and cost 80 bits, sums 96: no overflow.
    function clear(Walk memory walk, uint256 budget) internal pure returns (Price memory) {
        if (walk.weight != 0 && walk.cost * walk.sum > budget * walk.weight) {
            revert CertificateFailed(walk.index, true);
        }
        if (walk.loser == 0) return walk.sum == 0 ? Price(1, 0) : Price(budget, walk.sum);
        if (walk.loserCost * (walk.sum + walk.loserWeight) <= budget * walk.loserWeight) {
            revert CertificateFailed(walk.loser - 1, false);
        }
        return budget * walk.loserWeight < walk.loserCost * walk.sum
            ? Price(budget, walk.sum)
            : Price(walk.loserCost, walk.loserWeight);
    }

    function below(Price memory a, Price memory b) internal pure returns (bool) {
        return a.num * b.den < b.num * a.den;
    }
}
