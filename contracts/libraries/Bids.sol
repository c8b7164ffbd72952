// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title One storage slot a bid, for its whole life
/// @notice From the lowest bit: status 8 | weight 64 | cost 80 | tag 104.
///
/// Before the reveal the upper 248 bits are a hash and the status is COMMITTED alone; only code that has checked the
/// hash sets REVEALED, so a commitment can never be read as a bid. DELIVERED is set on revealed winners alone, and
/// taken back where one is struck out. `tag` is a hash of index, owner and payer: a claim names them and is checked
/// against it, so that no slot is spent on addresses. A second preimage costs 2^104 work.
library Bids {
    uint256 internal constant COMMITTED = 0x01;
    uint256 internal constant REVEALED = 0x02;
    uint256 internal constant FLAGGED = 0x04;
    uint256 internal constant DELIVERED = 0x08;
    uint256 internal constant FORFEITED = 0x10;
    uint256 internal constant CASH_PAID = 0x20;
    uint256 internal constant MUT_PAID = 0x40;
    uint256 internal constant BOND_PAID = 0x80;

    function commitment(
        bytes32 sealedBid,
        uint256 index,
        address owner,
        address payer
    ) internal pure returns (uint256) {
        return (uint256(keccak256(abi.encode(sealedBid, index, owner, payer))) & ~uint256(0xff)) | COMMITTED;
    }

    function tag(uint256 auction, uint256 index, address owner, address payer) internal view returns (uint256) {
        return tagOf(address(this), auction, index, owner, payer);
    }

    function tagOf(
        address auctionContract,
        uint256 auction,
        uint256 index,
        address owner,
        address payer
    ) internal view returns (uint256) {
        return uint256(keccak256(abi.encode(block.chainid, auctionContract, auction, index, owner, payer))) >> 152;
    }

    function pack(uint256 cost_, uint256 weight_, bool flagged, uint256 tag_) internal pure returns (uint256) {
        return (tag_ << 152) | (cost_ << 72) | (weight_ << 8) | REVEALED | (flagged ? FLAGGED : 0);
    }

    function is_(uint256 bid, uint256 status) internal pure returns (bool) {
        return bid & status != 0;
    }

    function weight(uint256 bid) internal pure returns (uint256) {
        return (bid >> 8) & type(uint64).max;
    }

    function cost(uint256 bid) internal pure returns (uint256) {
        return (bid >> 72) & type(uint80).max;
    }

    /// @notice Whether the bid takes part in a clock: revealed, eligible, not dearer than β.
    function stands(uint256 bid) internal pure returns (bool) {
        return bid & REVEALED != 0 && weight(bid) != 0;
    }

    /// @notice Whether (ψ, index) of the first bid is above that of the second; ψ = cost / weight is never divided.
    /// @dev 80 + 64 bits: no overflow.
    function after_(
        uint256 costA,
        uint256 weightA,
        uint256 indexA,
        uint256 costB,
        uint256 weightB,
        uint256 indexB
    ) internal pure returns (bool) {
        unchecked {
            uint256 a = costA * weightB;
            uint256 b = costB * weightA;
            return a > b || (a == b && indexA > indexB);
        }
    }
}
