// Archives, openings, wrapped keys and deliveries as docs/formats.md describes them.

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { decompress } from "fzstd";

import { derive, equal, fromHex, join, keccak, must, number, random, sha, toHex, uint } from "./bytes.js";
import { canonical } from "./records.js";
import { sizes } from "./tree.js";

export const PAGE = 16384;
const G = secp256k1.Point.BASE;
const ORDER = secp256k1.Point.Fn.ORDER;
export const ARCHIVE = fromHex("89514d49410d0a02");
const OPENING = fromHex("89514d494f0d0a02");
const LABEL = "qmia/archive/2 ";
const NONCE = new Uint8Array(24);

export const seal = (key, plain, more) => xchacha20poly1305(key, NONCE, more).encrypt(plain);
export const unseal = (key, sealed, more) => xchacha20poly1305(key, NONCE, more).decrypt(sealed);
export const label = (i) => join(LABEL, "page", uint(i, 8));
export const SKETCH = join(LABEL, "sketch");
export const pageKey = (key, i) => derive(key, label(i));
export const sketchKey = (key) => derive(key, SKETCH);
export const leafOf = (sealed, key) => keccak([2], keccak(sealed), keccak(key));
export const pagesOf = (contents) => Math.ceil(contents.size / PAGE);

// PAGES OF AN ARCHIVE

/** Bytes of a file, from `start` up to `end`. A file is bytes, or a Blob of which only these are read. */
export async function range(file, start, end) {
  const part = file instanceof Uint8Array ? file.subarray(start, end) : file.slice(start, end);
  const data = part instanceof Uint8Array ? part : new Uint8Array(await part.arrayBuffer());
  must(data.length === end - start, "the archive is cut short");
  return data;
}

export async function fetched(file, contents, i) {
  const count = pagesOf(contents);
  const entry = contents.pages_end + contents.sketch_size + 40 * i;
  const offset = async (at) => Number(number(await range(file, at, at + 8)));
  const start = i ? await offset(entry - 40) : ARCHIVE.length;
  const end = await offset(entry);
  const branch = [];
  let at = contents.pages_end + contents.sketch_size + 40 * count;
  let level = 0;
  for (const size of sizes(count).slice(0, -1)) {
    const sibling = (i >> level++) ^ 1;
    if (sibling < size) branch.push(await range(file, at + 32 * sibling, at + 32 * sibling + 32));
    at += 32 * size;
  }
  must(start < end && end <= contents.pages_end, `page ${i} is not in the archive`);
  return { sealed: await range(file, start, end), start, branch };
}

export function checkPage(sealed, key, i, branch, contents) {
  let node = leafOf(sealed, key);
  const rest = [...branch];
  sizes(pagesOf(contents))
    .slice(0, -1)
    .forEach((size, level) => {
      const own = i >> level;
      if ((own ^ 1) >= size) return;
      must(rest.length, "the branch is too short");
      const sibling = rest.shift();
      node = own & 1 ? keccak([3], sibling, node) : keccak([3], node, sibling);
    });
  must(!rest.length && equal(node, contents.root), `page ${i} is not what was committed`);
  const page = decompress(unseal(key, sealed, label(i)));
  must(page.length === PAGE, `page ${i} does not open to ${PAGE} bytes`);
  return page;
}

/** Numbers of the pages that do not open to what was committed. */
export async function wrongPages(file, key, contents) {
  const wrong = [];
  for (let i = 0; i < pagesOf(contents); i++) {
    try {
      const { sealed, branch } = await fetched(file, contents, i);
      checkPage(sealed, pageKey(key, i), i, branch, contents);
    } catch {
      wrong.push(i);
    }
  }
  return wrong;
}

// MANIFEST

const NUMBERS = ["size", "pages_end", "sketch_size"];
const DIGESTS = ["content_digest", "root", "key_commitment", "sketch_hash", "sketch_key_hash"];

/** @param members keys of those who may open all of it at once, where the auction takes no samples. */
export function manifestOf(contents, archive, auction, provider, key, members = []) {
  const where = context("manifest", auction, BigInt(provider));
  const wraps = members.map((member) => toHex(wrap(key, member, where)));
  const said = {
    schema: "qmia/manifest/2",
    chain_id: String(auction.chain_id),
    contract: auction.contract.toLowerCase(),
    auction_id: String(auction.auction_id),
    provider: provider.toLowerCase(),
    archive,
    wraps,
  };
  for (const name of NUMBERS) said[name] = String(contents[name]);
  for (const name of DIGESTS) said[name] = toHex(contents[name]);
  return join(canonical(said));
}

export function contentsOf(manifest) {
  const members = JSON.parse(new TextDecoder().decode(manifest));
  must(members.schema === "qmia/manifest/2", `this is no manifest, but ${members.schema}`);
  const contents = {};
  for (const name of NUMBERS) contents[name] = Number(members[name]);
  for (const name of DIGESTS) contents[name] = fromHex(members[name]);
  return { contents, members };
}

// KEYS

const address = (text) => fromHex(text);
const context = (purpose, { chain_id, contract, auction_id }, subject) =>
  join(
    purpose.padEnd(32, "\0"),
    uint(chain_id, 32),
    uint(0, 12),
    address(contract),
    uint(auction_id, 32),
    uint(subject, 32),
  );
const scalar = (wide) => 1n + (number(wide) % (ORDER - 1n));
const point = (publicKey) => secp256k1.Point.fromBytes(join([4], publicKey));
const words = (p) => p.toBytes(false).subarray(1);

