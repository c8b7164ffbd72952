// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";

import {Place} from "../types/Bid.sol";
import {IDataAuction} from "./IDataAuction.sol";

/// @title DstToken: participation tokens of one auction (paper §7)
/// @notice One ERC-20 an auction, capped by its supply, issued to the providers who delivered:
/// `clamp(λ · score, floor, cap)` with the λ for which the shares sum to the supply (the water level), rounded by
/// largest remainder, ties to the lower index. λ is found off chain and verified here in one streamed pass.
interface IDstToken is IERC20Metadata {
    /// @notice What is proposed: the sums over all providers who delivered, the water level, and the last provider
    /// that is rounded up (`tieIndex`, 2^32-1 for none) with its remainder.
    /// @param volumeSum Σ volume.
    /// @param qualitySum Σ q, in grid steps.
    /// @param impactSum Σ φ, in grid steps.
    /// @param count Providers who delivered.
    /// @param levelNum Numerator of λ.
    /// @param levelDen Denominator of λ; not 0.
    struct Proposal {
        uint64 volumeSum;
        uint32 qualitySum;
        uint32 impactSum;
        uint32 count;
        uint128 levelNum;
        uint160 levelDen;
        uint256 tieRemainder;
        uint32 tieIndex;
    }

    event DstWalked(bytes32 indexed proposal, uint256 from, uint256 to);
    event DstVerified(Proposal proposal, uint256 floor, uint256 issued);
    event DstClaimed(uint256 indexed index, address indexed owner, uint256 amount);

    error NotTheFactory(address caller);
    error TermsDiffer(uint256 auction);
    error DeliveriesPending();
    error AlreadyVerified();
    error NotVerified();
    error ProposalInvalid();
    error SumsDiffer(uint256 volumeSum, uint256 qualitySum, uint256 impactSum, uint256 count);
    error LevelWrong(uint256 issued, uint256 supply);
    error NothingToWalk();
    error NotTheOwner(uint256 index);
    error NothingToClaim(uint256 index);

    /// @notice Take over the auction's terms; by the factory, once.
    function initialize(IDataAuction.DstTerms calldata terms) external;

    /// @notice Verify up to `count` further bids of a proposal. Progress is kept for each proposal apart.
    /// @return done True when the proposal was the right one and shares can be claimed.
    function verify(Proposal calldata proposal, uint256 count) external returns (bool done);

    /// @notice Mint the share of a bid to its owner; anyone may call.
    function claim(Place calldata place) external returns (uint256 amount);

    /// @notice Share of a delivered bid; 0 for others.
    function shareOf(uint256 index) external view returns (uint256);

    /// @notice The auction this token belongs to.
    function auctionId() external view returns (uint256);
}
