// Typed data (EIP-712) signed by keys that this page holds itself: the buyer's, and those of single deliveries.

import { privateKeyToAccount } from "viem/accounts";

import { toHex } from "./bytes.js";

/** A public key, or a point, as its two words. */
export const xy = (key) => ({ x: toHex(key.subarray(0, 32)), y: toHex(key.subarray(32)) });

/**
 * The signature of a message for one contract.
 * @param fields `[name, type]`, in the order of the type.
 */
export function signTyped(chain, contract, secret, primaryType, fields, message) {
  return privateKeyToAccount(toHex(secret)).signTypedData({
    domain: {
      name: `Q-MIA ${contract}`,
      version: "1",
      chainId: chain.id,
      verifyingContract: chain.address(contract),
    },
    primaryType,
    types: { [primaryType]: fields.map(([name, type]) => ({ name, type })) },
    message,
  });
}
