// What a provider does with one bid. Its secrets stand in a record of the bid book, in the form that `qmia provider`
// reads and writes, so that either can go on where the other stopped.

import { isAddress } from "viem";

import { equal, fromHex, join, keccak, must, random, sha, toHex, uint } from "./bytes.js";
import { sealOf } from "./chain.js";
import { cidOf, digestOf } from "./cid.js";
import * as formats from "./formats.js";
import { once } from "./sent.js";
import { signTyped, typed, xy } from "./typed.js";

const SCHEMA = "qmia/bid/2";
const BYTES = ["salt", "data_key", "sealed_bid", "content_digest", "agreement"];

/** The record of a new bid; nothing of it is on chain before `commit`. In an enrolment there is no price to seal. */
export function record(state, owner, cost, packed) {
  const salt = toHex(state.terms.enrolment ? new Uint8Array(32) : random(32));
  return {
    schema: SCHEMA,
    chain_id: state.chain.id,
    contract: state.where.contract,
    auction: Number(state.id),
    owner,
    payer: owner,
    cost: String(cost),
    salt,
    data_key: toHex(packed.key),
    sealed_bid: sealOf(state.chain, state.id, owner, cost, salt),
    manifest: packed.manifestCid,
    archive: packed.archiveCid,
    content_digest: toHex(packed.contents.content_digest),
    size: packed.contents.size,
    agreement: state.terms.agreement,
    samples: state.terms.scoring.samples,
    index: null,
  };
}

/** A record of a file; throws if the file is something else. */
export function parseRecord(text) {
  const bid = JSON.parse(text);
  must(bid?.schema === SCHEMA, "this file is no record of a bid book");
  must(
    BYTES.every((name) => /^0x[0-9a-f]{64}$/.test(bid[name])),
    "this record of a bid book is damaged",
  );
  must(/^\d+$/.test(bid.cost) && bid.manifest && bid.archive, "this record of a bid book is damaged");
  return bid;
}

/** Throws where cost and salt are not those that were sealed: somebody edited the record, and it opens nothing. */
export function checkSeal(chain, bid) {
  must(isAddress(bid.owner ?? "") && Number.isSafeInteger(bid.auction), "edited");
  must(sealOf(chain, bid.auction, bid.owner, bid.cost, bid.salt) === bid.sealed_bid, "edited");
}

export const fileName = (bid) => `${bid.sealed_bid.slice(2)}.json`;

export const dataSetOf = (bid) => ({
  manifest: toHex(digestOf(bid.manifest)),
  contentDigest: bid.content_digest,
  size: BigInt(bid.size),
  keyCommitment: toHex(keccak(fromHex(bid.data_key))),
});

/** The bid on chain that has a record's seal, or undefined. */
export const onChain = (state, bid) =>
  state.bids.find((each) => each.sealedBid === bid.sealed_bid && each.owner === bid.owner);

/** The call that commits to a record's bid. */
export function commit(state, bid) {
  const args = [state.id, bid.sealed_bid, dataSetOf(bid), bid.agreement];
  return { contract: "DataAuction", functionName: "commit", args, value: state.bond + state.entryFee };
}

/** Keys of all members of both panels, for whom samples are wrapped, or the whole data set where nothing is sampled. */
export async function memberKeys({ chain, terms, created }) {
  const panels = await chain.panels(terms.scoring.operatorSet);
  return chain.keysOf(
    panels.flatMap((panel) => panel.members),
    created,
  );
}

/** Send the commitment of a record, unless it is on chain or on its way. */
export function commitOnce({ chain, wallet }, state, bid, told) {
  const done = async () => Boolean(onChain(await chain.auction(bid.auction), bid));
  const call = commit(state, bid);
  return once(chain, wallet, bid.sealed_bid, done, told, (tell) => wallet.send(chain, call, tell));
}

/**
 * The opening of the pages that were drawn, and the call that records it.
 * @param archive bytes or Blob; @param manifest bytes.
 */
