// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

/// @notice Family of weight functions: Power is q^η (φ+κ)^γ, the others are u(qφ) (paper §4.2).
enum WeightFamily {
    Power,
    Sqrt,
    Log1p
}

/// @notice A weight function; exponents and κ in 1e-18, used by Power only.
struct WeightRule {
    WeightFamily family;
    uint64 eta;
    uint64 kappa;
    uint64 gamma;
}

/// @title Weights in 1e-18 fixed point
/// @notice `oracles/mechanism/weights.py` computes the same integers.
library Weights {
    uint256 internal constant WAD = 1e18;
    /// @notice Wads in one step of the scores' grid (1e-4).
    uint256 internal constant GRID = 1e14;
    uint256 internal constant MAX_SCORE = 1e4;

    /// @notice Weight of a score; at least 1, so that an eligible bid never drops out by rounding.
    /// @param q Quality on the grid; above 10,000 it counts as 10,000, so that no score outgrows a bid's slot.
    /// @param phi Marginal utility on the grid, likewise.
    function weight(WeightRule memory rule, uint256 q, uint256 phi) internal pure returns (uint256 w) {
        uint256 x = FixedPointMathLib.min(q, MAX_SCORE) * GRID;
        uint256 y = FixedPointMathLib.min(phi, MAX_SCORE) * GRID;
        if (rule.family == WeightFamily.Power) {
            w = (pow(x, rule.eta) * pow(y + rule.kappa, rule.gamma)) / WAD;
        } else if (rule.family == WeightFamily.Sqrt) {
            w = FixedPointMathLib.sqrt(x * y);
        } else {
            // forge-lint: disable-next-line(unsafe-typecast)
            w = uint256(FixedPointMathLib.lnWad(int256(WAD + (x * y) / WAD)));
        }
        if (w == 0) w = 1;
    }

    /// @notice x^e, exact for e = 0 and e = 1; 0^e = 0 for e > 0.
    function pow(uint256 x, uint256 e) internal pure returns (uint256) {
        if (e == 0) return WAD;
        if (e == WAD || x == 0) return x;
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint256(FixedPointMathLib.powWad(int256(x), int256(e)));
    }
}
