// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IMutToken} from "./interfaces/IMutToken.sol";
import {IUsageLog} from "./interfaces/IUsageLog.sol";

/// @title UsageLog
/// @notice See IUsageLog.
contract UsageLog is IUsageLog, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct Last {
        uint64 count;
        uint64 size;
        uint64 end;
        bytes32 root;
    }

    IDataAuction public immutable AUCTION;

    mapping(address mut => mapping(address publisher => Last)) internal _last;

    constructor(IDataAuction auction) {
        AUCTION = auction;
    }

    /// @inheritdoc IUsageLog
    function close(address mut, Period calldata period) external nonReentrant returns (uint256 number) {
        // Else a contract of anybody's could name any token that the publisher has approved.
        (uint256 auctionId, address token) = IMutToken(mut).terms();
        if (AUCTION.mutToken(auctionId) != mut) revert NotAMut(mut);

        Last storage previous = _last[mut][msg.sender];
        if (period.size < previous.size) revert LogShrank(previous.size, period.size);
        if (period.size == previous.size && previous.count != 0 && period.root != previous.root)
            revert LogChanged(previous.root, period.root);
        if (period.end <= previous.end || period.end > block.timestamp) revert EndInvalid(previous.end, period.end);
        number = previous.count;
        (previous.count, previous.size, previous.end, previous.root) = (
            uint64(number + 1),
            period.size,
            period.end,
            period.root
        );

        uint256 accrued;
        if (period.revenue != 0) {
            IERC20(token).safeTransferFrom(msg.sender, mut, period.revenue);
            accrued = IMutToken(mut).accrue();
            // Nobody holds the MUT or ever will, or the token has taken everything: the money would be nobody's.
            if (accrued == 0) revert NothingAccrued(mut);
        }
        // slither-disable-next-line reentrancy-events (the guard holds; `accrued` is known only now)
        emit PeriodClosed(mut, msg.sender, number, period, accrued);
    }

    /// @inheritdoc IUsageLog
    function last(
        address mut,
        address publisher
    ) external view returns (uint256 count, uint256 size, uint256 end, bytes32 root) {
        Last memory found = _last[mut][publisher];
        return (found.count, found.size, found.end, found.root);
    }
}
