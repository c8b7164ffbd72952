// The file formats of docs/formats.md, written from that page alone: no code of the project is used.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";

import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { decompress } from "fzstd";

export const PAGE = 16384;
const NONE = Buffer.alloc(0);
const ORDER = secp256k1.Point.Fn.ORDER;
const ARCHIVE = Buffer.from("89514d49410d0a02", "hex");
const OPENING = Buffer.from("89514d494f0d0a02", "hex");
const LABEL = "qmia/archive/2 ";

const join = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
export const keccak = (...parts) => Buffer.from(keccak_256(join(...parts)));
export const sha = (data) => Buffer.from(sha256(data));
const uint = (value, size) =>
  Buffer.from(
    BigInt(value)
      .toString(16)
      .padStart(2 * size, "0"),
    "hex",
  );
const number = (bytes) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
const derive = (secret, info, size = 32) => Buffer.from(hkdf(sha256, secret, undefined, info, size));
const seal = (key, plain, more) => join(xchacha20poly1305(key, new Uint8Array(24), more).encrypt(plain));
const unseal = (key, sealed, more) => join(xchacha20poly1305(key, new Uint8Array(24), more).decrypt(sealed));
const must = (condition, message) => {
  if (!condition) throw new Error(message);
};

// DOCUMENTS

export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort(); // by UTF-16 units, as RFC 8785 asks for
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

function levels(leaves, prefix) {
  const all = [leaves];
  while (all.at(-1).length > 1) {
    const below = all.at(-1);
    const above = [];
    for (let i = 0; i < below.length; i += 2) {
      above.push(i + 1 < below.length ? keccak([prefix], below[i], below[i + 1]) : below[i]);
    }
    all.push(above);
  }
  return all;
}

const root = (leaves, prefix) => levels(leaves, prefix).at(-1)[0];
const sizes = (count) => {
  const all = [count];
  while (all.at(-1) > 1) all.push(Math.ceil(all.at(-1) / 2));
  return all;
};

// ZSTANDARD: frames of raw blocks, which any decoder reads

function frame(plain) {
  const blocks = [];
  for (let i = 0; i < plain.length || !blocks.length; i += 65536) {
    const block = plain.subarray(i, i + 65536);
    const last = i + 65536 >= plain.length ? 1 : 0;
    const header = Buffer.alloc(3);
    header.writeUIntLE(last | (block.length << 3), 0, 3);
    blocks.push(header, block);
  }
  const size = Buffer.alloc(4);
  size.writeUInt32LE(plain.length);
  return join(Buffer.from("28b52ffda0", "hex"), size, ...blocks);
}

// PAGES READ ALONE, AND THE SKETCH

const TABLE = JSON.parse(readFileSync(new URL("../../oracles/dataset/letters.json", import.meta.url)));
const within = (ranges) => {
  const found = new Set();
  for (const [first, last] of ranges) for (let c = first; c <= last; c++) found.add(c);
  return found;
};
const [SPACES, DIGITS, LETTERS] = [TABLE.spaces, TABLE.digits, TABLE.letters].map(within);
const FOLDED = new Map(
  Object.entries(TABLE.folded).map(([name, text]) => [
    parseInt(name, 16),
    [...text].map((c) => c.codePointAt(0)),
  ]),
);

export function fold(text) {
  const found = [];
  for (const word of splitWords(text)) {
    const codes = word.flatMap((c) => FOLDED.get(c) ?? (DIGITS.has(c) || LETTERS.has(c) ? [c] : []));
    const letters = codes.some((c) => !DIGITS.has(c));
    for (const c of codes) if (!letters || !DIGITS.has(c)) found.push(c);
  }
  return found;
}

function* splitWords(text) {
  let word = [];
  for (const character of text) {
    const c = character.codePointAt(0);
    if (SPACES.has(c)) {
      yield word;
      word = [];
    } else word.push(c);
  }
  yield word;
}

