// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice An ERC-1271 wallet that answers as told: with garbage, a revert, too little, or all gas burned.
contract ZooWallet {
    enum Answer {
        Right,
        Garbage,
        Short,
        Revert,
        Burn
    }

    Answer public immutable ANSWER;

    error No();

    constructor(Answer answer) {
        ANSWER = answer;
    }

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        if (ANSWER == Answer.Revert) revert No();
        if (ANSWER == Answer.Burn) {
            assembly {
                invalid()
            }
        }
        bytes32 word = ANSWER == Answer.Right ? bytes32(this.isValidSignature.selector) : bytes32(type(uint256).max);
        uint256 size = ANSWER == Answer.Short ? 4 : 32;
        if (ANSWER == Answer.Short) word = bytes32(this.isValidSignature.selector);
        assembly ("memory-safe") {
            mstore(0, word)
            return(0, size)
        }
    }
}
