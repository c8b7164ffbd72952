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

    /// @notice Emitted when delivered bids in `[from, to)` are added up for a proposal.
    /// @param proposal keccak256(abi.encode(Proposal)).
    event DstWalked(bytes32 indexed proposal, uint256 from, uint256 to);
    /// @notice Emitted when a proposal is found right: from now on shares can be claimed.
    /// @param floor The floor of the terms, or an equal part of the supply where that is less.
    /// @param issued Sum of all shares.
    event DstVerified(Proposal proposal, uint256 floor, uint256 issued);
    /// @notice Emitted when a provider's share is minted.
    event DstClaimed(uint256 indexed index, address indexed owner, uint256 amount);

    /// @notice Thrown when the caller is not the factory.
    error NotTheFactory(address caller);
    /// @notice Thrown when the terms are not those that the buyer fixed with the auction.
    error TermsDiffer(uint256 auction);
    /// @notice Thrown when some winner has neither delivered nor been struck out, or disputes can still follow.
    error DeliveriesPending();
    /// @notice Thrown when the water level stands already.
    error AlreadyVerified();
    /// @notice Thrown when no water level stands yet.
    error NotVerified();
    /// @notice Thrown when a proposal has a level without denominator, a numerator above 2^88 or no provider.
    error ProposalInvalid();
    /// @notice Thrown when the sums over all delivered bids are not those proposed.
    error SumsDiffer(uint256 volumeSum, uint256 qualitySum, uint256 impactSum, uint256 count);
    /// @notice Thrown when the shares of a proposal do not sum to the supply.
    error LevelWrong(uint256 issued, uint256 supply);
    /// @notice Thrown when a proposal has no bids left to walk.
    error NothingToWalk();
    /// @notice Thrown when owner, payer or data set are not those of the bid.
    error NotTheOwner(uint256 index);
    /// @notice Thrown when a bid has no share, or it was claimed before.
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