export function wrap(key, recipient, where) {
  const e = scalar(derive(key, join("qmia/wrap/2 ephemeral", recipient, where), 48));
  const E = G.multiply(e).toBytes(true);
  const shared = sha(point(recipient).multiply(e).toBytes(true));
  return join(E, seal(derive(shared, join("qmia/wrap/2 key", E, recipient, where)), key));
}

export function unwrap(wrapped, secret, where) {
  const own = words(G.multiply(number(secret)));
  const E = wrapped.subarray(0, 33);
  const shared = sha(secp256k1.Point.fromBytes(E).multiply(number(secret)).toBytes(true));
  return unseal(derive(shared, join("qmia/wrap/2 key", E, own, where)), wrapped.subarray(33));
}

// SAMPLE

export function draw(sampleKey, auction, index, manifest, count, samples) {
  if (!samples || samples >= count) return Array.from({ length: count }, (_, i) => i);
  const seed = keccak(sampleKey, uint(auction, 32), uint(index, 32), manifest);
  const limit = ((1n << 256n) / BigInt(count)) * BigInt(count);
  const drawn = new Set();
  for (let t = 0; drawn.size < samples; t++) {
    const value = number(keccak(seed, uint(t, 32)));
    if (value < limit) drawn.add(Number(value % BigInt(count)));
  }
  return [...drawn].sort((a, b) => a - b);
}

/** The opening of the drawn pages for the members; `contentKey` must be fresh. */
export async function open(file, key, contents, drawn, members, auction, index, contentKey) {
  const body = [];
  for (const i of drawn) {
    const { sealed, start, branch } = await fetched(file, contents, i);
    checkPage(sealed, pageKey(key, i), i, branch, contents);
    body.push(pageKey(key, i), uint(start, 8), uint(sealed.length, 4), ...branch);
  }
  const where = context("opening", auction, index);
  const wraps = members.map((member) => wrap(contentKey, member, where));
  const header = join(OPENING, [members.length], ...wraps);
  const sealed = seal(derive(contentKey, "qmia/opening/2 body"), join(sketchKey(key), ...body), header);
  return join(header, sealed);
}

export async function readOpening(data, file, member, secret, members, contents, drawn, auction, index) {
  const end = 9 + 81 * members.length;
  const where = context("opening", auction, index);
  const contentKey = unwrap(data.subarray(9 + 81 * member, 90 + 81 * member), secret, where);
  must(
    equal(join(...members.map((each) => wrap(contentKey, each, where))), data.subarray(9, end)),
    "the key is not wrapped rightly for every member",
  );
  const body = unseal(derive(contentKey, "qmia/opening/2 body"), data.subarray(end), data.subarray(0, end));
  must(equal(keccak(body.subarray(0, 32)), contents.sketch_key_hash), "not the sketch's key");
  const pages = [];
  let at = 32;
  for (const i of drawn) {
    const start = Number(number(body.subarray(at + 32, at + 40)));
    const size = Number(number(body.subarray(at + 40, at + 44)));
    const length = (await fetched(file, contents, i)).branch.length;
    const branch = Array.from({ length }, (_, n) => body.subarray(at + 44 + 32 * n, at + 76 + 32 * n));
    const sealed = await range(file, start, start + size);
    pages.push(checkPage(sealed, body.subarray(at, at + 32), i, branch, contents));
    at += 44 + 32 * length;
  }
  return pages;
}

// DELIVERY

const deliveryContext = ({ chain_id, contract, auction_id }, index) =>
  keccak(uint(chain_id, 32), uint(0, 12), address(contract), uint(auction_id, 32), uint(index, 32));
const mask = (key, shared, where) => {
  const pad = keccak(words(shared), where);
  return key.map((byte, i) => byte ^ pad[i]);
};

/** Any secret serves, but for one delivery only. */
export const secret = () => scalar(random(48));

export function deliver(key, buyer, auction, index, e) {
  const shared = point(buyer).multiply(e);
  return { wrapped: mask(key, shared, deliveryContext(auction, index)), point: words(G.multiply(e)) };
}

export const receive = ({ wrapped, point: E }, buyerSecret, auction, index) =>
  mask(wrapped, point(E).multiply(number(buyerSecret)), deliveryContext(auction, index));

/** That the buyer's secret leads from E to the shared point, as the contract checks it. */
export function prove(E, buyerSecret, auction, index, r = secret()) {
  const [ephemeral, own] = [point(E), number(buyerSecret)];
  const shared = ephemeral.multiply(own);
  const word = (P) => join(new Uint8Array(12), keccak(words(P)).subarray(12));
  const nonces = [G.multiply(r), ephemeral.multiply(r)].map(word);
  const challenge = keccak(deliveryContext(auction, index), words(G.multiply(own)), E, words(shared), ...nonces);
  const c = number(challenge) % ORDER;
  const z = (r + c * own) % ORDER;
  const [t, u] = [ephemeral.multiply(z), shared.multiply(c)].map((P) => P.toAffine());
  const { Fp } = secp256k1.Point;
  const slope = Fp.div(Fp.add(t.y, u.y), Fp.sub(t.x, u.x));
  return { shared: shared.toAffine(), t, u, slope, c, z };
}

export function complaint(pages, key, members, auction, index) {
  const where = context("complaint", auction, index);
  const wraps = members.map((member) => toHex(wrap(key, member, where)));
  return join(canonical({ schema: "qmia/complaint/2", pages: pages.slice(0, 64).map(String), wraps }));
}
