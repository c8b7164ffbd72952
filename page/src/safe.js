// Transactions as a file for Safe's Transaction Builder: whoever owns the Safe drops it there and signs as usual.

import { encodeFunctionData, keccak256, stringToHex } from "viem";

import { ABI } from "./chain.js";

/** A call as any wallet sends it: target, value in wei and data. */
export function transaction(chain, call) {
  const { contract, address = chain.address(contract), abi = ABI[contract], functionName, args, value = 0n } = call;
  return { to: address, value, data: encodeFunctionData({ abi, functionName, args }) };
}

// The builder hashes the file in a form of its own, and warns where the hash is missing or another one: an object is
// its sorted names as a JSON array, then the values, each with a comma behind it, all of it in braces.
function form(value) {
  if (Array.isArray(value)) return `[${value.map(form).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${JSON.stringify(names)}${names.map((name) => `${form(value[name])},`).join("")}}`;
}

/**
 * @param safe address of the Safe; @param calls what it shall send, in order, in one batch.
 * @param at milliseconds, when the file was made.
 */
export function batch(chain, safe, calls, name, at) {
  const file = {
    version: "1.0",
    chainId: String(chain.id),
    createdAt: at,
    meta: {
      name,
      description: "",
      txBuilderVersion: "1.18.0",
      createdFromSafeAddress: safe,
      createdFromOwnerAddress: "",
    },
    transactions: calls.map((call) => {
      const { to, value, data } = transaction(chain, call);
      return { to, value: String(value), data, contractMethod: null, contractInputsValues: null };
    }),
  };
  const checksum = keccak256(stringToHex(form({ ...file, meta: { ...file.meta, name: null } })));
  return JSON.stringify({ ...file, meta: { ...file.meta, checksum } }, null, 2);
}
