// A provider and a buyer on a node, with the page's own modules; nothing of the project's Python is used. Does what a
// JSON object on standard input asks for, and prints the answer. Bytes are hexadecimal.

import { readFileSync, writeFileSync } from "node:fs";
import { join as path } from "node:path";

import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import * as archives from "../../page/src/archive.js";
import * as bids from "../../page/src/bids.js";
import { fromHex, join } from "../../page/src/bytes.js";
import { ABI, Chain } from "../../page/src/chain.js";
import { cidOf } from "../../page/src/cid.js";
import { encode } from "../../page/src/documents.js";
import * as formats from "../../page/src/formats.js";
import * as purchase from "../../page/src/purchase.js";

const ask = JSON.parse(readFileSync(0, "utf8"));
const transport = http(ask.url);
const chain = new Chain(transport, ask.deployment);
await chain.check();
const account = privateKeyToAccount(ask.account);
const wallet = createWalletClient({ account, transport });
let state = await chain.auction(ask.id);

async function send({ contract, functionName, args, value }) {
  const address = chain.address(contract);
  const hash = await wallet.writeContract({ address, abi: ABI[contract], functionName, args, value, chain: null });
  const receipt = await chain.client.waitForTransactionReceipt({ hash, pollingInterval: 20 });
  if (receipt.status !== "success") throw new Error("the transaction was reverted");
}

// FILES, found by their CID in one folder

async function publish(data) {
  const name = await cidOf(data);
  writeFileSync(path(ask.files, name), data);
  return name;
}
async function fetched(name) {
  const data = new Uint8Array(readFileSync(path(ask.files, name)));
  if ((await cidOf(data)) !== name) throw new Error(`${name} is another file`);
  return data;
}

// PROVIDER: its secrets stand in `ask.bid`, a record of a bid book

const kept = () => bids.parseRecord(readFileSync(ask.bid, "utf8"));

async function commit() {
  const key = crypto.getRandomValues(new Uint8Array(32));
  const parts = [];
  const packer = new archives.Packer(key, (part) => parts.push(part));
  for (const each of ask.documents) packer.add(encode(each));
  const contents = packer.finish();
  const archive = join(...parts);
  if (ask.spoil) archive[20] ^= 1; // A page that is not what the manifest commits to.
  const archiveCid = await publish(archive);
  const manifest = formats.manifestOf(contents, archiveCid, state.where, account.address, key);
  const packed = { key, contents, archiveCid, manifestCid: await publish(manifest) };
  const bid = bids.record(state, account.address, ask.cost, packed);
  writeFileSync(ask.bid, JSON.stringify(bid)); // What opens it is on disk before anything is sent.
  await send(bids.commit(state, bid));
  state = await chain.auction(ask.id);
  return { index: bids.onChain(state, bid).index };
}

async function open() {
  const bid = kept();
  const [archive, manifest] = [await fetched(bid.archive), await fetched(bid.manifest)];
  if (ask.spoil) archive[20] ^= 1; // Only who mends it again can open it.
  const { opening, drawn, call } = await bids.open(state, bid, archive, manifest);
  const name = await publish(opening);
  await send(call);
  return { opening: name, drawn };
}

// BUYER

async function receive() {
  const secret = fromHex(ask.secret);
  const own = state.bids[ask.index];
  const { key, right } = purchase.keyOf(state, own, secret);
  if (!right) {
    await send(purchase.refute(state, own, secret));
    return { action: "refuted" };
  }
  const manifest = await fetched(purchase.manifestCid(own));
  const { contents, archive: name } = await purchase.manifestOf(state, own, manifest);
  const archive = await fetched(name);
  const wrong = await formats.wrongPages(archive, key, contents);
  if (!wrong.length) return { documents: await archives.unpack(archive, key, contents) };
  const { complaint, call } = await purchase.complain(state, own, key, wrong);
  const published = await publish(complaint);
  await send(call);
  return { action: "complained", complaint: published };
}

const doing = {
  commit,
  open,
  receive,
  reveal: () => send(bids.reveal(state, kept())),
  deliver: async () => send(await bids.deliver(state, kept())),
  claim: () => send(bids.claim(state, kept())),
};
process.stdout.write(JSON.stringify((await doing[ask.op]()) ?? null));
