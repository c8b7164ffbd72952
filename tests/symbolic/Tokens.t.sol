// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DstToken} from "../../contracts/DstToken.sol";
import {MutToken} from "../../contracts/MutToken.sol";
import {IDataAuction} from "../../contracts/interfaces/IDataAuction.sol";
import {vm} from "./Vm.sol";

/// @notice DST: each share is the rule's, rounded; whatever level passes the check, no more than the supply is issued.
contract DstRounding is DstToken(IDataAuction(address(0))) {
    /// @dev λ n = num n / den; num below 32, n, den, floor and cap below 8. Divisors are told apart by path.
    function check_share_isTheRulesWithinOneUnit(uint8 num, uint8 n, uint8 den, uint8 floor, uint8 cap) external pure {
        for (uint256 d = 1; d < 8; ++d) {
            if (den == d) _shareOf(num & 31, n & 7, d, floor & 7, cap & 7);
        }
    }

    function _shareOf(uint256 num, uint256 n, uint256 den, uint256 floor, uint256 cap) internal pure {
        vm.assume(floor <= cap);
        Terms memory t;
        Proposal memory p;
        (t.effectiveFloor, t.cap, p.levelNum, p.levelDen) = (uint96(floor), uint96(cap), uint128(num), uint160(den));
        (uint256 share, uint256 remainder, bool free) = _share(t, p, n);
        unchecked {
            uint256 exact = num * n;
            bool within = (share >= floor) && (share <= cap);
            assert(within && remainder < den);
            if (free) assert(share * den + remainder == exact && exact > floor * den && exact < cap * den);
            else assert(share == floor ? exact <= floor * den || floor == cap : exact >= cap * den);
        }
    }

    /// @dev Under a level that is exact, what rounding down leaves is less than one unit for each share it rounded.
    function check_remainders_giveFewerUnitsThanShares(
        uint8[2] calldata n,
        uint8 num,
        uint8 den,
        uint8 cap
    ) external pure {
        for (uint256 d = 1; d < 8; ++d) {
            if (den == d) _remainders(n[0] & 7, n[1] & 7, num & 31, d, cap & 15);
        }
    }

    function _remainders(uint256 n0, uint256 n1, uint256 num, uint256 den, uint256 cap) internal pure {
        Terms memory t;
        Proposal memory p;
        (t.cap, p.levelNum, p.levelDen) = (uint96(cap), uint128(num), uint160(den));
        (uint256 share0, uint256 rest0, bool free0) = _share(t, p, n0);
        (uint256 share1, uint256 rest1, bool free1) = _share(t, p, n1);
        unchecked {
            uint256 rest = rest0 + rest1;
            uint256 free = (free0 ? 1 : 0) + (free1 ? 1 : 0);
            // The exact shares of the free sum to a whole number: the supply less the bound ones.
            vm.assume(rest % den == 0);
            assert(rest / den < (free == 0 ? 1 : free));
            assert(share0 + share1 <= 2 * cap);
        }
    }

    /// @dev Full width: the check of the whole walk accepts no issue above the supply, and sums other than proposed.
    function check_check_neverIssuesMoreThanTheSupply(
        uint96[3] calldata amounts,
        uint32[8] calldata counts,
        uint64[2] calldata volumes,
        uint96 num,
        uint8 den
    ) external view {
        Terms memory t;
        Proposal memory p;
        Progress memory q;
        (t.supply, q.issued, q.bounds) = (amounts[0], amounts[1], amounts[2]);
        (q.count, q.positive, q.capped, q.qualitySum) = (counts[0], counts[1], counts[2], counts[3]);
        (p.count, q.impactSum, p.qualitySum, p.impactSum) = (counts[4], counts[5], counts[6], counts[7]);
        (q.volumeSum, p.volumeSum) = (volumes[0], volumes[1]);
        (p.levelNum, p.levelDen) = (num, den);
        try this.totals(t, p, q) {
            assert(q.issued <= t.supply);
            assert(q.count == p.count && q.volumeSum == p.volumeSum);
            assert(q.qualitySum == p.qualitySum && q.impactSum == p.impactSum);
        } catch {}
    }

    function totals(Terms memory t, Proposal calldata p, Progress memory q) external pure {
        _check(t, p, q);
    }

    /// @dev Of equal shares the earlier index is rounded up first; who has the larger remainder is never behind.
    function check_roundsUp_byRemainderThenIndex(
        uint64[2] calldata rest,
        uint32[2] calldata place,
        uint64 tie,
        uint32 last
    ) external pure {
        Proposal memory p;
        (p.tieRemainder, p.tieIndex) = (tie, last);
        vm.assume(rest[0] > rest[1] || (rest[0] == rest[1] && place[0] < place[1]));
        if (_roundsUp(p, rest[1], place[1])) assert(_roundsUp(p, rest[0], place[0]));
    }
}

