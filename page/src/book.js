// The bid book of this browser: records with their secrets, and the archives that they seal.
//
// A record is kept in two places before anything is sent: here, and in a file that the person saves.

import { fileName, parseRecord } from "./bids.js";

const PREFIX = "qmia.bid.";

/** How many records of this browser cannot be read any more; their saved files can. */
export const damaged = () => Object.keys(localStorage).filter((name) => name.startsWith(PREFIX)).length - all().length;

export function all() {
  const found = [];
  for (let i = 0; i < localStorage.length; i++) {
    const name = localStorage.key(i);
    if (!name.startsWith(PREFIX)) continue;
    try {
      found.push(parseRecord(localStorage.getItem(name)));
    } catch {
      // Damaged here; the saved file still has it.
    }
  }
  return found.sort((a, b) => a.auction - b.auction);
}

/** Throws if the browser keeps nothing; then nothing may be sent. */
export function keep(record) {
  const name = PREFIX + fileName(record);
  const text = JSON.stringify(record, null, 2);
  localStorage.setItem(name, text);
  if (localStorage.getItem(name) !== text) throw new Error("this browser does not keep the record");
}

/** Drop a record here; its saved file still has it. */
export const forget = (record) => localStorage.removeItem(PREFIX + fileName(record));

const folder = async () => (await navigator.storage.getDirectory()).getDirectoryHandle("archives", { create: true });

/** Keep a file of a bid by its CID, if the browser has room for it; whether it has. */
export async function keepFile(cid, data) {
  try {
    const file = await (await folder()).getFileHandle(cid, { create: true });
    const stream = await file.createWritable();
    await stream.write(data);
    await stream.close();
    await navigator.storage.persist?.();
    return true;
  } catch {
    // An empty file of this name must not be taken for the whole one.
    await folder()
      .then((all) => all.removeEntry(cid))
      .catch(() => null);
    return false;
  }
}

/** A kept file as a Blob, or null. */
export async function keptFile(cid) {
  try {
    const file = await (await (await folder()).getFileHandle(cid)).getFile();
    return file.size ? file : null; // Empty where the page was closed while it was written.
  } catch {
    return null;
  }
}
