// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {Clock} from "./libraries/Clock.sol";
import {WeightRule} from "./libraries/Weights.sol";
import {Bid} from "./types/Bid.sol";

/// @title AuctionStorage
/// @notice What DataAuction keeps, in the same slots for DataAuction and for Settlement, whose code it runs as its own.
abstract contract AuctionStorage {
    address internal constant BURN = 0x000000000000000000000000000000000000dEaD;

    /// @dev One slot: `num / den` token units per unit of weight, and what every payment needs beside it.
    struct PaidPrice {
        uint80 num;
        uint96 den;
        uint32 rho;
    }

    /// @dev One slot: the marginal winner of a clock. It stands here because a delivery takes the place of its cost.
    struct Marginal {
        uint32 index;
        uint80 cost;
        uint64 weight;
    }

    /// @dev Grouped by slot; each of the frequent calls reads as few as possible. Counts and indices are at most
    /// MAX_BIDS, lengths of phases at most MAX_PHASE of TermsRules.
    struct Auction {
        // commit
        uint40 commitEnd;
        uint16 count;
        uint16 maxBids;
        uint48 depositGwei;
        bool enrolment;
        bytes16 agreementTag;
        // open, reveal and settle
        uint40 openStart;
        uint40 openEnd;
        uint40 revealStart;
        uint40 revealEnd;
        uint80 beta;
        uint16 qMin;
        // reveal
        WeightRule weights;
        // deliver and dispute; the marginal winner of all bids, or where the tranche split off of those not flagged
        IDataAuction.State state;
        uint40 fetchEnd;
        uint24 deliverWindow;
        uint16 delivered;
        bool split;
        uint16 lastIndex;
        uint80 lastCost;
        uint64 lastWeight;
        // of flagged bids, where the tranche split off
        Marginal lastFlagged;
        // claim
        address token;
        uint40 disputeEnd;
        uint40 bondGwei;
        // prices: of flagged bids where the tranche split off, else 0; and of the others
        PaidPrice flaggedPrice;
        PaidPrice price;
        // settle, strike out
        uint40 settleEnd;
        uint16 winners;
        uint16 forfeited;
        bool buyerHolds;
        uint80 budget;
        uint80 refund;
        // settle
        uint32 tranche;
        uint40 entryFeeGwei;
        uint80 pool;
        uint80 buyerMut;
        // buyer
        address buyer;
        uint96 bounty;
        address keyAddress;
        uint40 feeGwei;
        uint40 fetchFeeGwei;
        // bounty
        bytes32 proposal;
    }

    /// @dev Progress of one proposal: tallies of the clocks over all, flagged and unflagged bids.
    struct Progress {
        Clock.Tally[3] tallies;
        uint32 cursor;
        uint32 revealed;
        uint32 unrevealed;
    }

    // slither-disable-start uninitialized-state (written through storage pointers, and by the other contract)
    mapping(uint256 auctionId => Auction) internal _auctions;
    mapping(uint256 auctionId => Bid[1 << 32]) internal _bids;
    mapping(uint256 auctionId => mapping(uint256 chunk => address)) internal _scores;
    mapping(bytes32 proposal => Progress) internal _progress;
    mapping(bytes32 proposal => mapping(address settler => uint256)) internal _walked;
    // slither-disable-end uninitialized-state

    /// @dev Of 32 bits, the index stays within the auction's bids without being checked.
    function _bid(uint256 auctionId, uint32 index) internal view returns (Bid bid) {
        Bid[1 << 32] storage slots = _bids[auctionId];
        assembly ("memory-safe") {
            bid := sload(add(slots.slot, and(index, 0xffffffff)))
        }
    }

    function _setBid(uint256 auctionId, uint32 index, Bid bid) internal {
        Bid[1 << 32] storage slots = _bids[auctionId];
        assembly ("memory-safe") {
            sstore(add(slots.slot, and(index, 0xffffffff)), bid)
        }
    }

    function _inPhase(uint256 from, uint256 to) internal view {
        if (block.timestamp < from || block.timestamp >= to) revert IDataAuction.OutOfPhase(block.timestamp, from, to);
    }

    // slither-disable-next-line arbitrary-send-eth (each caller names who is owed it)
    function _sendNative(address to, uint256 amount) internal {
        if (amount == 0) return;
        (bool ok, ) = to.call{value: amount}("");
        if (!ok) revert IDataAuction.TransferFailed(to, amount);
    }

    function _payBounty(uint256 auctionId, uint256 amount) internal {
        emit IDataAuction.BountyClaimed(auctionId, msg.sender, amount);
        _sendNative(msg.sender, amount);
    }
}
