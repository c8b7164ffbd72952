// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDataAuction} from "../interfaces/IDataAuction.sol";
import {Clock} from "./Clock.sol";

/// @title Clearing
/// @notice From the walks over all bids to prices and sums.
library Clearing {
    using Clock for Clock.Walk;

    uint256 internal constant PPB = 1e9;

    /// @notice Check the certificates and compute what follows from them. `revealed` and `unrevealed` stay 0.
    /// @param walks Clocks over all, flagged and unflagged bids; the last two stay empty without a tranche.
    /// @param beta Budget of the clock.
    /// @param tranche Part of it that is kept for flagged bids first, in parts per billion.
    /// @param rho Part of each payment in cash, in parts per billion.
    /// @param budget Cash in escrow.
    /// @param pool MUT that the buyer shares out.
    function clear(
        Clock.Walk[3] memory walks,
        uint256 beta,
        uint256 tranche,
        uint256 rho,
        uint256 budget,
        uint256 pool
    ) internal pure returns (IDataAuction.Outcome memory o) {
        Clock.Walk memory all = walks[0];
        Clock.Walk memory flagged = walks[1];
        Clock.Walk memory unflagged = walks[2];
        Clock.Price memory price = all.clear(beta);
        Clock.Price memory unflaggedPrice;
        if (flagged.tally != 0 || flagged.loser != 0) {
            Clock.Price memory reserved = flagged.clear((beta * tranche) / PPB);
            o.split = Clock.below(price, reserved);
            if (o.split) {
                // Rounded up: what is kept back for flagged winners is never less than they are paid.
                uint256 kept = (reserved.num * flagged.sum() + reserved.den - 1) / reserved.den;
                unflaggedPrice = unflagged.clear(beta - kept);
                price = reserved;
            }
        }
        if (!o.split && unflagged.next != 0) revert IDataAuction.MarginalInvalid(unflagged.next - 1);
        if (price.den == 0) price = Clock.Price(0, 1);
        if (unflaggedPrice.den == 0) unflaggedPrice = Clock.Price(0, 1);
        (o.num, o.den) = (price.num, price.den);
        (o.unflaggedNum, o.unflaggedDen) = (unflaggedPrice.num, unflaggedPrice.den);

        Clock.Walk memory first = o.split ? flagged : all;
        (uint256 spent, uint256 allotment) = _spend(rho, price, first.sum(), first.count());
        o.winners = first.count();
        if (o.split) {
            (uint256 cash, uint256 mut) = _spend(rho, unflaggedPrice, unflagged.sum(), unflagged.count());
            spent += cash;
            allotment += mut;
            o.winners += unflagged.count();
        }
        o.refund = budget - spent;
        o.buyerMut = pool > allotment ? pool - allotment : 0;
        o.mutSupply = allotment + o.buyerMut;
    }

    /// @dev Cash and MUT set aside for the winners of one clock; `k` more MUT because each face value is rounded up.
    function _spend(
        uint256 rho,
        Clock.Price memory price,
        uint256 sum,
        uint256 winners
    ) internal pure returns (uint256 cash, uint256 mut) {
        uint256 den = price.den * PPB;
        cash = (rho * price.num * sum) / den;
        if (rho != PPB) mut = ((PPB - rho) * price.num * sum) / den + winners;
    }
}
