// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

import {IDataAuction} from "./interfaces/IDataAuction.sol";
import {IHonkVerifier, IThresholdGate} from "./interfaces/IThresholdGate.sol";

/// @title ThresholdGate
/// @notice See IThresholdGate.
contract ThresholdGate is IThresholdGate {
    uint256 internal constant PAGE = 16_384;

    /// @notice Verifiers of the circuits for 64, 1,024, 4,096 and 16,384 pages.
    IHonkVerifier public immutable SMALL;
    IHonkVerifier public immutable MEDIUM;
    IHonkVerifier public immutable LARGE;
    IHonkVerifier public immutable HUGE;

    mapping(bytes32 dataSet => mapping(bytes32 thresholds => bool)) internal _proved;

    constructor(IHonkVerifier small, IHonkVerifier medium, IHonkVerifier large, IHonkVerifier huge) {
        (SMALL, MEDIUM, LARGE, HUGE) = (small, medium, large, huge);
    }

    /// @inheritdoc IThresholdGate
    function prove(
        IDataAuction.DataSet calldata dataSet,
        bytes calldata before,
        bytes32 facts,
        bytes calldata rest,
        Thresholds calldata thresholds,
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
        bytes32[] memory inputs = new bytes32[](6);
        inputs[0] = facts;
        inputs[1] = bytes32(pages);
        inputs[2] = bytes32(uint256(thresholds.minTokens));
        inputs[3] = bytes32(uint256(thresholds.minClean));
        inputs[4] = bytes32(uint256(thresholds.minMetadata));
        inputs[5] = bytes32(uint256(thresholds.maxDuplicates));
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

    function _verifier(uint256 pages) internal view returns (IHonkVerifier) {
        if (pages == 0 || pages > 16_384) revert PagesInvalid(pages);
        if (pages <= 64) return SMALL;
        if (pages <= 1_024) return MEDIUM;
        return pages <= 4_096 ? LARGE : HUGE;
    }
}
