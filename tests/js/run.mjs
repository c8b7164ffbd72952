// Does what a JSON object on standard input asks for, and prints the answer. Bytes are hexadecimal.

import { readFileSync, writeFileSync } from "node:fs";

import * as formats from "./formats.mjs";

const bytes = (text) => Buffer.from(text, "hex");
const ask = JSON.parse(readFileSync(0, "utf8"), (_, value) =>
  value && value.hex !== undefined ? bytes(value.hex) : value,
);
const { op, file, ...given } = ask;
const plain = (_, value) => {
  if (typeof value === "bigint") return value.toString(16).padStart(16, "0");
  return value?.type === "Buffer" ? Buffer.from(value.data).toString("hex") : value;
};
const data = file && op !== "pack" ? readFileSync(file) : null;
const { auction, index } = given;
const doing = {
  vectors: () => ({
    fold: Object.fromEntries(given.texts.map((t) => [t, String.fromCodePoint(...formats.fold(t))])),
    runs: Object.fromEntries(given.texts.map((t) => [t, formats.runs(formats.fold(t))])),
    draw: formats.draw(...given.draw),
  }),
  pack: () => {
    const packed = formats.pack(given.documents, given.key);
    writeFileSync(file, packed.file);
    return packed.contents;
  },
  unpack: () => formats.unpack(data, given.key, given.contents),
  open: () =>
    formats.open(
      data,
      given.key,
      given.contents,
      given.drawn,
      given.members,
      auction,
      index,
      given.content_key,
    ),
  sample: () =>
    formats.readOpening(
      given.opening,
      data,
      given.member,
      given.secret,
      given.members,
      given.contents,
      given.drawn,
      auction,
      index,
    ),
  deliver: () => formats.deliver(given.key, given.buyer, auction, index, 1234567891011n),
  receive: () => formats.receive(given, given.secret, auction, index),
};
process.stdout.write(JSON.stringify(doing[op](), plain));
