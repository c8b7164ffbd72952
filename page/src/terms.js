// The terms of an auction as a buyer types them: what each field takes, the struct that the contract reads, and the
// file that `qmia buyer create` reads.

import { formatUnits, getAddress, isAddress, parseUnits } from "viem";

import { decimal } from "./words.js";

export const ZERO = `0x${"0".repeat(64)}`;
const GWEI = 9;
const SECONDS = { s: 1, min: 60, h: 3600, d: 86400 };
export const WINDOWS = [
  ["commit", "7 d"],
  ["open", "1 d"],
  ["roll", "1 d"],
  ["scoreCommit", "2 d"],
  ["scoreOpen", "6 h"],
  ["scorePost", "6 h"],
  ["challenge", "1 d"],
  ["reveal", "2 d"],
  ["settle", "1 d"],
  ["fetch", "1 d"],
  ["deliver", "2 d"],
  ["dispute", "2 d"],
];
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

// FIELDS: what is typed, and what a contract takes for it; a reader throws the key of a sentence.

const bad = (key) => {
  throw new Error(key);
};
export function scaled(text, digits, most = null) {
  const clean = decimal(text) ?? bad("number");
  if ((clean.split(".")[1] ?? "").length > digits) bad("digits");
  const value = parseUnits(clean, digits);
  if (most !== null && value > most) bad("large");
  return value;
}
const share = (text) => Number(scaled(text, 7, 10n ** 9n)); // percent, in parts per billion
const gwei = (text) => Number(scaled(text, GWEI, 2n ** 40n - 1n));
const whole = (least, most) => (text) => {
  const value = Number(scaled(text, 0));
  if (value < least || value > most) bad("range");
  return value;
};
const digest = (text) => (/^0x[0-9a-f]{64}$/i.test(text.trim()) ? text.trim().toLowerCase() : bad("digest"));
const dst = (text) => scaled(text, 18, 2n ** 88n - 1n);
const wad = (text) => scaled(text, 18, 2n ** 64n - 1n);
function seconds(text) {
  const found = /^(\d+)\s*(s|min|h|d)$/.exec(text.trim());
  return found ? Number(found[1]) * SECONDS[found[2]] : bad("time");
}

export const FIELDS = {
  money: [
    ["token", "", (text) => (isAddress(text.trim()) ? getAddress(text.trim()) : bad("address"))],
    ["budget", "450", null],
    ["rho", "75", share],
    ["tranche", "0", share],
    ["bond", "0.01", gwei],
    ["maxBids", "1000", whole(1, 10_000)],
  ],
  scoring: [
    ["operatorSet", "1", whole(1, 2 ** 32 - 1)],
    ["samples", "64", whole(0, 2048)],
    ["qMin", "0.1", (text) => Number(scaled(text, 4, 10_000n))],
    ["fee", "0.3", gwei],
    ["entryFee", "0.001", gwei],
    ["stake", "1", gwei],
    ["appealFee", "0.1", gwei],
    ["fetchFee", "0.002", gwei],
    ["bounty", "0.01", (text) => scaled(text, 18)],
    ["metricVersion", "", digest],
    ["evaluation", "", digest],
  ],
  weights: [
    ["eta", "1", wad],
    ["kappa", "0", wad],
    ["gamma", "1", wad],
  ],
  dst: [
    ["dstSupply", "0", dst],
    ["dstFloor", "0", dst],
    ["dstCap", "0", dst],
    ["volumeWeight", "30", share],
    ["qualityWeight", "40", share],
    ["impactWeight", "30", share],
  ],
  times: WINDOWS.map(([name, value]) => [name, value, seconds]),
};

const whether = (test) => (keys) => keys.map((key) => [key, test]);
/** Fields that some auctions have no use for, with whether this one has, by what is typed and whether the set appeals. */
const OPTIONAL = new Map([
  ...whether(({ samples }) => samples.trim() !== "0")(["open"]),
  ...whether((_, appeal) => appeal)(["challenge", "appealFee"]),
  ...whether((_, __, enrolment) => !enrolment)(["rho", "tranche"]),
  ...whether(({ dstSupply }) => !/^0*([.,]0*)?$/.test(dstSupply.trim()))(FIELDS.dst.slice(1).map(([key]) => key)),
]);

