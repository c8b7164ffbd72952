// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {DstToken} from "./DstToken.sol";
import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IDstToken} from "./interfaces/IDstToken.sol";

/// @title DstFactory: brings the participation token of an auction into being
/// @notice Anyone may, at any time; the terms are those that the buyer fixed with the auction.
contract DstFactory {
    IDataAuction public immutable AUCTION;
    address public immutable IMPLEMENTATION;

    /// @notice Emitted when the participation token of an auction comes into being.
    event DstCreated(uint256 indexed auctionId, address token);

    constructor(IDataAuction auction) {
        AUCTION = auction;
        IMPLEMENTATION = address(new DstToken(auction));
    }

    /// @notice Create the token of `auction`; its terms must hash to what the auction holds.
    function create(uint256 auction, IDataAuction.DstTerms calldata terms) external returns (address token) {
        if (keccak256(abi.encode(terms)) != AUCTION.dstTermsHash(auction)) revert IDstToken.TermsDiffer(auction);
        token = Clones.cloneDeterministicWithImmutableArgs(IMPLEMENTATION, abi.encode(auction), bytes32(auction));
        // slither-disable-next-line reentrancy-events (a clone of the factory's own token)
        IDstToken(token).initialize(terms);
        emit DstCreated(auction, token);
    }

    /// @notice Where the token of an auction is, or will be.
    function tokenOf(uint256 auction) external view returns (address) {
        return
            Clones.predictDeterministicAddressWithImmutableArgs(IMPLEMENTATION, abi.encode(auction), bytes32(auction));
    }
}
