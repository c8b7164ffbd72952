// A provider and a buyer on a node, with viem and the formats of formats.mjs; nothing of the project's Python is used.
// Does what a JSON object on standard input asks for, and prints the answer. Bytes are hexadecimal.

import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import {
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeAbiParameters,
  getContract,
  http,
  keccak256,
  toHex,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";

import * as formats from "./formats.mjs";

const ask = JSON.parse(readFileSync(0, "utf8"));
const id = BigInt(ask.id);
const transport = http(ask.url);
const client = createPublicClient({ transport, pollingInterval: 20 });
const chain = defineChain({
  id: await client.getChainId(),
  name: "test",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  rpcUrls: { default: { http: [ask.url] } },
});
const account = privateKeyToAccount(ask.account);
const wallet = createWalletClient({ account, chain, transport });

const built = new URL("../../oracles/chain/artifacts/", import.meta.url);
const contract = (name, address) => {
  const { abi } = JSON.parse(readFileSync(new URL(`${name}.json`, built)));
  return getContract({ address, abi, client: { public: client, wallet } });
};
const auction = contract("DataAuction", ask.contract);
const exchange = contract("Exchange", await auction.read.EXCHANGE());
const oracle = contract("ScoreOracle", await auction.read.ORACLE());
const where = { chain_id: chain.id, contract: auction.address, auction_id: id };

const bytes = (hex) => Buffer.from(hex.slice(2), "hex");
const logs = (of, eventName, args) =>
  client.getContractEvents({
    address: of.address,
    abi: of.abi,
    eventName,
    args,
    fromBlock: 0n,
    strict: true,
  });
const done = async (sent) => {
  const receipt = await client.waitForTransactionReceipt({ hash: await sent });
  if (receipt.status !== "success") throw new Error("the transaction was reverted");
  return receipt;
};

// FILES, found by their CID in one folder

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
function cid(digest) {
  const bits = [1, 0x55, 0x12, 32, ...digest].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return `b${bits.match(/.{1,5}/g).reduce((text, five) => text + LETTERS[parseInt(five.padEnd(5, "0"), 2)], "")}`;
}
const digestOf = (data) => formats.sha(data);
function publish(data) {
  if (data.length > 262144) throw new Error("files of several chunks are not written here");
  const name = cid(digestOf(data));
  writeFileSync(join(ask.files, name), data);
  return name;
}
function fetched(name) {
  const data = readFileSync(join(ask.files, name));
  if (cid(digestOf(data)) !== name) throw new Error(`${name} is another file`);
  return data;
}

// WHAT THE CHAIN TELLS

const DATA_SET = [
  {
    type: "tuple",
    components: [
      { name: "manifest", type: "bytes32" },
      { name: "contentDigest", type: "bytes32" },
      { name: "size", type: "uint64" },
      { name: "keyCommitment", type: "bytes32" },
    ],
  },
];
const placeOf = (index, owner, payer, dataSet) => ({
  index,
  owner,
  payer,
  dataSet: keccak256(encodeAbiParameters(DATA_SET, [dataSet])),
});
const [created] = await logs(auction, "AuctionCreated", { auctionId: id });
const { terms } = created.args;
const buyerKey = Buffer.concat([bytes(created.args.keyX), bytes(created.args.keyY)]);
const before = (a, b) =>
  a.blockNumber < b.blockNumber || (a.blockNumber === b.blockNumber && a.logIndex < b.logIndex);

async function keysOf(members) {
  const keys = new Map();
  for (const log of await logs(oracle, "OperatorRegistered")) {
    if (!before(log, created)) continue;
    keys.set(log.args.operator, Buffer.concat([bytes(log.args.keyX), bytes(log.args.keyY)]));
  }
  return members.map((member) => keys.get(member));
}
const panels = async () => (await oracle.read.setOf([BigInt(terms.scoring.operatorSet)])).slice(0, 2);

async function sampleKey() {
  const [, ends] = await auction.read.phases([id]);
  for (let number = created.blockNumber; ; number++) {
    const block = await client.getBlock({ blockNumber: number });
    if (block.timestamp >= ends[1]) return bytes(block.mixHash);
  }
}

function contentsOf(manifest) {
  const contents = { size: Number(manifest.size) };
  for (const name of ["pages_end", "sketch_size"]) contents[name] = Number(manifest[name]);
  const digests = ["content_digest", "root", "key_commitment", "sketch_hash", "sketch_key_hash"];
  for (const name of digests) contents[name] = bytes(manifest[name]);
  return contents;
}

// PROVIDER: its secrets and its commitment stand in `ask.bid`, a file

const kept = () => JSON.parse(readFileSync(ask.bid));
const sealed = ({ cost, salt }) =>
  keccak256(
    encodeAbiParameters(
      ["uint256", "address", "uint256", "address", "uint256", "bytes32"].map((type) => ({ type })),
      [BigInt(chain.id), auction.address, id, account.address, BigInt(cost), salt],
    ),
  );

async function commit() {
  const key = randomBytes(32);
  const { file, contents } = formats.pack(ask.documents, key);
  if (ask.spoil) file[20] ^= 1; // A page that is not what the manifest commits to.
  const members = {
    schema: "qmia/manifest/2",
    chain_id: String(chain.id),
    contract: auction.address.toLowerCase(),
    auction_id: String(id),
    provider: account.address.toLowerCase(),
    archive: publish(file),
    wraps: [],
  };
  for (const [name, value] of Object.entries(contents)) {
    members[name] = typeof value === "number" ? String(value) : toHex(value);
  }
  const manifest = Buffer.from(formats.canonical(members));
  publish(manifest);
  const dataSet = {
    manifest: toHex(digestOf(manifest)),
    contentDigest: members.content_digest,
    size: members.size,
    keyCommitment: members.key_commitment,
  };
  const bid = { cost: ask.cost, salt: toHex(randomBytes(32)), key: toHex(key), dataSet, members };
  writeFileSync(ask.bid, JSON.stringify(bid)); // What opens it is on disk before anything is sent.
  const value = 10n ** 9n * (BigInt(terms.bondGwei) + BigInt(terms.scoring.entryFeeGwei));
  await done(auction.write.commit([id, sealed(bid), dataSet, terms.agreement], { value }));
  const [log] = (await logs(auction, "Committed", { auctionId: id, owner: account.address })).slice(-1);
  bid.index = Number(log.args.index);
  writeFileSync(ask.bid, JSON.stringify(bid));
  return { index: bid.index };
}

const place = (bid) => placeOf(bid.index, account.address, account.address, bid.dataSet);

async function open() {
  const bid = kept();
  const contents = contentsOf(bid.members);
  const pages = Math.ceil(contents.size / formats.PAGE);
  const manifest = bytes(bid.dataSet.manifest);
  const { samples } = terms.scoring;
  const drawn = formats.draw(await sampleKey(), id, bid.index, manifest, pages, Number(samples));
  const members = await keysOf((await panels()).flatMap((panel) => panel.members));
  const archive = fetched(bid.members.archive);
  const key = bytes(bid.key);
  const opening = formats.open(archive, key, contents, drawn, members, where, bid.index, randomBytes(32));
  const name = publish(opening);
  await done(auction.write.open([id, sealed(bid), place(bid), toHex(digestOf(opening))]));
  return { opening: name, drawn };
}

async function reveal() {
  const bid = kept();
  await done(auction.write.reveal([id, place(bid), BigInt(bid.cost), bid.salt]));
}

async function deliver() {
  const bid = kept();
  const e = formats.secret();
  const sent = formats.deliver(bytes(bid.key), buyerKey, where, bid.index, e);
  const delivery = {
    wrapped: toHex(sent.wrapped),
    x: toHex(sent.point.subarray(0, 32)),
    y: toHex(sent.point.subarray(32)),
  };
  const signature = await privateKeyToAccount(toHex(e, { size: 32 })).signTypedData({
    domain: {
      name: "Q-MIA Exchange",
      version: "1",
      chainId: chain.id,
      verifyingContract: exchange.address,
    },
    primaryType: "Delivery",
    types: {
      Delivery: [
        { name: "auctionId", type: "uint256" },
        { name: "index", type: "uint256" },
        { name: "wrapped", type: "bytes32" },
        { name: "x", type: "bytes32" },
        { name: "y", type: "bytes32" },
      ],
    },
    message: { auctionId: id, index: BigInt(bid.index), ...delivery },
  });
  await done(exchange.write.deliver([id, place(bid), delivery, signature, "0x"]));
}

async function claim() {
  await done(auction.write.claim([id, place(kept()), 7n]));
}

// BUYER

async function receive() {
  const secret = bytes(ask.secret);
  const index = ask.index;
  const [{ args: committed }] = await logs(auction, "Committed", { auctionId: id, index: BigInt(index) });
  const [{ args: delivered }] = await logs(exchange, "Delivered", { auctionId: id, index: BigInt(index) });
  const { dataSet } = committed;
  const { delivery } = delivered;
  const point = Buffer.concat([bytes(delivery.x), bytes(delivery.y)]);
  const key = formats.receive({ wrapped: bytes(delivery.wrapped), point }, secret, where, index);
  const manifest = JSON.parse(fetched(cid(bytes(dataSet.manifest))));
  const contents = contentsOf(manifest);
  if (!formats.keccak(key).equals(bytes(dataSet.keyCommitment))) {
    const proof = formats.prove(point, secret, where, index);
    const words = { x: BigInt(toHex(buyerKey.subarray(0, 32))), y: BigInt(toHex(buyerKey.subarray(32))) };
    const stands = placeOf(index, committed.owner, committed.payer, dataSet);
    await done(exchange.write.refute([id, stands, dataSet, delivery, words, proof]));
    return { action: "refuted" };
  }
  const archive = fetched(manifest.archive);
  const wrong = formats.wrongPages(archive, key, contents);
  if (!wrong.length) return { documents: formats.unpack(archive, key, contents) };
  const [{ args: accepted }] = await logs(auction, "ScoresAccepted", { auctionId: id });
  const standing = (await panels())[Number(accepted.round) - 1];
  const made = formats.complaint(wrong, key, await keysOf(standing.members), where, index);
  const complaint = publish(made);
  const value = 10n ** 9n * BigInt(terms.scoring.fetchFeeGwei);
  await done(exchange.write.complain([id, index, toHex(digestOf(made))], { value }));
  return { action: "complained", complaint };
}

const doing = { commit, open, reveal, deliver, claim, receive };
process.stdout.write(JSON.stringify((await doing[ask.op]()) ?? null));
