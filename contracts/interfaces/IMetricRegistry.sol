// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DstFactory} from "../DstFactory.sol";

/// @title IMetricRegistry
/// @notice Where metric versions are proposed, and where holders of participation tokens object to them.
/// A version is the SHA-256 of its document, which stands in the log. Silence accepts: whoever does not like a version
/// locks tokens and names it before its window closes. What the locked tokens weigh is computed from the logs of the
/// auctions by everybody alike (docs/mechanism.md); this contract only keeps them, so that no token is in two hands at
/// once and none can be lent for a moment. Nobody owns it, it stops no auction, and it pays nobody.
interface IMetricRegistry {
    /// @notice Emitted when a version is proposed.
    /// @param closes When objections end, unless late ones extend it; unix seconds.
    /// @param latest When they end at the latest.
    event Proposed(bytes32 indexed version, address indexed proposer, uint256 closes, uint256 latest, bytes document);
    /// @notice Emitted when a holder objects; `amount` is all that it has locked of the token.
    event Objected(bytes32 indexed version, address indexed token, address indexed holder, uint256 amount);
    /// @notice Emitted when a late objection gives others time to follow or to answer.
    event Extended(bytes32 indexed version, uint256 closes);
    /// @notice Emitted when tokens are locked.
    event Locked(address indexed token, address indexed holder, uint256 amount);
    /// @notice Emitted when locked tokens go back to their holder.
    event Released(address indexed token, address indexed holder, uint256 amount);
    /// @notice Emitted when the bond of a proposal goes back to its proposer.
    event BondReturned(bytes32 indexed version, address indexed proposer, uint256 amount);

    /// @notice Thrown when the window or the floor is 0, or the share is not within 1 and 10,000.
    error RulesInvalid(uint256 window, uint256 floor, uint256 share);
    /// @notice Thrown when a document is empty or longer than `MAX_DOCUMENT`.
    error DocumentInvalid(uint256 size);
    /// @notice Thrown when a version was proposed before.
    error AlreadyProposed(bytes32 version);
    /// @notice Thrown when the value sent is not the bond.
    error BondWrong(uint256 sent, uint256 bond);
    /// @notice Thrown when nobody proposed a version.
    error NotProposed(bytes32 version);
    /// @notice Thrown when objections have ended.
    error Closed(bytes32 version, uint256 closes);
    /// @notice Thrown when something must wait for the end of a window.
    error TooEarly(uint256 until);
    /// @notice Thrown when a token is not the participation token of an auction of `FACTORY`.
    error NotAParticipationToken(address token);
    /// @notice Thrown when the sender has nothing locked, or nothing that is not counted already.
    error NothingLocked(address token);
    /// @notice Thrown when the bond was returned, or the proposer does not take it.
    error BondGone(bytes32 version);

    /// @notice Propose the version that `document` is of, with the bond; it comes back after the window.
    function propose(bytes calldata document) external payable returns (bytes32 version);

    /// @notice Lock participation tokens; each may then object to any number of versions.
    function lock(address token, uint256 amount) external;

    /// @notice Object to a version with all that the sender has locked of a token. It stays locked until the version
    /// can no longer be extended.
    function object(bytes32 version, address token) external;

    /// @notice Take back all that the sender has locked of a token, once nothing it objected to can be open.
    function release(address token) external;

    /// @notice Give the bond of a version back to its proposer, once objections have ended.
    function returnBond(bytes32 version) external;

    /// @notice When objections to a version end; 0 if nobody proposed it.
    function closesAt(bytes32 version) external view returns (uint256);

    /// @notice What a holder has locked of a token, and until when.
    function lockOf(address holder, address token) external view returns (uint256 amount, uint256 until);

    /// @notice What a holder objects to a version with, of a token.
    function objectionOf(bytes32 version, address token, address holder) external view returns (uint256);

    /// @notice Factory whose tokens count.
    function FACTORY() external view returns (DstFactory);

    /// @notice Settlement token in which payouts count.
    function PAYOUT_TOKEN() external view returns (address);

    /// @notice Least cash payout of an auction that counts, in units of the settlement token.
    function FLOOR() external view returns (uint256);

    /// @notice Part of the last year's payouts, in 1e-4, from which objections are a veto.
    function SHARE() external view returns (uint256);

    /// @notice Time for objections, seconds.
    function WINDOW() external view returns (uint256);

    /// @notice Bond of a proposal, wei.
    function BOND() external view returns (uint256);

    /// @notice Version that is accepted from the start.
    function GENESIS() external view returns (bytes32);
}