const WORD = (1n << 64n) - 1n;
export function runs(codes) {
  const [m, found] = [6364136223846793005n, []];
  const power = (m ** 20n) & WORD;
  let h = 0n;
  codes.forEach((c, i) => {
    h = (h * m + BigInt(c) - (i >= 20 ? BigInt(codes[i - 20]) * power : 0n)) & WORD;
    if (i < 19) return;
    let x = ((h ^ (h >> 30n)) * 0xbf58476d1ce4e5b9n) & WORD;
    x = ((x ^ (x >> 27n)) * 0x94d049bb133111ebn) & WORD;
    found.push(x ^ (x >> 31n));
  });
  return found;
}

const [START, TEXT] = ['{"metadata":', '},"text":"'];
export function lines(page) {
  let end = page.length;
  while (end && !page[end - 1]) end--;
  const kept = new TextDecoder("utf-8", { ignoreBOM: true }).decode(onlyUtf8(page.subarray(0, end)));
  return kept
    .split("\n")
    .map(textOf)
    .filter((text) => text);
}

// A page cuts characters at its ends only; what does not decode elsewhere is no valid data set.
function onlyUtf8(bytes) {
  let [first, last] = [0, bytes.length];
  while (first < last && (bytes[first] & 0xc0) === 0x80) first++;
  for (let back = 1; back <= 3 && back <= last; back++) {
    const byte = bytes[last - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    if (length > back) last -= back;
    break;
  }
  return bytes.subarray(first, last);
}

function textOf(line) {
  const place = line.lastIndexOf(TEXT);
  let text = place >= 0 ? line.slice(place + TEXT.length) : line;
  if (place < 0 && (line.startsWith(START) || START.startsWith(line))) return "";
  for (const end of ['"}', '"']) {
    if (!text.endsWith(end)) continue;
    const kept = text.slice(0, -end.length);
    if (/\\*$/.exec(kept)[0].length % 2 === 0) text = kept;
    break;
  }
  const parts = text.split("\\\\");
  parts.push(parts.pop().replace(/\\(?:u(?:0(?:0[0-9a-f]?)?)?)?$/, ""));
  const plain = { '"': '"', n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };
  return parts
    .map((part) =>
      part
        .replace(/\\(["ntrbf])/g, (_, c) => plain[c])
        .replace(/\\u00([0-9a-f]{2})/g, (_, code) => String.fromCharCode(parseInt(code, 16))),
    )
    .join("\\");
}

export function sketch(pages) {
  const all = pages.map((page) =>
    [...new Set(runs(fold(lines(page).join("\n"))))].sort((a, b) => (a < b ? -1 : 1)),
  );
  for (let shift = 4; ; shift++) {
    const parts = all.map((part) => part.filter((h) => h < 1n << BigInt(64 - shift)));
    if (parts.reduce((sum, part) => sum + part.length, 0) > 100_000 && shift < 44) continue;
    const encoded = parts.map((part, i) =>
      part.length ? join(uint(i, 8), uint(part.length, 4), ...part.map((h) => uint(h, 8))) : NONE,
    );
    return join([shift], ...encoded);
  }
}

// ARCHIVE

const label = (i) => join(LABEL, "page", uint(i, 8));
const pageKey = (key, i) => derive(key, label(i));
const sketchKey = (key) => derive(key, Buffer.from(`${LABEL}sketch`));

export function pack(documents, key) {
  const encoded = documents.map(({ text, metadata }) => Buffer.from(canonical({ metadata, text })));
  const stream = join(...encoded.flatMap((line) => [line, "\n"]));
  const pages = [];
  for (let i = 0; i < stream.length; i += PAGE) {
    const page = Buffer.alloc(PAGE);
    stream.copy(page, 0, i, i + PAGE);
    pages.push(page);
  }
  const sealed = pages.map((page, i) => seal(pageKey(key, i), frame(page), label(i)));
  const hidden = seal(sketchKey(key), frame(sketch(pages)), Buffer.from(`${LABEL}sketch`));
  let end = ARCHIVE.length;
  const index = sealed.map((each, i) => join(uint((end += each.length), 8), keccak(pageKey(key, i))));
  const tree = levels(
    sealed.map((each, i) => keccak([2], keccak(each), keccak(pageKey(key, i)))),
    3,
  );
  return {
    file: join(ARCHIVE, ...sealed, hidden, ...index, ...tree.flat()),
    contents: {
      content_digest: root(
        encoded.map((line) => keccak([0], line)),
        1,
      ),
      size: stream.length,
      key_commitment: keccak(key),
      root: tree.at(-1)[0],
      pages_end: end,
      sketch_size: hidden.length,
      sketch_hash: keccak(hidden),
      sketch_key_hash: keccak(sketchKey(key)),
    },
  };
}

function place(contents, i) {
  const count = Math.ceil(contents.size / PAGE);
  const indexStart = contents.pages_end + contents.sketch_size;
  return { count, entry: indexStart + 40 * i, tree: indexStart + 40 * count };
}

function fetched(file, contents, i) {
  const { count, entry, tree } = place(contents, i);
  const start = i ? Number(file.readBigUInt64BE(entry - 40)) : ARCHIVE.length;
  const end = Number(file.readBigUInt64BE(entry));
  const branch = [];
  let [at, level] = [tree, 0];
  for (const size of sizes(count).slice(0, -1)) {
    const sibling = (i >> level++) ^ 1;
    if (sibling < size) branch.push(file.subarray(at + 32 * sibling, at + 32 * sibling + 32));
    at += 32 * size;
  }
  return { sealed: file.subarray(start, end), start, branch };
}

export function checkPage(sealed, key, i, branch, contents) {
  let node = keccak([2], keccak(sealed), keccak(key));
  const rest = [...branch];
  sizes(Math.ceil(contents.size / PAGE))
    .slice(0, -1)
    .forEach((size, level) => {
      const own = i >> level;
      if ((own ^ 1) >= size) return;
      must(rest.length, "the branch is too short");
      const sibling = rest.shift();
      node = own & 1 ? keccak([3], sibling, node) : keccak([3], node, sibling);
    });
  must(!rest.length && node.equals(Buffer.from(contents.root)), `page ${i} is not what was committed`);
  const page = Buffer.from(decompress(unseal(key, sealed, label(i))));
  must(page.length === PAGE, `page ${i} does not open to ${PAGE} bytes`);
  return page;
}

export function wrongPages(file, key, contents) {
  const wrong = [];
  for (let i = 0; i < Math.ceil(contents.size / PAGE); i++) {
    try {
      const { sealed, branch } = fetched(file, contents, i);
      checkPage(sealed, pageKey(key, i), i, branch, contents);
    } catch {
      wrong.push(i);
    }
  }
  return wrong;
}

export function unpack(file, key, contents) {
  must(keccak(key).equals(contents.key_commitment), "this is not the key");
  const count = Math.ceil(contents.size / PAGE);
  const pages = Array.from({ length: count }, (_, i) => {
    const { sealed, branch } = fetched(file, contents, i);
    return checkPage(sealed, pageKey(key, i), i, branch, contents);
  });
  const stream = join(...pages).subarray(0, contents.size);
  const encoded = stream.toString().split("\n").slice(0, -1);
  must(
    root(
      encoded.map((line) => keccak([0], line)),
      1,
    ).equals(contents.content_digest),
    "other documents",
  );
  const hidden = file.subarray(contents.pages_end, contents.pages_end + contents.sketch_size);
  const plain = decompress(unseal(sketchKey(key), hidden, Buffer.from(`${LABEL}sketch`)));
  must(sketch(pages).equals(Buffer.from(plain)), "the sketch is another one");
  return encoded.map((line) => JSON.parse(line));
}

// KEYS

const address = (text) => Buffer.from(text.slice(2), "hex");
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
const words = (p) => Buffer.from(p.toBytes(false)).subarray(1);

export function wrap(key, recipient, where) {
  const e = scalar(derive(key, join("qmia/wrap/2 ephemeral", recipient, where), 48));
  const E = secp256k1.Point.BASE.multiply(e).toBytes(true);
  const shared = sha256(point(recipient).multiply(e).toBytes(true));
  return join(E, seal(derive(shared, join("qmia/wrap/2 key", E, recipient, where)), key));
}

export function unwrap(wrapped, secret, where) {
  const own = words(secp256k1.Point.BASE.multiply(number(secret)));
  const E = wrapped.subarray(0, 33);
  const shared = sha256(secp256k1.Point.fromBytes(E).multiply(number(secret)).toBytes(true));
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

export function open(file, key, contents, drawn, members, auction, index, contentKey) {
  const body = drawn.flatMap((i) => {
    const { sealed, start, branch } = fetched(file, contents, i);
    return [pageKey(key, i), uint(start, 8), uint(sealed.length, 4), ...branch];
  });
  const where = context("opening", auction, index);
  const header = join(OPENING, [members.length], ...members.map((member) => wrap(contentKey, member, where)));
  return join(
    header,
    seal(derive(contentKey, Buffer.from("qmia/opening/2 body")), join(sketchKey(key), ...body), header),
  );
}

export function readOpening(data, file, member, secret, members, contents, drawn, auction, index) {
  const end = 9 + 81 * members.length;
  const where = context("opening", auction, index);
  const contentKey = unwrap(data.subarray(9 + 81 * member, 90 + 81 * member), secret, where);
  must(
    join(...members.map((each) => wrap(contentKey, each, where))).equals(data.subarray(9, end)),
    "the key is not wrapped rightly for every member",
  );
  const header = data.subarray(0, end);
  const body = unseal(derive(contentKey, Buffer.from("qmia/opening/2 body")), data.subarray(end), header);
  must(keccak(body.subarray(0, 32)).equals(contents.sketch_key_hash), "not the sketch's key");
  let at = 32;
  return drawn.map((i) => {
    const [start, size] = [Number(body.readBigUInt64BE(at + 32)), body.readUInt32BE(at + 40)];
    const key = body.subarray(at, at + 32);
    const length = fetched(file, contents, i).branch.length;
    const branch = Array.from({ length }, (_, n) => body.subarray(at + 44 + 32 * n, at + 76 + 32 * n));
    at += 44 + 32 * length;
    return checkPage(file.subarray(start, start + size), key, i, branch, contents);
  });
}

// DELIVERY

const deliveryContext = ({ chain_id, contract, auction_id }, index) =>
  keccak(uint(chain_id, 32), uint(0, 12), address(contract), uint(auction_id, 32), uint(index, 32));
const mask = (key, shared, where) => {
  const pad = keccak(words(shared), where);
  return Buffer.from(key.map((byte, i) => byte ^ pad[i]));
};

export function deliver(key, buyer, auction, index, e) {
  const shared = point(buyer).multiply(e);
  return {
    wrapped: mask(key, shared, deliveryContext(auction, index)),
    point: words(secp256k1.Point.BASE.multiply(e)),
  };
}

export const receive = ({ wrapped, point: E }, secret, auction, index) =>
  mask(wrapped, point(E).multiply(number(secret)), deliveryContext(auction, index));

export const secret = () => scalar(randomBytes(48));

// That the buyer's secret b leads from E to the shared point S, as the contract checks it.
export function prove(E, b, auction, index, r = secret()) {
  const [ephemeral, own] = [point(E), number(b)];
  const shared = ephemeral.multiply(own);
  const word = (P) => join(new Uint8Array(12), keccak(words(P)).subarray(12));
  const B = words(secp256k1.Point.BASE.multiply(own));
  const nonces = [secp256k1.Point.BASE.multiply(r), ephemeral.multiply(r)].map(word);
  const c = number(keccak(deliveryContext(auction, index), B, E, words(shared), ...nonces)) % ORDER;
  const z = (r + c * own) % ORDER;
  const [t, u] = [ephemeral.multiply(z), shared.multiply(c)].map((P) => P.toAffine());
  const { Fp } = secp256k1.Point;
  const slope = Fp.div(Fp.add(t.y, u.y), Fp.sub(t.x, u.x));
  return { shared: shared.toAffine(), t, u, slope, c, z };
}

export function complaint(pages, key, members, auction, index) {
  const where = context("complaint", auction, index);
  return Buffer.from(
    canonical({
      schema: "qmia/complaint/2",
      pages: pages.slice(0, 64).map(String),
      wraps: members.map((member) => `0x${wrap(key, member, where).toString("hex")}`),
    }),
  );
}
