// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Signatures of accounts and of wallets that are contracts
library Signatures {
    /// @notice Whether `owner` signed: with its own key, or as a contract by ERC-1271.
    /// @dev The key comes first, and not only where there is no code: an account may lend itself code (EIP-7702) after it
    /// has signed, and its key acts for it all the same. No key is known for the address of any other contract.
    /// A wallet's own code runs here as a static call; it can only harm the caller who chose to act for it.
    function signedBy(address owner, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        // slither-disable-next-line unused-return (of a malformed signature the signer is 0)
        (address signer, , ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (signer != address(0) && signer == owner) return true;
        return SignatureChecker.isValidERC1271SignatureNowCalldata(owner, digest, signature);
    }
}
