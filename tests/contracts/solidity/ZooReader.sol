// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDataAuction} from "../../../contracts/interfaces/IDataAuction.sol";
import {Bid} from "../../../contracts/types/Bid.sol";

/// @notice Reads a bid while its payment is on the way.
contract ZooReader {
    IDataAuction public immutable AUCTION;
    uint256 public immutable ID;
    uint256 public immutable INDEX;
    uint256 public slot;

    constructor(IDataAuction auction, uint256 id, uint256 index) {
        (AUCTION, ID, INDEX) = (auction, id, index);
    }

    function onTransfer(address, address, uint256) external {
        slot = Bid.unwrap(AUCTION.bids(ID, INDEX, INDEX + 1)[0]);
    }
}
