// CIDv1 of a file as `ipfs add --cid-version=1` makes it: SHA-256, chunks of 262,144 bytes, raw leaves,
// balanced tree of at most 174 links.

import { join, must, sha } from "./bytes.js";

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
const [RAW, DAG] = [0x55, 0x70];
const CHUNK = 262144;
const LINKS = 174;

const cidBytes = (codec, digest) => join([1, codec, 0x12, 32], digest);

function text(bytes) {
  let [out, held, bits] = ["b", 0, 0];
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) out += LETTERS[(held >> (bits - 5)) & 31];
  }
  return bits ? out + LETTERS[(held << (5 - bits)) & 31] : out;
}

/** The CID of a file of one chunk whose SHA-256 a contract holds. */
export const rawCid = (digest) => text(cidBytes(RAW, digest));

/** The 32 bytes of a CID that go on chain. */
export function digestOf(cid) {
  const out = [];
  let [held, bits] = [0, 0];
  for (const letter of cid.slice(1)) {
    must(LETTERS.includes(letter), `this is no CID in base32: ${cid}`);
    held = ((held << 5) | LETTERS.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits >= 8) out.push((held >> (bits -= 8)) & 255);
  }
  must(cid[0] === "b" && out.length === 36, `this is no CID: ${cid}`);
  return Uint8Array.from(out.slice(4));
}

function varint(value) {
  const out = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return [...out, rest];
}
const field = (number, data) => join(varint((number << 3) | 2), varint(data.length), data);

function node(links) {
  const listed = links.map((link) =>
    field(2, join(field(1, link.cid), field(2, new Uint8Array(0)), [0x18], varint(link.tree))),
  );
  const size = links.reduce((sum, link) => sum + link.size, 0);
  const blocks = links.flatMap((link) => [0x20, ...varint(link.size)]);
  return join(...listed, field(1, join([8, 2, 0x18], varint(size), blocks)));
}

/** The CID of a Blob, or of bytes; of a Blob one chunk at a time is in memory. */
export async function cidOf(file) {
  const length = file.size ?? file.length;
  let level = [];
  for (let at = 0; at < length || !level.length; at += CHUNK) {
    const part = file instanceof Uint8Array ? file.subarray(at, at + CHUNK) : file.slice(at, at + CHUNK);
    const chunk = part instanceof Uint8Array ? part : new Uint8Array(await part.arrayBuffer());
    level.push({ cid: cidBytes(RAW, sha(chunk)), tree: chunk.length, size: chunk.length });
  }
  while (level.length > 1) {
    const above = [];
    for (let i = 0; i < level.length; i += LINKS) {
      const links = level.slice(i, i + LINKS);
      const block = node(links);
      above.push({
        cid: cidBytes(DAG, sha(block)),
        tree: block.length + links.reduce((sum, link) => sum + link.tree, 0),
        size: links.reduce((sum, link) => sum + link.size, 0),
      });
    }
    level = above;
  }
  return text(level[0].cid);
}
