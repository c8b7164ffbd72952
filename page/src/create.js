// Creating an auction: a form that explains each term, an example of the clock that follows it, and the two
// transactions. What was typed is kept in this browser, so a reload loses nothing.

import { BaseError, ContractFunctionRevertedError, getAddress, isAddress, parseUnits } from "viem";

import { sha, toHex } from "./bytes.js";
import { ABI } from "./chain.js";
import { supplyCurve } from "./chart.js";
import * as clock from "./clock.js";
import { h, save } from "./dom.js";
import * as purchase from "./purchase.js";
import { row, table } from "./table.js";
import { ether, money, percent, span, t, when } from "./words.js";

const DRAFT = "qmia.draft";
const ZERO = `0x${"0".repeat(64)}`;
const GWEI = 9;
const SECONDS = { s: 1, min: 60, h: 3600, d: 86400 };
const WINDOWS = [
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
function scaled(text, digits, most = null) {
  const clean = text.trim().replace(",", ".");
  if (!/^\d+(\.\d+)?$/.test(clean)) bad("number");
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
const wad = (text) => scaled(text, 18, 2n ** 64n - 1n);
function seconds(text) {
  const found = /^(\d+)\s*(s|min|h|d)$/.exec(text.trim());
  return found ? Number(found[1]) * SECONDS[found[2]] : bad("time");
}

const FIELDS = {
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
  times: WINDOWS.map(([name, value]) => [name, value, seconds]),
};
const OPTIONAL = new Set(["challenge", "appealFee", "open"]); // Not asked for where the auction has no use for them.

export async function createView(app) {
  const title = h("h1", {}, t("create.title"));
  if (!app.wallet) return [title, h("p", {}, t("create.connect"))];
  const form = new Form(app);
  await form.look();
  return [title, h("p", { className: "intro" }, t("create.intro")), form.element];
}

class Form {
  constructor(app) {
    this.app = app;
    this.inputs = new Map();
    this.unit = null;
    this.appeal = true;
    this.agreement = ZERO;
    this.secret = null;
    this.example = h("section", { className: "step", "aria-live": "polite" });
    this.schedule = h("div", {});
    this.checked = h("div", { role: "status" });
    const kept = JSON.parse(sessionStorage.getItem(DRAFT) ?? "{}");
    const sections = Object.entries(FIELDS).map(([name, fields]) =>
      h(
        "section",
        { className: "step", id: `create-${name}` },
        h("h2", {}, t(`create.${name}`)),
        h("p", {}, t(`create.${name}.text`)),
        h(
          "div",
          { className: "fields" },
          fields.map(([key, value]) => this.#field(key, kept[key] ?? value)),
        ),
        name === "money" && this.#agreement(),
        name === "times" && this.schedule,
      ),
    );
    sections.splice(1, 0, this.example);
    this.element = h(
      "form",
      { novalidate: true, onsubmit: (event) => event.preventDefault() },
      sections,
      this.#finish(),
    );
  }

  #field(key, value) {
    const input = h("input", {
      id: `in-${key}`,
      value,
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": `about-${key}`,
    });
    const problem = h("span", { className: "error", id: `bad-${key}`, hidden: true });
    input.addEventListener("change", () => this.look());
    this.inputs.set(key, { input, problem });
    return h(
      "div",
      { className: "field" },
      h("label", { for: `in-${key}` }, t(`create.${key}`)),
      input,
      h("span", { className: "small", id: `about-${key}` }, t(`create.${key}.text`)),
      problem,
    );
  }

  #agreement() {
    const shown = h("code", {});
    const input = h("input", {
      type: "file",
      id: "agreement",
      onchange: async () => {
        const [file] = input.files;
        this.agreement = file ? toHex(sha(new Uint8Array(await file.arrayBuffer()))) : ZERO;
        shown.textContent = file ? this.agreement : "";
      },
    });
    return h("label", { className: "pick" }, t("create.agreement"), " ", input, " ", shown);
  }

  #text(key) {
    return this.inputs.get(key).input.value;
  }

  /** Value of a field, or null; what is wrong stands beside it. */
  #value(key, read) {
    const { input, problem } = this.inputs.get(key);
    const unused = OPTIONAL.has(key) && !this.#used(key);
    input.closest(".field").hidden = unused;
    let [value, wrong] = [null, ""];
    try {
      value = unused ? 0 : read(input.value);
    } catch (error) {
      wrong = t(`create.bad.${error.message}`);
    }
    const said = wrong && (input.value || this.asked) ? wrong : "";
    problem.textContent = said;
    problem.hidden = !said;
    if (said) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    return value;
  }

  #used(key) {
    return key === "open" ? this.#text("samples").trim() !== "0" : this.appeal;
  }

  /** Read the form, and draw what follows from it. */
  async look() {
    const draft = Object.fromEntries([...this.inputs].map(([key, { input }]) => [key, input.value]));
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
    this.checked.replaceChildren();
    const values = {};
    const read = () => {
      for (const [key, , reader] of Object.values(FIELDS).flat()) if (reader) values[key] = this.#value(key, reader);
      values.budget = this.unit
        ? this.#value("budget", (text) => scaled(text, this.unit.decimals, 2n ** 80n - 1n))
        : null;
    };
    read();
    if (values.operatorSet) {
      const panels = await this.app.chain.panels(values.operatorSet).catch(() => null);
      this.appeal = !panels || panels[1].members.length > 0;
      if (!panels?.[0].members.length) {
        const { problem } = this.inputs.get("operatorSet");
        problem.textContent = t("revert.UnknownSet");
        problem.hidden = false;
      }
    }
    if (values.token) {
      this.unit = await this.app.chain.token(values.token).catch(() => null);
      if (!this.unit) {
        const { problem } = this.inputs.get("token");
        problem.textContent = t("create.bad.token");
        problem.hidden = false;
      }
    } else this.unit = null;
    read();
    this.values = Object.values(values).includes(null) ? null : values;
    this.#example(values);
    await this.#schedule(values);
  }

  get terms() {
    const v = this.values;
    return {
      token: v.token,
      budget: v.budget,
      pool: this.#pool(v),
      rho: v.rho,
      tranche: v.tranche,
      weights: { family: 0, eta: v.eta, kappa: v.kappa, gamma: v.gamma },
      bondGwei: v.bond,
      maxBids: v.maxBids,
      enrolment: false,
      agreement: this.agreement,
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
      dst: { supply: 0n, floor: 0n, cap: 0n, volumeWeight: 0, qualityWeight: 0, impactWeight: 0 },
    };
  }

  /** The pool of revenue shares that goes with the budget, so that nothing of either is left over. */
  #pool({ budget, rho }) {
    return rho ? (budget * (10n ** 9n - BigInt(rho))) / BigInt(rho) : budget;
  }

  // EXAMPLE: five made-up providers; their prices can be moved.

  #example({ budget, rho, tranche }) {
    if (budget === null || rho === null || tranche === null || !this.unit || !budget)
      return this.example.replaceChildren();
    const given = { budget: rho ? budget : 0n, pool: this.#pool({ budget, rho }), rho };
    const beta = clock.betaOf(given);
    this.moved ??= [10, 18, 22, 30, 45];
    const worth = [60, 50, 90, 30, 40];
    const out = h("div", {});
    const draw = () => {
      const bids = worth.map((each, index) => ({
        index,
        cost: (beta * BigInt(this.moved[index])) / 100n,
        weight: BigInt(each) * 10n ** 16n,
        flagged: index === 4,
      }));
      const found = clock.run(bids, beta, tranche);
      const won = new Map(found.winners.map((bid) => [bid.index, bid]));
      const mut = { ...this.unit, symbol: "MUT" };
      const priceOf = (bid) => (found.split && !bid.flagged ? found.other : found.price);
      const prices = [found.price, found.other].filter(Boolean);
      const curve = supplyCurve(
        bids.map((bid) => ({ ...bid, won: won.has(bid.index) })),
        prices,
        this.unit,
      );
      const line = (bid) => {
        const paid = won.has(bid.index) ? clock.rewardOf(priceOf(bid), bid.weight, rho) : null;
        return row(
          String.fromCharCode(65 + bid.index) + (bid.flagged && tranche ? ` (${t("create.flagged")})` : ""),
          (Number(bid.weight) / 1e18).toFixed(2),
          money(bid.cost, this.unit),
          paid ? money(paid.cash, this.unit) : t("state.lost"),
          paid?.mut ? money(paid.mut, mut) : "",
        );
      };
      const heads = ["bid", "weight", "price", "cash", "mut"].map((name) => t(`create.column.${name}`));
      out.replaceChildren(curve, table(t("create.example"), heads, bids, line));
    };
    const sliders = this.moved.map((value, index) => {
      const name = String.fromCharCode(65 + index);
      const slider = h("input", { type: "range", min: 1, max: 100, value, "aria-label": t("create.slider", { name }) });
      slider.addEventListener("input", () => {
        this.moved[index] = Number(slider.value);
        draw();
      });
      return h("label", {}, name, " ", slider);
    });
    draw();
    const facts = {
      beta: money(beta, this.unit),
      cash: percent(rho / 1e9),
      pool: money(given.pool, { ...this.unit, symbol: "MUT" }),
    };
    this.example.replaceChildren(
      h("h2", {}, t("create.example")),
      h("p", {}, t("create.example.text", facts)),
      h("div", { className: "sliders" }, sliders),
      out,
    );
  }

  async #schedule(values) {
    const names = ["commit", "open", "score", "reveal", "settle", "fetch", "deliver", "dispute"];
    const round = values.scoreCommit + values.scoreOpen + values.scorePost;
    const lengths = { ...values, score: values.roll + round + (values.challenge ? values.challenge + round : 0) };
    if (names.some((name) => lengths[name] === null) || WINDOWS.some(([name]) => values[name] === null)) {
      return this.schedule.replaceChildren();
    }
    let at = await this.app.chain.now();
    const lines = names
      .filter((name) => lengths[name])
      .map((name) => ({ name, length: lengths[name], end: (at += lengths[name]) }));
    const heads = [t("auction.phase"), t("create.length"), t("auction.ends")];
    this.schedule.replaceChildren(
      h("p", {}, t("create.schedule")),
      table(t("auction.phases"), heads, lines, ({ name, length, end }) =>
        row(t(`phase.${name}`), span(length), when(end)),
      ),
    );
  }

  // KEY AND TRANSACTIONS

  #finish() {
    const saved = h("span", { role: "status" });
    const have = (secret) => {
      this.secret = secret;
      saved.textContent = t("create.key.here");
    };
    const make = h(
      "button",
      {
        type: "button",
        onclick: () => {
          const secret = purchase.newKey();
          save("buyer.key", purchase.keyFile(secret), "text/plain");
          have(secret);
        },
      },
      t("create.key.make"),
    );
    const load = h("input", {
      type: "file",
      id: "key",
      onchange: () => this.app.run(async () => have(purchase.parseKey(await load.files[0].text()))),
    });
    const file = h(
      "button",
      {
        type: "button",
        className: "plain",
        onclick: () => this.#ready() && save("terms.toml", this.toml(), "text/plain"),
      },
      t("create.toml"),
    );
    const send = h("button", { type: "button", id: "create", onclick: () => this.#send(send) }, t("create.send"));
    return h(
      "section",
      { className: "step" },
      h("h2", {}, t("create.key")),
      h("p", {}, t("create.key.text")),
      h("p", {}, make, " ", h("label", { className: "pick" }, t("create.key.load"), " ", load), saved),
      h("h2", {}, t("create.finish")),
      h("p", {}, t("create.finish.text")),
      h("p", {}, send, " ", file),
      this.checked,
    );
  }

  #ready() {
    if (!this.values) {
      this.asked = true; // From now on empty fields are named, too.
      for (const [key, , reader] of Object.values(FIELDS).flat()) if (reader) this.#value(key, reader);
      this.checked.replaceChildren(h("p", { className: "error", role: "alert" }, t("create.incomplete")));
      this.element.querySelector("[aria-invalid]")?.focus();
    }
    return this.values;
  }

  async #send(button) {
    if (!this.#ready()) return;
    if (!this.secret) {
      this.checked.replaceChildren(h("p", { className: "error", role: "alert" }, t("create.key.missing")));
      return;
    }
    const { app, terms, values } = this;
    button.disabled = true;
    const receipt = await app.run(async (told) => {
      const call = await purchase.create(app.chain, terms, this.secret, app.wallet.account, values.bounty);
      return purchase.payOnce(app, "create", terms.token, terms.budget, call, told, () => this.#tryTerms(call));
    });
    button.disabled = false;
    if (!receipt?.logs) return;
    sessionStorage.removeItem(DRAFT);
    const id = purchase.createdIn(app.chain, receipt);
    this.checked.replaceChildren(
      h("p", { className: "done" }, t("create.done"), " ", h("a", { href: `#/buy/${id}` }, t("list.auction", { id }))),
    );
  }

  /** Let the contract refuse the terms before an approval is paid for; only the token's own refusal is let pass. */
  async #tryTerms({ functionName, args, value }) {
    const address = this.app.chain.address("DataAuction");
    const abi = [...ABI.DataAuction, ...ABI.ScoreOracle.filter((each) => each.type === "error")];
    try {
      await this.app.chain.client.simulateContract({
        address,
        abi,
        functionName,
        args,
        value,
        account: this.app.wallet.account,
      });
    } catch (error) {
      const reverted =
        error instanceof BaseError && error.walk((each) => each instanceof ContractFunctionRevertedError);
      const name = reverted?.data?.errorName;
      const ours =
        abi.some((each) => each.type === "error" && each.name === name) && name !== "SafeERC20FailedOperation";
      if (ours || !reverted) throw error;
    }
  }

  /** The terms as the file that `qmia buyer create` reads. */
  toml() {
    const [v, terms] = [this.values, this.terms];
    const text = (key) => this.#text(key).trim().replace(",", ".");
    const part = (ppb) => `"${ppb}/1000000000"`;
    return [
      `token = "${terms.token}"`,
      `budget = ${terms.budget}`,
      `pool = ${terms.pool}`,
      `rho = ${part(terms.rho)}`,
      `tranche = ${part(terms.tranche)}`,
      `bond = "${text("bond")} ether"`,
      `max_bids = ${terms.maxBids}`,
      `agreement = "${terms.agreement}"`,
      "",
      "[scoring]",
      `operator_set = ${v.operatorSet}`,
      `samples = ${v.samples}`,
      `q_min = "${text("qMin")}"`,
      ...["stake", "fee", "entryFee", "appealFee", "fetchFee"].map(
        (key) => `${snake(key)} = "${v[key] ? text(key) : 0} ether"`,
      ),
      `metric_version = "${v.metricVersion}"`,
      `evaluation = "${v.evaluation}"`,
      "",
      "[weights]",
      ...["eta", "kappa", "gamma"].map((key) => `${key} = "${text(key)}"`),
      "",
      "[durations]",
      ...WINDOWS.map(([key]) => `${snake(key)} = ${v[key]}`),
      "",
    ].join("\n");
  }
}
