// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

/// @title MutToken: a share in the revenue of one auction's model
/// @notice One ERC-20 a settled auction. The supply is fixed at settlement and only falls, by the part of winners
/// who did not deliver, before any revenue accrues. Tokens come into being when they are claimed and carry their
/// revenue from the first deposit on, so that claiming early or late makes no difference.
///
/// Revenue is kept undivided: the sum of all deposits `R`, and for each account the `R` up to which it was paid.
/// An account's due is `balance * (R - checkpoint) / supply`, rounded down, so rounding never pays a holder too much.
interface IMutToken is IERC20Metadata {
    /// @notice Emitted when revenue is counted.
    /// @param total All revenue so far.
    event RevenueAccrued(uint256 amount, uint256 total);
    /// @notice Emitted when a holder is paid its revenue.
    event RevenueClaimed(address indexed holder, uint256 amount);
    /// @notice Emitted when the part of a struck-out winner leaves the supply.
    /// @param supply What is left.
    event SupplyReduced(uint256 amount, uint256 supply);

    /// @notice Thrown when the caller is not the auction contract.
    error NotTheAuction(address caller);
    /// @notice Thrown when revenue comes before every winner has delivered or been struck out and disputes are over.
    error DeliveriesPending();
    /// @notice Thrown when more is sent than the sender holds.
    error InsufficientBalance(address from, uint256 balance, uint256 amount);
    /// @notice Thrown when more is sent than the owner allowed.
    error InsufficientAllowance(address spender, uint256 allowance, uint256 amount);
    /// @notice Thrown when tokens are sent to address 0.
    error InvalidReceiver(address to);
    /// @notice Thrown when a deposit added nothing to what is held.
    error NothingDeposited();

    /// @notice Fix the auction, the revenue token and the supply; by the auction, once.
    function initialize(uint256 auction, address token, uint256 supply) external;

    /// @notice Bring a winner's or the buyer's tokens into being; by the auction.
    function mint(address to, uint256 amount) external;

    /// @notice Strike out the tokens of a winner who did not deliver; by the auction, before revenue accrues.
    function reduce(uint256 amount) external;

    /// @notice Move `amount` of the revenue token in and accrue it.
    function deposit(uint256 amount) external;

    /// @notice Accrue whatever was transferred here directly.
    function accrue() external returns (uint256 amount);

    /// @notice Pay a holder's revenue to the holder; anyone may call.
    function claimFor(address holder) external returns (uint256 amount);

    /// @notice Revenue that `claimFor` would pay now, direct transfers not yet accrued left out.
    function revenueOf(address holder) external view returns (uint256);

    /// @notice The auction this token belongs to, and the token its revenue is paid in.
    function terms() external view returns (uint256 auction, address revenueToken);
}
