// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice One storage slot per bid, for its whole life. From the lowest bit: status 8 | weight 64 | cost 80 | tag 104.
///
/// Before the reveal the upper 248 bits are a hash of the commitment and the status is COMMITTED, or OUT where it was
/// withdrawn; only code that has checked the hash sets REVEALED, so a commitment can never be read as a bid. `tag` is a
/// hash of index, owner, payer and data set: later calls name them and are checked against it, so that no slot is spent
/// on them. A second preimage costs 2^104 work.
///
/// Once DELIVERED the 80 bits of the cost hold the upper bits of the delivery's digest instead: the marginal bids stand
/// at the auction, and who has delivered has won.
type Bid is uint256;

using BidLibrary for Bid global;

/// @notice What stands at an index, named by every call after the commitment.
/// @param index Place in the order of commitment.
/// @param owner Provider: gets cash and MUT.
/// @param payer Who paid the bond and gets it back: the owner, or a relayer.
/// @param dataSet keccak256(abi.encode(DataSet)).
struct Place {
    uint32 index;
    address owner;
    address payer;
    bytes32 dataSet;
}

/// @title Reading and changing packed bids
library BidLibrary {
    uint256 internal constant COMMITTED = 0x01;
    uint256 internal constant REVEALED = 0x02;
    uint256 internal constant FLAGGED = 0x04;
    uint256 internal constant DELIVERED = 0x08;
    /// @notice Withdrawn before the reveal, or struck out after the settlement.
    uint256 internal constant OUT = 0x10;
    uint256 internal constant CASH_PAID = 0x20;
    uint256 internal constant MUT_PAID = 0x40;
    uint256 internal constant BOND_PAID = 0x80;

    uint256 private constant COST_MASK = uint256(type(uint80).max) << 72;

    /// @notice The upper 248 bits of a commitment's slot, with a status.
    function commitment(bytes32 sealedBid, Place memory place, uint256 status) internal pure returns (Bid) {
        uint256 hash = uint256(keccak256(abi.encode(sealedBid, place.index, place.owner, place.payer, place.dataSet)));
        return Bid.wrap((hash & ~uint256(0xff)) | status);
    }

    /// @notice Tag of a revealed bid of the auction contract `auction`.
    function tagOf(address auction, uint256 auctionId, Place memory place) internal view returns (uint256) {
        return
            uint256(
                keccak256(
                    abi.encode(block.chainid, auction, auctionId, place.index, place.owner, place.payer, place.dataSet)
                )
            ) >> 152;
    }

    function pack(uint256 cost_, uint256 weight_, bool flagged, uint256 tag_) internal pure returns (Bid) {
        return Bid.wrap((tag_ << 152) | (cost_ << 72) | (weight_ << 8) | REVEALED | (flagged ? FLAGGED : 0));
    }

    /// @notice Whether any of these flags is set.
    function has(Bid bid, uint256 flags) internal pure returns (bool) {
        return Bid.unwrap(bid) & flags != 0;
    }

    function with(Bid bid, uint256 flags) internal pure returns (Bid) {
        return Bid.wrap(Bid.unwrap(bid) | flags);
    }

    function without(Bid bid, uint256 flags) internal pure returns (Bid) {
        return Bid.wrap(Bid.unwrap(bid) & ~flags);
    }

    /// @notice The bid as delivered: the digest takes the place of the cost.
    function delivered(Bid bid, uint256 digest80) internal pure returns (Bid) {
        return Bid.wrap((Bid.unwrap(bid) & ~COST_MASK) | (digest80 << 72) | DELIVERED);
    }

    function same(Bid a, Bid b) internal pure returns (bool) {
        return Bid.unwrap(a) == Bid.unwrap(b);
    }

    function weight(Bid bid) internal pure returns (uint256) {
        return (Bid.unwrap(bid) >> 8) & type(uint64).max;
    }

    /// @notice Cost of a revealed bid; after the delivery, the delivery's digest.
    function cost(Bid bid) internal pure returns (uint256) {
        return (Bid.unwrap(bid) >> 72) & type(uint80).max;
    }

    function tag(Bid bid) internal pure returns (uint256) {
        return Bid.unwrap(bid) >> 152;
    }

    /// @notice Whether the bid takes part in a clock: revealed, eligible, not dearer than β.
    function stands(Bid bid) internal pure returns (bool) {
        return has(bid, REVEALED) && weight(bid) != 0;
    }

    /// @notice Whether (ψ, index) of the first bid is above that of the second; ψ = cost / weight is never divided.
    /// @dev 80 + 64 bits: no overflow.
    function comesAfter(Bid a, uint256 indexA, Bid b, uint256 indexB) internal pure returns (bool) {
        unchecked {
            uint256 left = cost(a) * weight(b);
            uint256 right = cost(b) * weight(a);
            return left > right || (left == right && indexA > indexB);
        }
    }
}
