// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {FixedPointMathLib} from "solady/utils/FixedPointMathLib.sol";

import {AuctionStorage} from "./AuctionStorage.sol";
import {MutToken} from "./MutToken.sol";
import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {Clearing} from "./libraries/Clearing.sol";
import {Clock} from "./libraries/Clock.sol";
import {Bid, BidLibrary} from "./types/Bid.sol";

/// @title Settlement
/// @notice The code of `settle`. Apart from DataAuction, whose code would be too large with it; deployed by it, and run
/// by delegatecall in its storage, under its lock. Called by itself it finds no auction.
contract Settlement is AuctionStorage {
    using Clock for Clock.Walk;

    address internal immutable MUT_IMPLEMENTATION;

    constructor(address mutImplementation) {
        // slither-disable-next-line missing-zero-check (made by the auction a line before)
        MUT_IMPLEMENTATION = mutImplementation;
    }

    /// @notice See IDataAuction; the auction's lock is held.
    // slither-disable-next-line reentrancy-eth,reentrancy-no-eth,reentrancy-benign,reentrancy-events (that lock)
    function settle(
        uint256 auctionId,
        IDataAuction.Marginals calldata marginals,
        uint256 count
    ) external returns (bool done) {
        Auction storage auction = _auctions[auctionId];
        if (auction.state != IDataAuction.State.Open) revert IDataAuction.WrongState(auction.state);
        _inPhase(auction.revealEnd, auction.settleEnd);

        bytes32 proposal = keccak256(abi.encode(auctionId, marginals));
        Progress memory progress = _progress[proposal];
        Clock.Walk[3] memory walks = _resume(auctionId, marginals, progress, auction.tranche != 0);
        uint256 from = progress.cursor;
        uint256 to = FixedPointMathLib.min(from + count, auction.count);
        if (to == from && auction.count != 0) revert IDataAuction.NothingToWalk();
        _walk(auctionId, from, to, auction.tranche != 0, progress, walks);

        emit IDataAuction.Walked(auctionId, proposal, msg.sender, from, to);
        done = to == auction.count;
        // A settler who walked every bid is paid now, so no share is stored.
        bool alone = done && from == 0;
        if (!alone) _walked[proposal][msg.sender] += to - from;
        if (done) {
            if (!alone) auction.proposal = proposal;
            _finish(auctionId, marginals, progress, walks);
            if (alone && to != 0) _payBounty(auctionId, auction.bounty);
        } else {
            progress.cursor = uint32(to);
            for (uint256 c = 0; c < 3; ++c) {
                progress.tallies[c] = Clock.counted(walks[c]);
            }
            _progress[proposal] = progress;
        }
    }

    /// @dev Clocks 0, 1, 2 are over all, flagged and unflagged bids; the last two only run with a tranche.
    function _resume(
        uint256 auctionId,
        IDataAuction.Marginals calldata marginals,
        Progress memory progress,
        bool tranche
    ) internal view returns (Clock.Walk[3] memory walks) {
        Bid[1 << 32] storage slots = _bids[auctionId];
        uint32[3] memory indices = [marginals.all, marginals.flagged, marginals.unflagged];
        for (uint256 c = 0; c < 3; ++c) {
            uint256 index = indices[c];
            if (index != Clock.NONE) {
                Bid bid = slots[index];
                bool foreign = c != 0 && bid.has(BidLibrary.FLAGGED) != (c == 1);
                if ((c != 0 && !tranche) || !bid.stands() || foreign) revert IDataAuction.MarginalInvalid(index);
            }
            walks[c] = Clock.resume(progress.tallies[c], slots, index);
        }
    }

    function _walk(
        uint256 auctionId,
        uint256 from,
        uint256 to,
        bool tranche,
        Progress memory progress,
        Clock.Walk[3] memory walks
    ) internal view {
        Bid[1 << 32] storage slots = _bids[auctionId];
        (Clock.Walk memory all, Clock.Walk memory flagged, Clock.Walk memory unflagged) = (
            walks[0],
            walks[1],
            walks[2]
        );
        uint256 revealed;
        uint256 unrevealed;
        unchecked {
            for (uint256 i = from; i < to; ++i) {
                Bid bid;
                // The bound is checked once, by `to`, and not for each bid.
                assembly ("memory-safe") {
                    bid := sload(add(slots.slot, i))
                }
                if (!bid.has(BidLibrary.REVEALED)) {
                    if (bid.has(BidLibrary.COMMITTED)) ++unrevealed;
                    continue;
                }
                ++revealed;
                uint256 weight = bid.weight();
                if (weight == 0) continue;
                uint256 cost = bid.cost();
                Clock.step(all, cost, weight, i);
                if (tranche) Clock.step(bid.has(BidLibrary.FLAGGED) ? flagged : unflagged, cost, weight, i);
            }
            progress.revealed += uint32(revealed);
            progress.unrevealed += uint32(unrevealed);
        }
    }

    // slither-disable-next-line reentrancy-eth,reentrancy-no-eth,reentrancy-benign,reentrancy-events (the auction's lock)
    function _finish(
        uint256 auctionId,
        IDataAuction.Marginals calldata marginals,
        Progress memory progress,
        Clock.Walk[3] memory walks
    ) internal {
        // Scores that came too late for any reveal must cost nobody a bond: such an auction is aborted.
        if (progress.revealed == 0 && progress.unrevealed != 0 && _scores[auctionId][0] == address(0)) {
            revert IDataAuction.ScoresMissing();
        }
        Auction storage auction = _auctions[auctionId];
        IDataAuction.Outcome memory outcome = Clearing.clear(
            walks,
            auction.beta,
            auction.tranche,
            auction.price.rho,
            auction.budget,
            auction.pool
        );
        (outcome.revealed, outcome.unrevealed) = (progress.revealed, progress.unrevealed);
        _record(auction, auctionId, walks, outcome);
        emit IDataAuction.Settled(auctionId, marginals, outcome);
        // Burned whole: a part for revealers or settlers would pay shills, and who withholds and settles.
        _sendNative(BURN, outcome.unrevealed * auction.bondGwei * 1 gwei);
    }

    function _record(
        Auction storage auction,
        uint256 auctionId,
        Clock.Walk[3] memory walks,
        IDataAuction.Outcome memory outcome
    ) internal {
        auction.state = IDataAuction.State.Settled;
        PaidPrice memory paid = PaidPrice(uint80(outcome.num), uint96(outcome.den), auction.price.rho);
        if (outcome.split) {
            (auction.split, auction.flaggedPrice, auction.lastFlagged) = (true, paid, _marginal(walks[1]));
            (paid.num, paid.den) = (uint80(outcome.unflaggedNum), uint96(outcome.unflaggedDen));
        }
        auction.price = paid;
        Marginal memory last = _marginal(walks[outcome.split ? 2 : 0]);
        (auction.lastIndex, auction.lastCost, auction.lastWeight) = (uint16(last.index), last.cost, last.weight);
        auction.winners = uint16(outcome.winners);
        auction.refund = uint80(outcome.refund);
        auction.buyerMut = uint80(outcome.buyerMut);
        auction.buyerHolds = outcome.buyerMut != 0;
        if (outcome.mutSupply != 0) {
            // slither-disable-next-line reentrancy-events (the auction's own token)
            MutToken(Clones.cloneDeterministic(MUT_IMPLEMENTATION, bytes32(auctionId))).initialize(
                auctionId,
                auction.token,
                outcome.mutSupply
            );
        }
    }

    /// @dev Weight 0 where the clock has no winner.
    function _marginal(Clock.Walk memory walk) internal pure returns (Marginal memory) {
        uint256 index = walk.next == 0 ? Clock.NONE : walk.next - 1;
        return Marginal(uint32(index), uint80(walk.cost), uint64(walk.weight));
    }
}