/// @notice MUT: claims never exceed the revenue, and a transfer moves no past revenue.
contract MutAccrual is MutToken {
    // No constants: the compiler would compute their accounts' slots itself, and halmos would take those for others than
    // the slots that it sees computed.
    address internal immutable A = address(uint160(msg.sender) + 1);
    address internal immutable B = address(uint160(msg.sender) + 2);

    /// @dev Any balances, checkpoints and amount of full width; the supply is a power of two, so that the quotient is
    /// a shift and the question decidable.
    function check_transfer_leavesBothTheirPastRevenue(
        uint88[2] calldata balances,
        uint96[2] calldata checkpoints,
        uint96 revenue,
        uint88 amount,
        uint8 log2
    ) external {
        vm.assume(log2 < 95 && balances[0] >= amount);
        vm.assume(checkpoints[0] <= revenue && checkpoints[1] <= revenue);
        _supply = uint96(1 << log2);
        _revenue = revenue;
        _accounts[A] = Account(balances[0], checkpoints[0]);
        _accounts[B] = Account(balances[1], checkpoints[1]);
        (uint256 a, uint256 b) = (this.revenueOf(A), this.revenueOf(B));
        _transfer(A, B, amount);
        assert(this.revenueOf(A) == a && this.revenueOf(B) == b);
        assert(_accounts[A].balance == balances[0] - amount);
        assert(_accounts[B].balance == uint256(balances[1]) + amount);
    }

    function check_transfer_toOneself_changesNothing(uint88 balance, uint96 revenue, uint88 amount) external {
        vm.assume(balance >= amount);
        (_supply, _revenue) = (1 << 90, revenue);
        _accounts[A] = Account(balance, 0);
        uint256 due = this.revenueOf(A);
        _transfer(A, A, amount);
        assert(_accounts[A].balance == balance && this.revenueOf(A) == due);
    }

    /// @dev Two holders of at most the supply, paid in two portions; supplies up to 8, revenue up to 14.
    function check_claims_neverExceedTheRevenue(uint8[2] calldata held, uint8 supply, uint8[2] calldata paid) external {
        for (uint256 s = 1; s <= 8; ++s) {
            if (supply == s) _claims(held[0] & 15, held[1] & 15, s, paid[0] & 7, paid[1] & 7);
        }
    }

    function _claims(uint256 a, uint256 b, uint256 supply, uint256 first, uint256 second) internal {
        vm.assume(a + b <= supply);
        (_supply, _revenue) = (uint96(supply), uint112(first));
        (_accounts[A].balance, _accounts[B].balance) = (uint96(a), uint96(b));
        _settle(A);
        _revenue = uint112(first + second);
        unchecked {
            uint256 total = this.revenueOf(A) + this.revenueOf(B);
            uint256 revenue = first + second;
            assert(total <= revenue);
            // Nothing is lost but the rounding of three claims, and what nobody holds.
            assert((total + 3) * supply > revenue * (a + b));
        }
    }

    /// @dev Tokens minted late bring what was deposited before; supplies up to 8, revenue up to 15.
    function check_mint_bringsTheRevenueOfBefore(uint8 amount, uint8 more, uint8 supply, uint8 first) external {
        for (uint256 s = 1; s <= 8; ++s) {
            if (supply == s) _minted(amount & 15, more & 15, s, first & 15);
        }
    }

    function _minted(uint256 amount, uint256 more, uint256 supply, uint256 first) internal {
        vm.assume(amount + more <= supply);
        (_supply, _revenue) = (uint96(supply), uint112(first));
        _accounts[A].balance = uint96(amount);
        _settle(A);
        // Through the auction's own door: in these checks the deployer is the auction.
        vm.prank(address(AUCTION));
        this.mint(A, more);
        unchecked {
            uint256 due = this.revenueOf(A);
            uint256 whole = (first * (amount + more)) / supply;
            assert(due <= whole && due + 1 >= whole);
        }
    }
}
