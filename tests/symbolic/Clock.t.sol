// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clock} from "../../contracts/libraries/Clock.sol";
import {vm} from "./Vm.sol";

/// @notice The certificate accepts exactly one marginal winner, the rule's, and its price is the rule's.
/// @dev The rule by its definition: in the order of (ψ, index), bid k affords its own price if `ψ_k <= β / W_k`, W_k
/// being the weight up to and with it; the last that does is the marginal winner; the price is `min(β / W, ψ of the
/// first loser)`. Written without jumps, so that a check has the contract's own branches only. Products of unknowns
/// are hard, so widths are bounded: one bid with cost and budget below 64 and weight up to 7; two with 32 and 3; three
/// with 16 and 2. Ties, cost 0 and budget 0 are within them.
contract ClockCertificate {
    using Clock for Clock.Walk;

    uint256 internal constant N = 3;

    // Costs and budget are unknowns; weights are told apart by path, so that all products are with constants.

    function check_oneBid(uint8[N] memory costs, uint8[N] memory weights, uint8 budget, uint8 m) external view {
        _bound(costs, weights, 1, 63, 7);
        _each(costs, weights, 1, budget & 63, m);
    }

    function check_twoBids(uint8[N] memory costs, uint8[N] memory weights, uint8 budget, uint8 m) external view {
        _bound(costs, weights, 2, 31, 3);
        _each(costs, weights, 2, budget & 31, m);
    }

    function check_threeBids(uint8[N] memory costs, uint8[N] memory weights, uint8 budget, uint8 m) external view {
        _bound(costs, weights, 3, 15, 2);
        _each(costs, weights, 3, budget & 15, m);
    }

    function _bound(uint8[N] memory costs, uint8[N] memory weights, uint256 n, uint8 cost, uint8 weight) internal pure {
        for (uint256 i = 0; i < n; ++i) {
            costs[i] &= cost;
            vm.assume(weights[i] != 0 && weights[i] <= weight);
            for (uint8 w = 1; w <= weight; ++w) {
                if (weights[i] == w) weights[i] = w;
            }
        }
    }

    /// @dev Any marginal winner, `n` for none; each on paths of its own.
    function _each(uint8[N] memory c, uint8[N] memory w, uint256 n, uint256 budget, uint256 m) internal view {
        for (uint256 k = 0; k <= n; ++k) {
            if (m == k) {
                _compare(c, w, n, budget, k);
                return;
            }
        }
    }

    function _compare(uint8[N] memory c, uint8[N] memory w, uint256 n, uint256 budget, uint256 m) internal view {
        bool right = _isRight(c, w, n, budget, m);
        try this.certify(c, w, n, budget, m) returns (Clock.Price memory price) {
            assert(right);
            assert(_isPrice(c, w, n, budget, m, price.num, price.den));
        } catch {
            assert(!right);
        }
    }

    /// @notice The contracts' way: a walk, then the certificate.
    function certify(
        uint8[N] memory c,
        uint8[N] memory w,
        uint256 n,
        uint256 budget,
        uint256 m
    ) external pure returns (Clock.Price memory) {
        Clock.Walk memory walk;
        if (m < n) (walk.cost, walk.weight, walk.next) = (c[m], w[m], m + 1);
        for (uint256 i = 0; i < n; ++i) {
            Clock.step(walk, c[i], w[i], i);
        }
        return Clock.clear(walk, budget);
    }

    function _isRight(
        uint8[N] memory c,
        uint8[N] memory w,
        uint256 n,
        uint256 budget,
        uint256 m
    ) internal pure returns (bool right) {
        right = m == n || _affords(c, w, n, budget, m);
        for (uint256 j = 0; j < n; ++j) {
            if (j == m) continue;
            bool later = m == n || _after(c, w, j, m);
            right = _and(right, !_and(later, _affords(c, w, n, budget, j)));
        }
    }

    function _affords(
        uint8[N] memory c,
        uint8[N] memory w,
        uint256 n,
        uint256 budget,
        uint256 k
    ) internal pure returns (bool) {
        unchecked {
            // c_k W_k, bid by bid.
            uint256 due = 0;
            for (uint256 j = 0; j < n; ++j) {
                due += _only(j == k || !_after(c, w, j, k), uint256(c[k]) * w[j]);
            }
            return due <= budget * w[k];
        }
    }

    /// @dev Weight up to and with bid `k`; 0 for none.
    function _total(uint8[N] memory c, uint8[N] memory w, uint256 n, uint256 k) internal pure returns (uint256 sum) {
        unchecked {
            for (uint256 j = 0; j < n && k < n; ++j) {
                sum += _only(j == k || !_after(c, w, j, k), w[j]);
            }
        }
    }

    /// @dev `num / den` is no more than β / W and the ψ of every loser, and is one of them.
    function _isPrice(
        uint8[N] memory c,
        uint8[N] memory w,
        uint256 n,
        uint256 budget,
        uint256 m,
        uint256 num,
        uint256 den
    ) internal pure returns (bool right) {
        unchecked {
            uint256 total = _total(c, w, n, m);
            bool equal = num * total == den * budget;
            right = num * total <= den * budget;
            for (uint256 j = 0; j < n; ++j) {
                if (j == m) continue;
                bool later = m == n || _after(c, w, j, m);
                right = _and(right, !_and(later, num * w[j] > den * c[j]));
                equal = !_and(!equal, !_and(later, num * w[j] == den * c[j]));
            }
            right = _and(right, equal);
        }
    }

    function _after(uint8[N] memory c, uint8[N] memory w, uint256 i, uint256 j) internal pure returns (bool) {
        unchecked {
            (uint256 a, uint256 b) = (uint256(c[i]) * w[j], uint256(c[j]) * w[i]);
            return i > j ? a >= b : a > b;
        }
    }

    function _and(bool a, bool b) internal pure returns (bool both) {
        assembly ("memory-safe") {
            both := and(a, b)
        }
    }

    function _only(bool when, uint256 a) internal pure returns (uint256 b) {
        assembly ("memory-safe") {
            b := and(sub(0, when), a)
        }
    }
}
