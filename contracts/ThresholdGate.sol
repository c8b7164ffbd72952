// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IHonkVerifier, IThresholdGate} from "./interfaces/IThresholdGate.sol";

/// @title ThresholdGate
/// @notice See IThresholdGate.
contract ThresholdGate is IThresholdGate {
    uint256 internal constant PAGE = 16_384;
    uint256 internal constant PART_PAGES = 1_024;
    /// @notice Root of a part without pages, and what hides its sums: Poseidon2, which is not computed here.
    bytes32 internal constant NO_ROOT = 0x2af4030340be05eb6499d571a79801244801ee1984a8563b30335e1b0391d298;
    bytes32 internal constant NO_SUMS = 0x2fffddbf1c3b9599d70a0e05dfe4d8f4adb31be49649e6bcd2cde2befe89a4dd;

    /// @notice Verifiers of the circuits for all of a data set of 64 or 1,024 pages.
    IHonkVerifier public immutable SMALL;
    IHonkVerifier public immutable MEDIUM;
    /// @notice Verifier of the circuit for a part of 1,024 pages.
    IHonkVerifier public immutable PART;
    /// @notice Verifiers of the circuits for the total over 4, 16 or 64 parts.
    IHonkVerifier public immutable FOUR;
    IHonkVerifier public immutable SIXTEEN;
    IHonkVerifier public immutable SIXTY_FOUR;

    mapping(bytes32 dataSet => mapping(bytes32 thresholds => bool)) internal _proved;
    mapping(bytes32 part => bool) internal _partProved;

    constructor(
        IHonkVerifier small,
        IHonkVerifier medium,
        IHonkVerifier part,
        IHonkVerifier four,
        IHonkVerifier sixteen,
        IHonkVerifier sixtyFour
    ) {
        (SMALL, MEDIUM, PART) = (small, medium, part);
        (FOUR, SIXTEEN, SIXTY_FOUR) = (four, sixteen, sixtyFour);
    }

    /// @inheritdoc IThresholdGate
    function provePart(uint256 pages, Part calldata part, bytes calldata proof) external {
        bytes32[] memory inputs = new bytes32[](3);
        (inputs[0], inputs[1], inputs[2]) = (part.root, bytes32(pages), part.sums);
        if (!PART.verify(proof, inputs)) revert ProofInvalid();
        _partProved[_name(pages, part)] = true;
        // slither-disable-next-line reentrancy-events (a static call)
        emit PartProved(part.root, part.sums, pages);
    }

    /// @inheritdoc IThresholdGate
    function prove(
        IDataAuction.DataSet calldata dataSet,
        bytes calldata before,
        bytes32 facts,
        bytes calldata rest,
        Thresholds calldata thresholds,
        Part[] calldata parts,
        bytes calldata proof
    ) external {
        // In canonical JSON these letters, unescaped, can only be the member of this name.
        bytes memory manifest = bytes.concat(
            before,
            // solhint-disable-next-line quotes
            '"facts":"',
            bytes(Strings.toHexString(uint256(facts), 32)),
            // solhint-disable-next-line quotes
            '"',
            rest
        );
        if (sha256(manifest) != dataSet.manifest) revert ManifestDiffers(dataSet.manifest);

        uint256 pages = (uint256(dataSet.size) + PAGE - 1) / PAGE;
        if (pages == 0 || pages > 64 * PART_PAGES) revert PagesInvalid(pages);
        bytes32[] memory inputs =
            pages > PART_PAGES ? _total(pages, facts, thresholds, parts) : _whole(pages, facts, thresholds, parts);
        if (!_verifier(pages).verify(proof, inputs)) revert ProofInvalid();

        bytes32 name = keccak256(abi.encode(dataSet));
        _proved[name][keccak256(abi.encode(thresholds))] = true;
        // slither-disable-next-line reentrancy-events (a static call)
        emit ThresholdsProved(name, facts, thresholds);
    }

    /// @inheritdoc IThresholdGate
    function isProved(bytes32 dataSet, Thresholds calldata thresholds) external view returns (bool) {
        return _proved[dataSet][keccak256(abi.encode(thresholds))];
    }

    /// @inheritdoc IThresholdGate
    function isPartProved(uint256 pages, Part calldata part) external view returns (bool) {
        return _partProved[_name(pages, part)];
    }

    /// @notice Public inputs of the circuit for all of a data set.
    function _whole(
        uint256 pages,
        bytes32 facts,
        Thresholds calldata thresholds,
        Part[] calldata parts
    ) internal pure returns (bytes32[] memory inputs) {
        if (parts.length != 0) revert PartsInvalid(parts.length);
        inputs = new bytes32[](6);
        (inputs[0], inputs[1]) = (facts, bytes32(pages));
        _write(inputs, 2, thresholds);
    }

    /// @notice Public inputs of the circuit for the total over parts, each of which was proved.
    function _total(
        uint256 pages,
        bytes32 facts,
        Thresholds calldata thresholds,
        Part[] calldata parts
    ) internal view returns (bytes32[] memory inputs) {
        if (parts.length != (pages + PART_PAGES - 1) / PART_PAGES) revert PartsInvalid(parts.length);
        uint256 room = _room(pages);
        inputs = new bytes32[](5 + 2 * room);
        inputs[0] = facts;
        _write(inputs, 1, thresholds);
        for (uint256 i = 0; i < room; ++i) {
            bool given = i < parts.length;
            if (given) {
                uint256 rest = pages - i * PART_PAGES;
                if (!_partProved[_name(rest < PART_PAGES ? rest : PART_PAGES, parts[i])]) revert PartNotProved(i);
            }
            inputs[5 + i] = given ? parts[i].root : NO_ROOT;
            inputs[5 + room + i] = given ? parts[i].sums : NO_SUMS;
        }
    }

    function _verifier(uint256 pages) internal view returns (IHonkVerifier) {
        if (pages <= 64) return SMALL;
        if (pages <= PART_PAGES) return MEDIUM;
        uint256 room = _room(pages);
        if (room == 4) return FOUR;
        return room == 16 ? SIXTEEN : SIXTY_FOUR;
    }

    /// @notice Parts that the tree of a data set has room for.
    function _room(uint256 pages) internal pure returns (uint256) {
        if (pages <= 4 * PART_PAGES) return 4;
        return pages <= 16 * PART_PAGES ? 16 : 64;
    }

    function _write(bytes32[] memory inputs, uint256 first, Thresholds calldata thresholds) internal pure {
        inputs[first] = bytes32(uint256(thresholds.minTokens));
        inputs[first + 1] = bytes32(uint256(thresholds.minClean));
        inputs[first + 2] = bytes32(uint256(thresholds.minMetadata));
        inputs[first + 3] = bytes32(uint256(thresholds.maxDuplicates));
    }

    function _name(uint256 pages, Part calldata part) internal pure returns (bytes32) {
        return keccak256(abi.encode(pages, part));
    }
}
