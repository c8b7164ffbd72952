// Does what a JSON object on standard input asks for, with the page's own modules, and prints the answer. Bytes are
// hexadecimal.

import { openAsBlob, readFileSync, writeFileSync } from "node:fs";
import { join as path } from "node:path";

import * as archives from "../../page/src/archive.js";
import { fromHex, join, toHex } from "../../page/src/bytes.js";
import { cidOf } from "../../page/src/cid.js";
import { encode, read, Refused } from "../../page/src/documents.js";
import * as formats from "../../page/src/formats.js";
import { fold, runs } from "../../page/src/sketch.js";

const ask = JSON.parse(readFileSync(0, "utf8"), (_, value) =>
  value && value.hex !== undefined ? fromHex(value.hex) : value,
);
const { op, file, ...given } = ask;
const plain = (_, value) => {
  if (typeof value === "bigint") return value.toString(16).padStart(16, "0");
  return value instanceof Uint8Array ? toHex(value).slice(2) : value;
};
const data = file && op !== "pack" ? new Uint8Array(readFileSync(file)) : null;
const { auction, index } = given;

function pack(encoded) {
  const parts = [];
  const packer = new archives.Packer(given.key, (part) => parts.push(part));
  for (const each of encoded) packer.add(each);
  const contents = packer.finish();
  writeFileSync(file, join(...parts));
  return contents;
}

async function chosen({ folder, names }) {
  const files = [];
  for (const name of names) files.push({ name, file: await openAsBlob(path(folder, name)) });
  return files;
}

async function documentsOf(set) {
  try {
    const documents = [];
    for await (const each of read(await chosen(set))) documents.push(each);
    return { documents };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.code };
    throw error;
  }
}

const doing = {
  vectors: () => ({
    fold: Object.fromEntries(given.texts.map((t) => [t, String.fromCodePoint(...fold(t))])),
    runs: Object.fromEntries(given.texts.map((t) => [t, [...runs(fold(t))]])),
    draw: formats.draw(...given.draw),
  }),
  pack: () => pack(given.documents.map(encode)),
  read: () => documentsOf(given),
  streams: async () => {
    const found = [];
    for (const set of given.sets) {
      const { refused, documents } = await documentsOf(set);
      found.push(refused ? { refused } : { stream: join(...documents.flatMap((each) => [encode(each), [10]])) });
    }
    return found;
  },
  cid: () => cidOf(data),
  unpack: () => archives.unpack(data, given.key, given.contents),
  open: () => {
    const { key, contents, drawn, members, content_key } = given;
    return formats.open(data, key, contents, drawn, members, auction, index, content_key);
  },
  sample: () => {
    const { opening, member, secret, members, contents, drawn } = given;
    return formats.readOpening(opening, data, member, secret, members, contents, drawn, auction, index);
  },
  deliver: () => formats.deliver(given.key, given.buyer, auction, index, 1234567891011n),
  receive: () => formats.receive(given, given.secret, auction, index),
};
process.stdout.write(JSON.stringify(await doing[op](), plain));
