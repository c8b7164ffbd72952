// Files in a .zip or under .gz. An archive that could be read in two ways, or not to its end, is refused as a whole.

import { equal } from "./bytes.js";
import { Refused } from "./records.js";

const [RATIO, SMALL] = [200, 16 << 20]; // What a file may grow to.
const END = 22;

const CRC = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? (i >>> 1) ^ 0xedb88320 : i >>> 1;
  return i;
});
function crc32(bytes, crc) {
  for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
  return crc;
}

const part = async (file, start, end) => new Uint8Array(await file.slice(start, end).arrayBuffer());
const most = (file) => Math.max(SMALL, RATIO * file.size);

/** The bytes of a stream as a Blob, and their CRC-32. */
async function collect(stream, limit, refuse) {
  const parts = [];
  let [size, crc] = [0, -1];
  try {
    for (let reader = stream.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > limit) break;
      crc = crc32(value, crc);
      parts.push(value);
    }
  } catch {
    refuse("damaged");
  }
  if (size > limit) refuse("bomb");
  return { data: new Blob(parts), crc: ~crc >>> 0 };
}

/** What a .gz file holds. */
export async function gunzip(file, name) {
  const refuse = (code) => {
    throw new Refused(code, name);
  };
  const { data } = await collect(file.stream().pipeThrough(new DecompressionStream("gzip")), most(file), refuse);
  return data;
}

function nameOf(bytes, flags, extra, refuse) {
  // Another name may stand in the extra field; only plain names are the same to everybody.
  const view = new DataView(extra.buffer, extra.byteOffset, extra.length);
  const plain = bytes.every((byte) => byte > 31 && byte < 127);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) === 0x7075 && !plain) refuse("name");
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    refuse("name");
  }
  if (!plain && !(flags & 0x800) && text.includes("\0")) refuse("name");
  const leaves = text.startsWith("/") || text.split("/").includes("..") || text[1] === ":";
  if (leaves || text.includes("\\") || text.includes("\0")) refuse("name");
  return text;
}

/** The directory of a .zip, in its order. */
async function directory(file, refuse) {
  const size = file.size;
  const end = await part(file, Math.max(0, size - END), size);
  const tail = new DataView(end.buffer);
  if (end.length < END || tail.getUint32(0, true) !== 0x06054b50 || tail.getUint16(20, true)) refuse("zip");
  const [count, length, start] = [tail.getUint16(10, true), tail.getUint32(12, true), tail.getUint32(16, true)];
  if (tail.getUint32(4, true) || count === 0xffff || start + length !== size - END) refuse("zip");
  const bytes = await part(file, start, start + length);
  const view = new DataView(bytes.buffer);
  const entries = [];
  let at = 0;
  while (at + 46 <= length && view.getUint32(at, true) === 0x02014b50) {
    const [flags, method, crc] = [
      view.getUint16(at + 8, true),
      view.getUint16(at + 10, true),
      view.getUint32(at + 16, true),
    ];
    const [packed, plain] = [view.getUint32(at + 20, true), view.getUint32(at + 24, true)];
    const [n, e, c] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const mode = (view.getUint32(at + 38, true) >>> 16) & 0xf000;
    const offset = view.getUint32(at + 42, true);
    if ([packed, plain, offset].includes(0xffffffff)) refuse("zip");
    const raw = bytes.subarray(at + 46, at + 46 + n);
    const name = nameOf(raw, flags, bytes.subarray(at + 46 + n, at + 46 + n + e), refuse);
    entries.push({ name, raw, flags, method, crc, packed, plain, mode, offset });
    at += 46 + n + e + c;
  }
  if (at !== length || entries.length !== count) refuse("zip");
  return { entries, start };
}

/** Where the bytes of each member are; every byte must belong to one. */
async function place(file, { entries, start }, refuse) {
  let position = 0;
  for (const entry of [...entries].sort((a, b) => a.offset - b.offset)) {
    if (entry.offset !== position) refuse("zip");
    const head = await part(file, position, position + 30);
    const view = new DataView(head.buffer);
    if (head.length < 30 || view.getUint32(0, true) !== 0x04034b50) refuse("zip");
    const [n, e] = [view.getUint16(26, true), view.getUint16(28, true)];
    if (!equal(await part(file, position + 30, position + 30 + n), entry.raw)) refuse("zip");
    entry.data = position + 30 + n + e;
    position = entry.data + entry.packed;
    if (entry.flags & 8) {
      const next = new DataView((await part(file, position, position + 24)).buffer);
      const signed = next.byteLength >= 16 && next.getUint32(0, true) === 0x08074b50 ? 4 : 0;
      const right =
        next.byteLength >= 12 + signed &&
        next.getUint32(signed, true) === entry.crc &&
        next.getUint32(signed + 4, true) === entry.packed &&
        next.getUint32(signed + 8, true) === entry.plain;
      if (!right) refuse("zip");
      position += signed + 12;
    }
  }
  if (position !== start) refuse("zip");
}

/**
 * Files of a .zip, as `{name, file}` in the order of its directory.
 * @param skip tells whether a name is left out.
 */
export async function* members(file, name, skip) {
  const refuse = (code, detail) => {
    throw new Refused(code, name, 0, detail);
  };
  const found = await directory(file, refuse);
  await place(file, found, refuse);
  let left = most(file);
  const seen = new Set();
  for (const { name: inside, flags, method, crc, packed, plain, mode, data } of found.entries) {
    if (inside.endsWith("/") && !plain) continue;
    if (mode && mode !== 0x8000) refuse("link", inside);
    if (skip(inside, `${name}/${inside}`)) continue;
    if (flags & 0x2061) refuse("encrypted", inside);
    if (![0, 8].includes(method) || (method === 0 && packed !== plain)) refuse("zip");
    if (seen.has(inside.normalize("NFC"))) refuse("same", inside);
    seen.add(inside.normalize("NFC"));
    const bytes = file.slice(data, data + packed).stream();
    const stream = method ? bytes.pipeThrough(new DecompressionStream("deflate-raw")) : bytes;
    const made = await collect(stream, left, refuse);
    if (made.crc !== crc || made.data.size !== plain) refuse("damaged", inside);
    left -= plain;
    yield { name: `${name}/${inside}`, file: made.data };
  }
}
