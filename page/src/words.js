// Numbers, times and sentences as people read them. All sentences stand in `strings.*.js`.

import { formatUnits, parseUnits } from "viem";

import de from "./strings.de.js";
import en from "./strings.en.js";

const LANGUAGES = { en, de };
export const languages = Object.keys(LANGUAGES);
const wanted = (navigator.languages ?? ["en"]).map((tag) => tag.slice(0, 2));
export let language = remembered() ?? wanted.find((tag) => LANGUAGES[tag]) ?? "en";

// A browser that keeps nothing for this page can still show it.
function remembered() {
  try {
    return localStorage.getItem("qmia.language");
  } catch {
    return null;
  }
}

export function setLanguage(tag) {
  language = tag;
  try {
    localStorage.setItem("qmia.language", tag);
  } catch {
    // Chosen again next time.
  }
  document.documentElement.lang = tag;
}

/** The sentence of a key, with `{name}` replaced. */
export function t(key, values = {}) {
  const sentence = LANGUAGES[language][key] ?? en[key];
  if (sentence === undefined) throw new Error(`no sentence for ${key}`);
  return sentence.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
export const has = (key) => key in en;

export const money = (amount, { decimals, symbol }) => {
  const [whole, part = ""] = formatUnits(amount, decimals).split(".");
  const grouped = BigInt(whole).toLocaleString(language);
  const point = (1.5).toLocaleString(language)[1];
  return `${grouped}${part ? point + part : ""} ${symbol}`;
};
export const ether = (wei) => money(wei, { decimals: 18, symbol: "ETH" });

/**
 * A number as typed, with a point; null if it is none. A comma may stand for the point, but "1,000" is one to some and
 * a thousand to others, and so is "1.000" to who reads this page in a language with a decimal comma.
 */
export function decimal(text) {
  const clean = text.trim();
  if (!/^\d+([.,]\d+)?$/.test(clean)) return null;
  const [, mark] = /^[1-9]\d{0,2}([.,])\d{3}$/.exec(clean) ?? [];
  if (mark === "," || (mark && (1.5).toLocaleString(language)[1] === ",")) return null;
  return clean.replace(",", ".");
}

/** An amount as typed, in the smallest unit; null if it is none. */
export function amount(text, { decimals }) {
  const clean = decimal(text);
  if (clean === null || (clean.split(".")[1] ?? "").length > decimals) return null;
  return parseUnits(clean, decimals);
}

export const when = (seconds) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);

/** A length of time in its two largest units. */
export function span(seconds) {
  const units = [
    ["day", 86400],
    ["hour", 3600],
    ["minute", 60],
    ["second", 1],
  ];
  let rest = Math.max(0, Math.round(seconds));
  const first = Math.max(
    0,
    units.findIndex(([, size]) => rest >= size),
  );
  const parts = [];
  for (const [unit, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count || !parts.length) {
      parts.push(new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count));
    }
  }
  return parts.join(" ");
}

export const size = (bytes) => {
  const unit = bytes >= 1e6 ? "megabyte" : bytes >= 1e3 ? "kilobyte" : "byte";
  const value = bytes / { megabyte: 1e6, kilobyte: 1e3, byte: 1 }[unit];
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit,
    unitDisplay: bytes < 1e3 ? "long" : "short",
    maximumFractionDigits: 1,
  }).format(value);
};
export const percent = (share) =>
  new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(share);
export const short = (address) => `${address.slice(0, 6)}…${address.slice(-4)}`;
