// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IMutToken} from "./interfaces/IMutToken.sol";

/// @title MutToken
/// @notice See IMutToken. A clone an auction.
/// @dev An account is one slot, balance and checkpoint, so that a claim writes a single new slot; that is why this
/// ERC-20 is its own and not a library's.
contract MutToken is IMutToken, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Account {
        uint96 balance;
        uint128 checkpoint;
    }

    IDataAuction public immutable AUCTION;

    address internal _token;
    uint96 internal _supply;
    /// @dev Everything ever deposited (`R`), and everything ever paid out of it.
    uint112 internal _revenue;
    uint112 internal _paid;
    uint32 internal _auction;
    mapping(address account => Account) internal _accounts;
    mapping(address account => uint256) internal _settled;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    modifier onlyAuction() {
        if (msg.sender != address(AUCTION)) revert NotTheAuction(msg.sender);
        _;
    }

    constructor() {
        AUCTION = IDataAuction(msg.sender);
    }

    /*//////////////////////////////////////////////////////////////
                               THE AUCTION
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMutToken
    function initialize(uint256 auction, address token, uint256 supply) external onlyAuction {
        // slither-disable-next-line missing-zero-check,events-maths (checked by the auction; in Settled)
        (_auction, _token, _supply) = (uint32(auction), token, uint96(supply));
    }

    /// @inheritdoc IMutToken
    function mint(address to, uint256 amount) external onlyAuction {
        Account memory account = _accounts[to];
        // The new tokens bring what was deposited before they were claimed. At checkpoint 0 they do so by themselves.
        if (account.checkpoint != 0) {
            uint256 due = _due(account, _revenue) + (amount * _revenue) / _supply;
            if (due != 0) _settled[to] += due;
            account.checkpoint = _revenue;
        }
        account.balance += uint96(amount);
        _accounts[to] = account;
        emit Transfer(address(0), to, amount);
    }

    /// @inheritdoc IMutToken
    function reduce(uint256 amount) external onlyAuction {
        // Deliveries are resolved before any revenue accrues, so no due computed with the old supply exists.
        _supply -= uint96(amount);
        emit SupplyReduced(amount, _supply);
    }

    /*//////////////////////////////////////////////////////////////
                                 REVENUE
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMutToken
    function deposit(uint256 amount) external nonReentrant {
        IERC20(_token).safeTransferFrom(msg.sender, address(this), amount);
        // slither-disable-next-line incorrect-equality (an own sum, no balance)
        if (_accrue() == 0) revert NothingDeposited();
    }

    /// @inheritdoc IMutToken
    function accrue() external nonReentrant returns (uint256 amount) {
        return _accrue();
    }

    /// @inheritdoc IMutToken
    function claimFor(address holder) external nonReentrant returns (uint256 amount) {
        Account storage account = _accounts[holder];
        amount = _settled[holder] + _due(account, _revenue);
        // slither-disable-next-line incorrect-equality (an own sum, no balance)
        if (amount == 0) return 0;
        account.checkpoint = _revenue;
        _settled[holder] = 0;
        _paid += uint112(amount);
        emit RevenueClaimed(holder, amount);
        IERC20(_token).safeTransfer(holder, amount);
    }

    /// @inheritdoc IMutToken
    function revenueOf(address holder) external view returns (uint256) {
        return _settled[holder] + _due(_accounts[holder], _revenue);
    }

    /// @dev Counts by balance, so fees and direct transfers come out right.
    function _accrue() internal returns (uint256 amount) {
        // slither-disable-next-line incorrect-equality (an own sum, no balance)
        if (_revenue == 0 && !AUCTION.deliveriesResolved(_auction)) revert DeliveriesPending();
        // Without a holder, now or later, nobody could claim it: also where all winners are struck out and only what
        // was set aside for rounding is left.
        if (_supply == 0 || !AUCTION.hasHolders(_auction)) return 0;
        // A token that lowers balances by itself accrues nothing until it has made up for that.
        uint256 held = IERC20(_token).balanceOf(address(this)) + _paid;
        if (held <= _revenue) return 0;
        amount = held - _revenue;
        _revenue = SafeCast.toUint112(held);
        emit RevenueAccrued(amount, held);
    }

    function _due(Account memory account, uint256 revenue) internal view returns (uint256) {
        // slither-disable-next-line incorrect-equality (own sums, no balance)
        if (account.balance == 0 || revenue == account.checkpoint) return 0;
        return (account.balance * (revenue - account.checkpoint)) / _supply;
    }

    /*//////////////////////////////////////////////////////////////
                                  ERC-20
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IERC20
    function transfer(address to, uint256 amount) external returns (bool) {
        _transfer(msg.sender, to, amount);
        return true;
    }

    /// @inheritdoc IERC20
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < amount) revert InsufficientAllowance(msg.sender, allowed, amount);
            allowance[from][msg.sender] = allowed - amount;
        }
        _transfer(from, to, amount);
        return true;
    }

    /// @inheritdoc IERC20
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        emit Approval(msg.sender, spender, amount);
        return true;
    }

    function _transfer(address from, address to, uint256 amount) internal {
        if (to == address(0)) revert InvalidReceiver(to);
        _settle(from);
        _settle(to);
        uint256 balance = _accounts[from].balance;
        if (balance < amount) revert InsufficientBalance(from, balance, amount);
        _accounts[from].balance = uint96(balance - amount);
        _accounts[to].balance += uint96(amount);
        emit Transfer(from, to, amount);
    }

    /// @dev Put an account's due aside, so that tokens move without their past revenue.
    function _settle(address holder) internal {
        uint256 due = _due(_accounts[holder], _revenue);
        if (due != 0) _settled[holder] += due;
        _accounts[holder].checkpoint = _revenue;
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @inheritdoc IMutToken
    function terms() public view returns (uint256 auction, address revenueToken) {
        return (_auction, _token);
    }

    /// @inheritdoc IERC20
    function totalSupply() external view returns (uint256) {
        return _supply;
    }

    /// @inheritdoc IERC20
    function balanceOf(address account) external view returns (uint256) {
        return _accounts[account].balance;
    }

    /// @inheritdoc IERC20Metadata
    function name() external view returns (string memory) {
        return string.concat("Q-MIA Marginal Utility Token ", Strings.toString(_auction));
    }

    /// @inheritdoc IERC20Metadata
    function symbol() external view returns (string memory) {
        return string.concat("MUT-", Strings.toString(_auction));
    }

    /// @notice Those of the revenue token: one MUT is one unit of it at face value. 18 where it does not say.
    function decimals() external view returns (uint8) {
        (bool ok, bytes memory answer) = _token.staticcall(abi.encodeCall(IERC20Metadata.decimals, ()));
        if (!ok || answer.length < 32) return 18;
        uint256 value = abi.decode(answer, (uint256));
        return value > type(uint8).max ? 18 : uint8(value);
    }
}
