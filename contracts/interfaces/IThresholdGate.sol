// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDataAuction} from "./IDataAuction.sol";

/// @title IThresholdGate
/// @notice Checks zero-knowledge proofs that all pages of a committed data set meet thresholds, and remembers them.
/// It is beside the auction: nothing there asks for it, and whoever wants a proof on chain pays for it. What is proved is
/// a sum of numbers that the manifest commits to; that they are those of the text is found by the operators' sample.
/// A data set of up to 1,024 pages takes one proof. Of a larger one each part of 1,024 pages is proved first, in calls
/// of their own, and then the total over the parts. Nobody owns it, and it holds nothing.
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

    /// @notice What is shown of a part of a large data set.
    /// @param root Root over the leaves of its pages.
    /// @param sums What hides the sums over its pages, and can be opened to no others.
    struct Part {
        bytes32 root;
        bytes32 sums;
    }

    /// @notice Emitted when the proof of a part holds.
    event PartProved(bytes32 indexed root, bytes32 indexed sums, uint256 pages);

    /// @notice Emitted when a proof holds.
    /// @param dataSet keccak256(abi.encode(DataSet)), as in the places of the auction.
    event ThresholdsProved(bytes32 indexed dataSet, bytes32 indexed facts, Thresholds thresholds);

    /// @notice Thrown when a data set has no pages, or more than the largest circuit takes.
    error PagesInvalid(uint256 pages);
    /// @notice Thrown when there are not as many parts as a data set of this size has.
    error PartsInvalid(uint256 count);
    /// @notice Thrown when the proof of a part was not given before.
    error PartNotProved(uint256 index);
    /// @notice Thrown when what is given of the manifest is not that of the data set, with this root in it.
    error ManifestDiffers(bytes32 manifest);
    /// @notice Thrown when the proof is not one of these thresholds.
    error ProofInvalid();

    /// @notice Check the proof of a part and remember it.
    /// @param pages Of the part: 1,024, or fewer in the last one of a data set.
    function provePart(uint256 pages, Part calldata part, bytes calldata proof) external;

    /// @notice Check a proof and remember its thresholds.
    /// @param dataSet As it was committed.
    /// @param before The manifest up to the member `facts`.
    /// @param facts Root of the facts, as that member has it.
    /// @param rest The manifest behind that member.
    /// @param parts All of a data set of more than 1,024 pages, each of them proved; else none.
    function prove(
        IDataAuction.DataSet calldata dataSet,
        bytes calldata before,
        bytes32 facts,
        bytes calldata rest,
        Thresholds calldata thresholds,
        Part[] calldata parts,
        bytes calldata proof
    ) external;

    /// @notice Whether a part with so many pages was proved.
    function isPartProved(uint256 pages, Part calldata part) external view returns (bool);

    /// @notice Whether a data set, named as in a place of the auction, was proved to meet exactly these thresholds.
    function isProved(bytes32 dataSet, Thresholds calldata thresholds) external view returns (bool);
}

/// @title IHonkVerifier: what `bb write_solidity_verifier` generates for one circuit
interface IHonkVerifier {
    /// @notice Whether a proof holds; the generated contracts revert instead of answering no.
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool);
}
