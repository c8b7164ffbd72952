// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title LocalDollar: a settlement token for local testnets, where there is no other
/// @notice The whole supply goes to the deployer. Six decimals, like the dollar tokens in use.
contract LocalDollar is ERC20 {
    constructor(uint256 supply) ERC20("Local Dollar", "LUSD") {
        _mint(msg.sender, supply);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
