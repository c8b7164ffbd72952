// Typed data (EIP-712): what wallets sign, and keys that this page holds itself: the buyer's, and those of deliveries.

import { privateKeyToAccount } from "viem/accounts";

import { toHex } from "./bytes.js";

/** A public key, or a point, as its two words. */
export const xy = (key) => ({ x: toHex(key.subarray(0, 32)), y: toHex(key.subarray(32)) });

/** Fields of each message, `[name, type]`, in the order of the contracts. */
const FIELDS = {
  EncryptionKey: [
    ["owner", "address"],
    ["x", "bytes32"],
    ["y", "bytes32"],
  ],
  Commit: [
    ["auctionId", "uint256"],
    ["sealedBid", "bytes32"],
    ["manifest", "bytes32"],
    ["contentDigest", "bytes32"],
    ["size", "uint64"],
    ["keyCommitment", "bytes32"],
    ["agreement", "bytes32"],
    ["payer", "address"],
    ["nonce", "uint256"],
    ["deadline", "uint256"],
  ],
  Opening: [
    ["auctionId", "uint256"],
    ["index", "uint256"],
    ["opening", "bytes32"],
  ],
  Delivery: [
    ["auctionId", "uint256"],
    ["index", "uint256"],
    ["wrapped", "bytes32"],
    ["x", "bytes32"],
    ["y", "bytes32"],
  ],
};

/** A message for one contract, as viem and wallets take it. */
export function typed(chain, contract, primaryType, message) {
  return {
    domain: {
      name: `Q-MIA ${contract}`,
      version: "1",
      chainId: chain.id,
      verifyingContract: chain.address(contract),
    },
    primaryType,
    types: { [primaryType]: FIELDS[primaryType].map(([name, type]) => ({ name, type })) },
    message,
  };
}

/** The signature of a message by a key that this page holds. */
export const signTyped = (secret, message) => privateKeyToAccount(toHex(secret)).signTypedData(message);
