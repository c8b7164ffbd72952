// Binary trees of hashes, in the shape of RFC 6962: an odd node at the end of a level goes up unchanged.

import { keccak } from "./bytes.js";

export function levels(leaves, prefix) {
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

/** How many nodes each level has, leaves first. */
export function sizes(count) {
  const all = [count];
  while (all.at(-1) > 1) all.push(Math.ceil(all.at(-1) / 2));
  return all;
}

/** The root over leaves that come one by one; only one node of each height is held. */
export class Root {
  #prefix;
  #waiting = []; // by height; undefined where there is none

  constructor(prefix) {
    this.#prefix = prefix;
  }

  add(leaf) {
    let height = 0;
    let node = leaf;
    for (; this.#waiting[height]; height++) {
      node = keccak([this.#prefix], this.#waiting[height], node);
      this.#waiting[height] = undefined;
    }
    this.#waiting[height] = node;
  }

  digest() {
    let node;
    for (const left of this.#waiting) {
      if (left) node = node ? keccak([this.#prefix], left, node) : left;
    }
    return node;
  }
}
