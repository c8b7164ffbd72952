// Bytes as Uint8Array: everything here works alike in a browser and in Node.

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

const encoder = new TextEncoder();

export const bytesOf = (part) => (typeof part === "string" ? encoder.encode(part) : part);

export function join(...parts) {
  const all = parts.map((part) => (Array.isArray(part) ? Uint8Array.from(part) : bytesOf(part)));
  const out = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of all) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Unsigned and big-endian, in `size` bytes. */
export function uint(value, size) {
  const out = new Uint8Array(size);
  let rest = BigInt(value);
  for (let i = size - 1; i >= 0; i--) {
    out[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return out;
}

export const toHex = (bytes) => `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;

export function fromHex(text) {
  const digits = text.startsWith("0x") ? text.slice(2) : text;
  if (digits.length % 2 || /[^0-9a-f]/i.test(digits)) throw new Error(`this is no hexadecimal: ${text}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
export const number = (bytes) => BigInt(bytes.length ? toHex(bytes) : 0);
export const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
export const derive = (secret, info, size = 32) => hkdf(sha256, secret, undefined, bytesOf(info), size);
export const random = (size) => crypto.getRandomValues(new Uint8Array(size));

// Archives of some hundred megabytes are hashed three times, so the worker puts faster functions here.
let [keccak256, sha2] = [keccak_256, sha256];
export const useHashes = (faster) => ([keccak256, sha2] = faster);
export const keccak = (...parts) => keccak256(parts.length === 1 ? bytesOf(parts[0]) : join(...parts));
export const sha = (data) => sha2(data);

export function must(condition, message) {
  if (!condition) throw new Error(message);
}