export async function open(state, bid, archive, manifest) {
  const { contents, members } = formats.contentsOf(manifest);
  must(equal(sha(manifest), digestOf(bid.manifest)), "this is not the manifest of this bid");
  must(members.archive === bid.archive, "this is not the archive of this bid");
  const { chain, terms, created, ends } = state;
  const own = onChain(state, bid);
  const key = await chain.randomness(created.block, ends[1]);
  const keys = await memberKeys(state);
  const pages = formats.pagesOf(contents);
  const drawn = formats.draw(key, state.id, own.index, digestOf(bid.manifest), pages, terms.scoring.samples);
  const secret = fromHex(bid.data_key);
  const opening = await formats.open(archive, secret, contents, drawn, keys, state.where, own.index, random(32));
  const args = [state.id, bid.sealed_bid, own.place, toHex(digestOf(await cidOf(opening)))];
  return { opening, drawn, pages, call: { contract: "DataAuction", functionName: "open", args } };
}

export function reveal(state, bid) {
  const args = [state.id, onChain(state, bid).place, BigInt(bid.cost), bid.salt];
  return { contract: "DataAuction", functionName: "reveal", args };
}

/** The call that hands the data key to the buyer; its ephemeral key signs it. */
export async function deliver(state, bid) {
  const { keyX, keyY } = state.created.args;
  const { index, place } = onChain(state, bid);
  const e = formats.secret();
  const sent = formats.deliver(fromHex(bid.data_key), join(fromHex(keyX), fromHex(keyY)), state.where, index, e);
  const delivery = { wrapped: toHex(sent.wrapped), ...xy(sent.point) };
  const message = { auctionId: state.id, index: BigInt(index), ...delivery };
  const signature = await signTyped(uint(e, 32), typed(state.chain, "Exchange", "Delivery", message));
  return { contract: "Exchange", functionName: "deliver", args: [state.id, place, delivery, signature, "0x"] };
}

export function claim(state, bid) {
  return { contract: "DataAuction", functionName: "claim", args: [state.id, onChain(state, bid).place, 7n] };
}

export function reclaim(state, bid) {
  const args = [state.id, bid.sealed_bid, onChain(state, bid).place];
  return { contract: "DataAuction", functionName: "reclaimBond", args };
}

export function withdraw(state, bid) {
  const args = [state.id, bid.sealed_bid, onChain(state, bid).place];
  return { contract: "DataAuction", functionName: "withdrawBid", args };
}

/**
 * What the owner of a bid has to do next.
 * @returns `{step, from, until, loses}`: `step` is what to do or what is waited for; times in seconds or null;
 * `loses` names what is lost if it is not done.
 */
export function next(state, bid, now) {
  const [commitEnd, openStart, openEnd, revealStart, revealEnd, settleEnd, fetchEnd, deliverEnd, disputeEnd] =
    state.ends;
  const own = onChain(state, bid);
  const phase = (step, from, until, loses = "") => {
    if (now < from) return { step: `wait-${step}`, from, until, loses };
    return now < until ? { step, from, until, loses } : null;
  };
  const done = { step: "done", from: null, until: null, loses: "" };
  if (!own)
    return now < commitEnd ? { step: "commit", from: null, until: commitEnd, loses: "" } : { ...done, step: "late" };
  if (own.reclaimed || own.claims?.some((each) => each.bond > 0n)) return done;
  if (state.state === "aborted") return { ...done, step: own.revealed ? "claim" : "reclaim" };
  if (own.withdrawn)
    return now < commitEnd ? { ...done, step: "wait-reclaim", from: commitEnd } : { ...done, step: "reclaim" };
  if (own.struckOut) return { ...done, step: own.refuted ? "refuted" : "struck" };
  if (now < openEnd && state.terms.scoring.samples && !own.opened) return phase("open", openStart, openEnd, "bond");
  if (!own.revealed) {
    const due = phase("reveal", revealStart, revealEnd, "bond");
    return due ?? { ...done, step: "unrevealed" };
  }
  if (state.state === "open") return { ...done, step: "wait-settle", until: settleEnd };
  if (!state.won(own)) return { ...done, step: "claim" };
  if (own.delivered)
    return now < disputeEnd ? { ...done, step: "wait-claim", from: disputeEnd } : { ...done, step: "claim" };
  return phase("deliver", fetchEnd, deliverEnd, "both") ?? { ...done, step: "undelivered" };
}