/** Whether a field is asked for. @param texts what is typed, by field. */
export const isUsed = (key, texts, appeal, enrolment) => OPTIONAL.get(key)?.(texts, appeal, enrolment) ?? true;

/** Key of a sentence about values that do not go together, with the field that it stands at; null where they do. */
export function clash(v) {
  if (!v.dstSupply) return null;
  if (v.dstCap < v.dstFloor || !v.dstCap) return ["dstCap", "cap"];
  if (v.volumeWeight + v.qualityWeight + v.impactWeight !== 1e9) return ["volumeWeight", "weights"];
  return null;
}

/** The pool of revenue shares that goes with a budget, so that nothing of either is left over. */
export const poolOf = ({ budget, rho }) => (rho ? (budget * (10n ** 9n - BigInt(rho))) / BigInt(rho) : budget);

/** The contract's struct. @param v values by field; @param agreement digest of the contract text. */
export const struct = (v, agreement, enrolment) => ({
  token: v.token,
  budget: v.rho ? v.budget : 0n,
  pool: poolOf(v),
  rho: v.rho,
  tranche: v.tranche,
  weights: { family: 0, eta: v.eta, kappa: v.kappa, gamma: v.gamma },
  bondGwei: v.bond,
  maxBids: v.maxBids,
  enrolment,
  agreement,
  scoring: {
    operatorSet: v.operatorSet,
    samples: v.samples,
    qMin: v.qMin,
    stakeGwei: v.stake,
    feeGwei: v.fee,
    entryFeeGwei: v.entryFee,
    appealFeeGwei: v.appealFee,
    fetchFeeGwei: v.fetchFee,
    metricVersion: v.metricVersion,
    evaluation: v.evaluation,
  },
  durations: Object.fromEntries(WINDOWS.map(([name]) => [name, v[name]])),
  dst: v.dstSupply
    ? {
        supply: v.dstSupply,
        floor: v.dstFloor,
        cap: v.dstCap,
        volumeWeight: v.volumeWeight,
        qualityWeight: v.qualityWeight,
        impactWeight: v.impactWeight,
      }
    : { supply: 0n, floor: 0n, cap: 0n, volumeWeight: 0, qualityWeight: 0, impactWeight: 0 },
});

/** The terms as the file that `qmia buyer create` reads. @param texts what is typed, by field. */
export function toml(terms, texts) {
  const text = (key) => texts[key].trim().replace(",", ".");
  const part = (ppb) => `"${ppb}/1000000000"`;
  const ether = (gwei) => `"${formatUnits(BigInt(gwei), GWEI)} ether"`;
  const { scoring, durations, dst } = terms;
  return [
    `token = "${terms.token}"`,
    `budget = ${terms.budget}`,
    `pool = ${terms.pool}`,
    `rho = ${part(terms.rho)}`,
    `tranche = ${part(terms.tranche)}`,
    `bond = ${ether(terms.bondGwei)}`,
    `max_bids = ${terms.maxBids}`,
    `enrolment = ${terms.enrolment}`,
    `agreement = "${terms.agreement}"`,
    "",
    "[scoring]",
    `operator_set = ${scoring.operatorSet}`,
    `samples = ${scoring.samples}`,
    `q_min = "${text("qMin")}"`,
    ...["stake", "fee", "entryFee", "appealFee", "fetchFee"].map(
      (key) => `${snake(key)} = ${ether(scoring[`${key}Gwei`])}`,
    ),
    `metric_version = "${scoring.metricVersion}"`,
    `evaluation = "${scoring.evaluation}"`,
    "",
    "[weights]",
    ...["eta", "kappa", "gamma"].map((key) => `${key} = "${text(key)}"`),
    "",
    "[durations]",
    ...WINDOWS.map(([key]) => `${snake(key)} = ${durations[key]}`),
    "",
    ...(dst.supply
      ? [
          "[dst]",
          ...["supply", "floor", "cap"].map((key) => `${key} = "${formatUnits(dst[key], 18)} DST"`),
          ...["volumeWeight", "qualityWeight", "impactWeight"].map((key) => `${snake(key)} = ${part(dst[key])}`),
          "",
        ]
      : []),
  ].join("\n");
}
