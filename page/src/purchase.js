// What a buyer, or anybody who settles, does with one auction: calls, keys, and what was delivered.

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { decodeEventLog, erc20Abi } from "viem";

import { equal, fromHex, join, keccak, must, number, random, sha, toHex } from "./bytes.js";
import { ABI } from "./chain.js";
import { cidOf, rawCid } from "./cid.js";
import * as clock from "./clock.js";
import * as formats from "./formats.js";
import { once } from "./sent.js";
import { signTyped, typed, xy } from "./typed.js";

const GWEI = 10n ** 9n;
const WALK = 2000n;

// KEY: the file is that of `qmia buyer keygen`, 32 bytes in hexadecimal

export const newKey = () => {
  for (;;) {
    const secret = random(32);
    if (secp256k1.utils.isValidSecretKey(secret)) return secret;
  }
};
export const keyFile = (secret) => `${toHex(secret).slice(2)}\n`;

/** The secret in a key file; throws if it holds none. */
export function parseKey(text) {
  const digits = text.trim().replace(/^0x/, "");
  must(/^[0-9a-f]{64}$/i.test(digits), "key:form");
  const secret = fromHex(digits);
  must(secp256k1.utils.isValidSecretKey(secret), "key:form");
  return secret;
}

const publicOf = (secret) => secp256k1.getPublicKey(secret, false).subarray(1);

/** Whether a secret is that of the key under which an auction was created. */
export function isKeyOf(state, secret) {
  const { keyX, keyY } = state.created.args;
  return equal(publicOf(secret), join(fromHex(keyX), fromHex(keyY)));
}

// CREATE

/** The call that creates an auction; the key signs that `owner` holds it. */
export async function create(chain, terms, secret, owner, bounty) {
  const words = xy(publicOf(secret));
  const signature = await signTyped(secret, typed(chain, "DataAuction", "EncryptionKey", { owner, ...words }));
  const args = [terms, { ...words, signature }];
  const value = BigInt(terms.scoring.feeGwei) * GWEI + bounty;
  return { contract: "DataAuction", functionName: "create", args, value };
}

/** The calls that let a contract take an amount of a token from the wallet; none where it may already. */
async function allowing({ chain, wallet }, token, spender, amount) {
  const ask = (functionName, ...args) =>
    chain.client.readContract({ address: token, abi: erc20Abi, functionName, args });
  must((await ask("balanceOf", wallet.account)) >= amount, "balance");
  const allowed = await ask("allowance", wallet.account, spender);
  if (allowed >= amount) return [];
  // Some tokens refuse to change an allowance that is not zero.
  const steps = allowed ? [0n, amount] : [amount];
  return steps.map((sum) => ({ address: token, abi: erc20Abi, functionName: "approve", args: [spender, sum] }));
}

/**
 * A call that takes tokens, with the approval that it needs; not twice, whatever happens to the page in between.
 * @param check is awaited before the wallet is asked for anything.
 */
export async function payOnce(app, name, token, amount, call, told, check = async () => {}) {
  const { chain, wallet } = app;
  const address = call.address ?? chain.address(call.contract);
  const plain = (_, value) => (typeof value === "bigint" ? String(value) : value);
  const what = JSON.stringify([wallet.account, address, call.functionName, call.args[0]], plain);
  const key = `${name}.${toHex(keccak(what)).slice(0, 18)}`;
  const never = async () => false;
  return once(chain, wallet, key, never, told, async (tell) => {
    await check();
    const before = await allowing(app, token, address, amount);
    return wallet.sendAll(chain, [...before, call], tell);
  });
}

/** What a transaction that created an auction says of it: its number, and its key. */
export function createdIn(chain, receipt) {
  for (const log of receipt.logs) {
    if (log.address.toLowerCase() !== chain.address("DataAuction").toLowerCase()) continue;
    const { eventName, args } = decodeEventLog({ abi: ABI.DataAuction, data: log.data, topics: log.topics });
    if (eventName === "AuctionCreated") return args;
  }
  throw new Error("reverted");
}

// SETTLE AND AFTERWARDS

/** All bids that take part in a clock. */
export const entered = (state) =>
  state.bids
    .filter((bid) => bid.revealed && bid.revealed.weight > 0n)
    .map(({ index, revealed: { cost, weight, flagged } }) => ({ index, cost, weight, flagged }));

/** What the clock says about an auction, computed here. */
export const outcomeOf = (state) => clock.run(entered(state), state.created.args.beta, state.terms.tranche);

export function settle(state) {
  const args = [state.id, outcomeOf(state).marginals, WALK];
  return { contract: "DataAuction", functionName: "settle", args };
}

export const winners = (state) => state.bids.filter((bid) => state.won(bid));
export const silent = (state) => winners(state).filter((bid) => !bid.delivered && !bid.struckOut);

const plain = (functionName, ...args) => ({ contract: "DataAuction", functionName, args });
export const forfeit = (state, index) => plain("forfeit", state.id, BigInt(index));
export const refund = (state, to) => plain("withdrawRefund", state.id, to);
export const abort = (state) => plain("abort", state.id);
export const bounty = (state) => plain("claimBounty", state.id);

export function nameMissing(state, indices) {
  const value = BigInt(state.terms.scoring.fetchFeeGwei) * GWEI * BigInt(indices.length);
  return { contract: "Exchange", functionName: "nameMissing", args: [state.id, indices], value };
}

// RECEIVE

export const manifestCid = (bid) => rawCid(fromHex(bid.dataSet.manifest));

/** The manifest of a bid, checked against what was committed. */
export async function manifestOf(state, bid, bytes) {
  must((await cidOf(bytes)) === manifestCid(bid), "manifest");
  const { contents, members } = formats.contentsOf(bytes);
  const { dataSet } = bid;
  must(
    equal(contents.content_digest, fromHex(dataSet.contentDigest)) &&
      equal(contents.key_commitment, fromHex(dataSet.keyCommitment)) &&
      BigInt(contents.size) === dataSet.size &&
      members.provider === bid.owner.toLowerCase(),
    "manifest",
  );
  return { contents, archive: members.archive };
}

const point = ({ x, y }) => join(fromHex(x), fromHex(y));

/** The data key that a winner handed over, and whether it is the one committed to. */
export function keyOf(state, bid, secret) {
  const wrapped = fromHex(bid.delivered.wrapped);
  const key = formats.receive({ wrapped, point: point(bid.delivered) }, secret, state.where, bid.index);
  return { key, right: equal(keccak(key), fromHex(bid.dataSet.keyCommitment)) };
}

/** The call that proves a wrong key. */
export function refute(state, bid, secret) {
  const proof = formats.prove(point(bid.delivered), secret, state.where, bid.index);
  const { keyX, keyY } = state.created.args;
  const words = { x: number(fromHex(keyX)), y: number(fromHex(keyY)) };
  const args = [state.id, bid.place, bid.dataSet, bid.delivered, words, proof];
  return { contract: "Exchange", functionName: "refute", args };
}

/** The complaint about pages that do not open though the key is right, and the call that records it. */
export async function complain(state, bid, key, wrong) {
  const panels = await state.chain.panels(state.terms.scoring.operatorSet);
  const keys = await state.chain.keysOf(panels[Number(state.scores.round) - 1].members, state.created);
  const complaint = formats.complaint(wrong, key, keys, state.where, bid.index);
  const value = GWEI * BigInt(state.terms.scoring.fetchFeeGwei);
  const args = [state.id, bid.index, toHex(sha(complaint))];
  return { complaint, call: { contract: "Exchange", functionName: "complain", args, value } };
}
