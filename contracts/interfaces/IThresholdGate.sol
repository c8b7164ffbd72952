// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDataAuction} from "./IDataAuction.sol";

/// @title IThresholdGate
/// @notice Checks zero-knowledge proofs that all pages of a committed data set meet thresholds, and remembers them.
/// It is beside the auction: nothing there asks for it, and whoever wants a proof on chain pays for it. What is proved is
/// a sum of numbers that the manifest commits to; that they are those of the text is found by the operators' sample.
/// Nobody owns it, and it holds nothing.
interface IThresholdGate {
    /// @notice What all pages of a data set together meet. Shares are in 1e-4.
    /// @param minTokens Least usable tokens.
    /// @param minClean Least share of letters that is not lost to errors.
    /// @param minMetadata Least share of the required metadata fields that is valid.
    /// @param maxDuplicates Greatest share of text that repeats other text of its page.
    struct Thresholds {
        uint40 minTokens;
        uint16 minClean;
        uint16 minMetadata;
        uint16 maxDuplicates;
    }

    /// @notice Emitted when a proof holds.
    /// @param dataSet keccak256(abi.encode(DataSet)), as in the places of the auction.
    event ThresholdsProved(bytes32 indexed dataSet, bytes32 indexed facts, Thresholds thresholds);

    /// @notice Thrown when a data set has no pages, or more than the largest circuit takes.
    error PagesInvalid(uint256 pages);
    /// @notice Thrown when the parts are not the manifest of the data set with this root in it.
    error ManifestDiffers(bytes32 manifest);
    /// @notice Thrown when the proof is not one of these thresholds.
    error ProofInvalid();

    /// @notice Check a proof and remember its thresholds.
    /// @param dataSet As it was committed.
    /// @param before The manifest up to the member `facts`.
    /// @param facts Root of the facts, as that member has it.
    /// @param rest The manifest behind that member.
    function prove(
        IDataAuction.DataSet calldata dataSet,
        bytes calldata before,
        bytes32 facts,
        bytes calldata rest,
        Thresholds calldata thresholds,
        bytes calldata proof
    ) external;

    /// @notice Whether a data set, named as in a place of the auction, was proved to meet exactly these thresholds.
    function isProved(bytes32 dataSet, Thresholds calldata thresholds) external view returns (bool);
}

/// @title IHonkVerifier: what `bb write_solidity_verifier` generates for one circuit
interface IHonkVerifier {
    /// @notice Whether a proof holds; the generated contracts revert instead of answering no.
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool);
}
