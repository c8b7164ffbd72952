// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title IUsageLog
/// @notice Where publishers of trained models close periods of their usage logs, and pay what they earned.
/// There is one sequence of periods for each MUT and publisher. A period and its payment are one call, so neither
/// stands without the other. A period without revenue is posted, too, so that silence shows.
/// The contract holds nothing and nobody owns it. It serves the MUTs of one DataAuction; who posts for one that is not
/// its business only pays its holders.
interface IUsageLog {
    /// @notice What is closed.
    /// @param size Entries of the log up to the period's end.
    /// @param end Unix seconds; no later entry has an earlier time.
    /// @param revenue Units of the MUT's revenue token that the period pays.
    /// @param root Merkle root over the first `size` entries (RFC 6962 in shape, keccak256).
    /// @param prices keccak256 of the price list in force at the end.
    /// @param entries sha2-256 of the period's own entries, a line each: of the file that auditors ask for.
    struct Period {
        uint64 size;
        uint64 end;
        uint128 revenue;
        bytes32 root;
        bytes32 prices;
        bytes32 entries;
    }

    /// @notice Emitted when a period is closed and paid.
    /// @param number Counted from 0 for each MUT and publisher.
    /// @param accrued What the MUT counted as revenue in this call: that of the period, less what the token took as a
    /// fee, and more where somebody had sent tokens to the MUT before.
    event PeriodClosed(
        address indexed mut,
        address indexed publisher,
        uint256 indexed number,
        Period period,
        uint256 accrued
    );

    /// @notice Thrown when an address is no MUT of the auction contract.
    error NotAMut(address mut);
    /// @notice Thrown when the log has fewer entries than the period before.
    error LogShrank(uint256 before, uint256 size);
    /// @notice Thrown when a log of the same size has another root.
    error LogChanged(bytes32 before, bytes32 root);
    /// @notice Thrown when a period ends before the one before it ended, or in the future.
    error EndInvalid(uint256 before, uint256 end);
    /// @notice Thrown when revenue is paid to a MUT that counts none: it has no holder, now or later.
    error NothingAccrued(address mut);

    /// @notice Close the caller's next period, and pay its revenue to the MUT.
    /// The caller must have allowed this contract to move the revenue.
    function close(address mut, Period calldata period) external returns (uint256 number);

    /// @notice The last period of a publisher, and how many there are.
    function last(
        address mut,
        address publisher
    ) external view returns (uint256 count, uint256 size, uint256 end, bytes32 root);
}
