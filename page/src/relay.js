// Bids that somebody else sends: the owner signs, who sends pays the network's fee (and the bond of a commitment, which
// comes back to it). A share is the file of `qmia provider share`.

import { getAddress, isAddress } from "viem";

import * as bids from "./bids.js";
import { must } from "./bytes.js";
import { sealOf } from "./chain.js";
import { typed } from "./typed.js";

const SIGNED = "qmia/signed-commit/1";
const SHARE = "qmia/share/1";
const WORD = /^0x[0-9a-f]{64}$/i;
const BYTES = /^0x([0-9a-f]{2})*$/i;

// WHAT THE OWNER SIGNS

/** A commitment that one payer may send until bids are closed. */
export async function signCommit({ chain, wallet }, state, bid, payer, told) {
  must(isAddress(payer), "address");
  const nonce = await chain.read("DataAuction", "nonces", [bid.owner]);
  const deadline = BigInt(state.ends[0]);
  const dataSet = bids.dataSetOf(bid);
  const message = {
    auctionId: state.id,
    sealedBid: bid.sealed_bid,
    ...dataSet,
    agreement: bid.agreement,
    payer: getAddress(payer),
    nonce,
    deadline,
  };
  const signature = await wallet.sign(chain, typed(chain, "DataAuction", "Commit", message), told);
  return {
    schema: SIGNED,
    chain_id: bid.chain_id,
    contract: bid.contract,
    auction: bid.auction,
    owner: bid.owner,
    payer: getAddress(payer),
    sealed_bid: bid.sealed_bid,
    data_set: { ...dataSet, size: bid.size },
    agreement: bid.agreement,
    deadline: Number(deadline),
    signature,
  };
}

/** What lets another reveal and claim a bid, with what is signed besides. */
export const shareOf = (bid, { opening = null, delivery = null } = {}) => ({
  schema: SHARE,
  chain_id: bid.chain_id,
  contract: bid.contract,
  auction: bid.auction,
  owner: bid.owner,
  cost: bid.cost,
  salt: bid.salt,
  opening,
  delivery,
});

export async function signOpening({ chain, wallet }, state, bid, call, told) {
  const digest = call.args[3];
  const message = { auctionId: state.id, index: BigInt(bids.onChain(state, bid).index), opening: digest };
  return { digest, signature: await wallet.sign(chain, typed(chain, "DataAuction", "Opening", message), told) };
}

export async function signDelivery({ chain, wallet }, state, bid, told) {
  const { args } = await bids.deliver(state, bid);
  const [, place, delivery, ephemeral_signature] = args;
  const message = { auctionId: state.id, index: BigInt(place.index), ...delivery };
  const signature = await wallet.sign(chain, typed(chain, "Exchange", "Delivery", message), told);
  return { ...delivery, ephemeral_signature, signature };
}

// WHAT ANOTHER DOES WITH IT

/** A signed commitment or a share, from a file; throws if it is neither. */
export function parse(text) {
  const file = JSON.parse(text);
  const right =
    isAddress(file?.contract ?? "") &&
    isAddress(file.owner ?? "") &&
    Number.isSafeInteger(file.auction) &&
    (file.schema === SIGNED ? isSigned(file) : file.schema === SHARE && isShare(file));
  must(right, "relay");
  return file;
}

const isSigned = ({ sealed_bid, payer, data_set, agreement, deadline, signature }) =>
  isAddress(payer ?? "") &&
  [sealed_bid, agreement, data_set?.manifest, data_set?.contentDigest, data_set?.keyCommitment].every((each) =>
    WORD.test(each),
  ) &&
  [data_set.size, deadline].every(Number.isSafeInteger) &&
  BYTES.test(signature);

const isShare = ({ cost, salt, opening, delivery }) =>
  /^\d{1,78}$/.test(cost) &&
  WORD.test(salt) &&
  (!opening || (WORD.test(opening.digest) && BYTES.test(opening.signature))) &&
  (!delivery ||
    ([delivery.wrapped, delivery.x, delivery.y].every((each) => WORD.test(each)) &&
      BYTES.test(delivery.ephemeral_signature) &&
      BYTES.test(delivery.signature)));

/** The part of a bid's record that a share has. */
const recordOf = (state, share) => ({
  owner: getAddress(share.owner),
  cost: share.cost,
  salt: share.salt,
  sealed_bid: sealOf(state.chain, state.id, getAddress(share.owner), share.cost, share.salt),
});

/**
 * What a file lets somebody do now.
 * @returns `{step, call, payer}`; `call` is null where there is nothing to send; `payer` only it may.
 */
export function todo(state, file, now) {
  if (file.schema === SIGNED) {
    const bid = { owner: getAddress(file.owner), sealed_bid: file.sealed_bid };
    if (bids.onChain(state, bid)) return { step: "done", call: null };
    if (now >= file.deadline) return { step: "late", call: null };
    const dataSet = { ...file.data_set, size: BigInt(file.data_set.size) };
    const args = [state.id, file.sealed_bid, dataSet, file.agreement, bid.owner, BigInt(file.deadline), file.signature];
    const call = { contract: "DataAuction", functionName: "commitFor", args, value: state.bond + state.entryFee };
    return { step: "commit", call, payer: getAddress(file.payer) };
  }
  const bid = recordOf(state, file);
  const own = bids.onChain(state, bid);
  must(own, "relay");
  const { step } = bids.next(state, bid, now);
  const { opening, delivery } = file;
  const args = [state.id, own.place];
  if (step === "open" && opening) {
    const all = [state.id, bid.sealed_bid, own.place, opening.digest, opening.signature];
    return { step, call: { contract: "DataAuction", functionName: "openFor", args: all } };
  }
  if (step === "reveal") return { step, call: bids.reveal(state, bid) };
  if (step === "deliver" && delivery) {
    const { wrapped, x, y, ephemeral_signature, signature } = delivery;
    args.push({ wrapped, x, y }, ephemeral_signature, signature);
    return { step, call: { contract: "Exchange", functionName: "deliver", args } };
  }
  if (step === "claim") return { step, call: bids.claim(state, bid) };
  return { step, call: null };
}
