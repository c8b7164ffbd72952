// Packs and unpacks files apart from the page, so that it stays responsive.

import { createKeccak, createSHA256 } from "hash-wasm";

import { linesOf, Packer, stream } from "./archive.js";
import { random, useHashes } from "./bytes.js";
import { cidOf } from "./cid.js";
import { encode, read, Refused } from "./documents.js";
import { manifestOf, wrongPages } from "./formats.js";

const PART = 2 << 20;
const SHOWN = 5;
const MOST_OPEN = 64 << 20; // What is scored whole, where the auction takes no samples.

async function pack({ files, where, provider, members }) {
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  const key = random(32);
  // A Blob of parts: the browser may keep it on disk, while one array would have to fit in memory.
  const parts = [];
  let held = [];
  let [bytes, documents, read_, told] = [0, 0, 0, 0];
  const flush = () => {
    parts.push(new Blob(held));
    [held, bytes] = [[], 0];
  };
  const packer = new Packer(key, (part) => {
    held.push(part);
    bytes += part.length;
    if (bytes >= PART) flush();
  });
  const [shown, left] = [[], []];
  for await (const document of read(files, left)) {
    const encoded = encode(document);
    packer.add(encoded);
    documents++;
    read_ += encoded.length;
    if (shown.length < SHOWN) shown.push({ text: document.text.slice(0, 400), metadata: document.metadata });
    if (read_ - told > 1 << 20) {
      told = read_;
      postMessage({ progress: { documents, share: Math.min(0.99, read_ / total) } });
    }
  }
  if (!documents) throw new Refused("empty", files.map((each) => each.name).join(", "));
  const contents = packer.finish();
  flush();
  if (members.length && contents.size > MOST_OPEN) throw new Refused("large", files[0].name);
  const archive = new Blob(parts);
  const archiveCid = await cidOf(archive);
  const manifest = manifestOf(contents, archiveCid, where, provider, key, members);
  const manifestCid = await cidOf(manifest);
  postMessage({ packed: { key, contents, archive, archiveCid, manifest, manifestCid, documents, shown, left } });
}

async function unpack({ file, key, contents }) {
  const wrong = await wrongPages(file, key, contents);
  if (wrong.length) return postMessage({ unpacked: { wrong } });
  const data = await stream(file, key, contents);
  let documents = 0;
  for (const line of linesOf(data)) documents += line.length > 0;
  postMessage({ unpacked: { documents, lines: new Blob([data]) } });
}

async function work(data) {
  const hashes = await Promise.all([createKeccak(256), createSHA256()]);
  useHashes(hashes.map((hash) => (bytes) => hash.init().update(bytes).digest("binary")));
  return data.unpack ? unpack(data.unpack) : pack(data);
}

onmessage = ({ data }) =>
  work(data).catch((error) => {
    const { code, file, line, detail } = error;
    postMessage({
      failed: error instanceof Refused ? { code, file, line, detail } : { code: "other", detail: error.message },
    });
  });
