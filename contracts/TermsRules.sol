// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {Weights} from "./libraries/Weights.sol";

/// @title TermsRules
/// @notice Which terms an auction may have. Apart from DataAuction, whose code would be too large with it; deployed by
/// it, holds no money and nothing that changes.
contract TermsRules {
    uint256 public constant MAX_PHASE = 30 days;
    uint256 public constant MAX_LENGTH = 90 days;
    uint256 public constant MAX_SAMPLES = 2048;
    /// @notice With more, a challenge might not be decided, nor a whole vector published, in one transaction (EIP-7825).
    uint256 public constant MAX_BIDS = 10_000;

    uint256 internal constant PPB = 1e9;
    uint256 internal constant MAX_WEIGHT = 1 << 63;

    /// @notice Seconds from the end of the commitments to the draw of the samples.
    uint256 public immutable DRAW;
    uint256 public immutable LEAST_PROVIDER_WINDOW;
    uint256 public immutable LEAST_OPERATOR_WINDOW;

    constructor(uint256 draw, uint256 leastProviderWindow, uint256 leastOperatorWindow) {
        // A window of 0 seconds would be over before it began; longer ones than a phase may be would allow no terms.
        if (
            leastProviderWindow == 0 ||
            leastOperatorWindow == 0 ||
            leastProviderWindow > MAX_PHASE ||
            leastOperatorWindow > MAX_PHASE / 2
        ) revert IDataAuction.LeastWindowsInvalid(leastProviderWindow, leastOperatorWindow);
        DRAW = draw;
        LEAST_PROVIDER_WINDOW = leastProviderWindow;
        LEAST_OPERATOR_WINDOW = leastOperatorWindow;
    }

    /// @notice Revert with the error of the first rule that is broken; the oracle has its own rules for its windows.
    /// @param value Wei sent by the buyer: the fee and the bounty.
    /// @return beta Budget of the clock: min(B / ρ, U / (1-ρ)), a term with a zero denominator dropped.
    /// @return reserve Part of it that is kept for flagged bids first.
    /// @return bounty What is left of the value once the fee is paid.
    function check(
        IDataAuction.Terms calldata terms,
        uint256 value
    ) external view returns (uint256 beta, uint256 reserve, uint256 bounty) {
        if (terms.rho > PPB) revert IDataAuction.RhoTooLarge(terms.rho);
        if (terms.tranche > PPB) revert IDataAuction.TrancheTooLarge(terms.tranche);
        if (terms.maxBids == 0 || terms.maxBids > MAX_BIDS) revert IDataAuction.MaxBidsInvalid(terms.maxBids);
        if (terms.scoring.samples > MAX_SAMPLES) revert IDataAuction.TooManySamples(terms.scoring.samples);
        if (value > type(uint96).max) revert IDataAuction.BountyTooLarge(value);
        uint256 fee = uint256(terms.scoring.feeGwei) * 1 gwei;
        if (value < fee) revert IDataAuction.FeeMissing(value, fee);
        bounty = value - fee;
        if (terms.token.code.length == 0) revert IDataAuction.TokenWithoutCode(terms.token);

        beta = type(uint256).max;
        if (terms.rho != 0) beta = (uint256(terms.budget) * PPB) / terms.rho;
        if (terms.rho != PPB) {
            uint256 other = (uint256(terms.pool) * PPB) / (PPB - terms.rho);
            if (other < beta) beta = other;
        }
        if (beta == 0 || beta > type(uint80).max) revert IDataAuction.BudgetOutOfRange(beta);
        reserve = (beta * terms.tranche) / PPB;

        uint256 top = Weights.weight(terms.weights, Weights.MAX_SCORE, Weights.MAX_SCORE);
        if (top > MAX_WEIGHT) revert IDataAuction.WeightsTooLarge(top);
        _checkPhases(terms.durations, terms.scoring.samples != 0);
        IDataAuction.DstTerms calldata dst = terms.dst;
        if (
            dst.supply != 0 &&
            (dst.cap < dst.floor ||
                dst.cap == 0 ||
                dst.supply > type(uint88).max ||
                dst.cap > type(uint88).max ||
                uint256(dst.volumeWeight) + dst.qualityWeight + dst.impactWeight != PPB)
        ) revert IDataAuction.DstTermsInvalid();
    }

    function _checkPhases(IDataAuction.Durations calldata d, bool sampled) internal view {
        _check(d.commit, LEAST_PROVIDER_WINDOW, MAX_PHASE);
        if (sampled) _check(d.open, LEAST_PROVIDER_WINDOW, MAX_PHASE);
        else _check(d.open, 0, 0);
        _check(d.reveal, LEAST_PROVIDER_WINDOW, MAX_PHASE);
        _check(d.settle, LEAST_OPERATOR_WINDOW, MAX_PHASE);
        _check(d.fetch, 2 * LEAST_OPERATOR_WINDOW, MAX_PHASE);
        _check(d.deliver, LEAST_PROVIDER_WINDOW, MAX_PHASE);
        _check(d.dispute, 2 * LEAST_OPERATOR_WINDOW, MAX_PHASE);

        // The oracle refuses a challenge window without an appeal, and an appeal without one.
        uint256 round = uint256(d.scoreCommit) + d.scoreOpen + d.scorePost;
        uint256 scores = d.challenge == 0 ? round : 2 * round + d.challenge;
        uint256 length = uint256(d.commit) + DRAW + d.open + d.roll + scores;
        length += uint256(d.reveal) + d.settle + d.fetch + d.deliver + d.dispute;
        if (length > MAX_LENGTH) revert IDataAuction.AuctionTooLong(length, MAX_LENGTH);
    }

    function _check(uint256 length, uint256 least, uint256 most) internal pure {
        if (length < least || length > most) revert IDataAuction.PhaseOutOfBounds(length, least, most);
    }
}
