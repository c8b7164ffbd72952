// Creating an auction: a form that explains each term, an example of the clock that follows it, and the two
// transactions. What was typed is kept in this browser, so a reload loses nothing.

import { BaseError, ContractFunctionRevertedError } from "viem";

import { sha, toHex } from "./bytes.js";
import { ABI } from "./chain.js";
import { h, picker, save } from "./dom.js";
import { example } from "./example.js";
import * as purchase from "./purchase.js";
import { row, table } from "./table.js";
import { clash, FIELDS, isUsed, scaled, struct, toml, WINDOWS, ZERO } from "./terms.js";
import { span, t, when } from "./words.js";

const DRAFT = "qmia.draft";

// What was typed; a browser that keeps nothing forgets it at a reload.
function draft() {
  try {
    return JSON.parse(sessionStorage.getItem(DRAFT) ?? "{}");
  } catch {
    return {};
  }
}

function keepDraft(texts) {
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(texts));
  } catch (error) {
    console.error(error);
  }
}

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
    this.sending = false;
    this.asks = [10, 18, 22, 30, 45]; // of the example, in per cent of what can be spent
    this.example = h("section", { className: "step", "aria-live": "polite" });
    this.schedule = h("div", {});
    this.checked = h("div", { role: "status" });
    const kept = draft();
    this.enrolment = h("input", { type: "checkbox", id: "in-enrolment", onchange: () => this.look() });
    this.enrolment.checked = kept.enrolment === true;
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
          name === "money" && this.#enrolment(),
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

  #enrolment() {
    return h(
      "div",
      { className: "field" },
      h("label", { for: "in-enrolment" }, this.enrolment, " ", t("create.enrolment")),
      h("span", { className: "small" }, t("create.enrolment.text")),
    );
  }

  #agreement() {
    const shown = h("code", {});
    const input = picker({
      id: "agreement",
      onchange: async () => {
        const [file] = input.files;
        this.agreement = file ? toHex(sha(new Uint8Array(await file.arrayBuffer()))) : ZERO;
        shown.textContent = file ? this.agreement : "";
        await this.look();
      },
    });
    return h("label", { className: "pick" }, t("create.agreement"), " ", input, " ", shown);
  }

  /** What is typed, by field. */
  get texts() {
    return Object.fromEntries([...this.inputs].map(([key, { input }]) => [key, input.value]));
  }

  #wrong(key, sentence) {
    const { input, problem } = this.inputs.get(key);
    problem.textContent = sentence;
    problem.hidden = !sentence;
    if (sentence) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  /** Value of a field, or null; what is wrong stands beside it. */
  #value(key, read) {
    const { input } = this.inputs.get(key);
    const unused = !isUsed(key, this.texts, this.appeal, this.enrolment.checked);
    input.closest(".field").hidden = unused;
    let [value, wrong] = [null, ""];
    try {
      value = unused ? 0 : read(input.value);
    } catch (error) {
      wrong = t(`create.bad.${error.message}`);
    }
    this.#wrong(key, wrong && (input.value || this.asked) ? wrong : "");
    return value;
  }

  /** Read the form, and draw what follows from it. */
  async look() {
    keepDraft({ ...this.texts, enrolment: this.enrolment.checked });
    this.checked.replaceChildren();
    this.send.disabled = this.sending;
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
      this.unknown = !panels?.[0].members.length;
    }
    if (values.token) {
      this.unit = await this.app.chain.token(values.token).catch(() => null);
    } else this.unit = null;
    read();
    if (values.token && !this.unit) this.#wrong("token", t("create.bad.token"));
    if (values.operatorSet && this.unknown) this.#wrong("operatorSet", t("revert.UnknownSet"));
    const amiss = clash(values);
    if (amiss) {
      this.#wrong(amiss[0], t(`create.bad.${amiss[1]}`));
      values[amiss[0]] = null;
    }
    this.values = Object.values(values).includes(null) ? null : values;
    this.#example(values);
    await this.#schedule(values);
  }

  get terms() {
    return struct(this.values, this.agreement, this.enrolment.checked);
  }

  #example(values) {
    const { budget, rho, tranche } = values;
    const known = this.unit && budget && rho !== null && tranche !== null && !this.enrolment.checked;
    this.example.replaceChildren(...(known ? example(values, this.unit, this.asks) : []));
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
    const load = picker({
      id: "key",
      onchange: () => this.app.run(async () => have(purchase.parseKey(await load.files[0].text()))),
    });
    const file = h(
      "button",
      {
        type: "button",
        className: "plain",
        onclick: () => this.#ready() && save("terms.toml", toml(this.terms, this.texts), "text/plain"),
      },
      t("create.toml"),
    );
    this.send = h("button", { type: "button", id: "create", onclick: () => this.#create() }, t("create.send"));
    return h(
      "section",
      { className: "step" },
      h("h2", {}, t("create.key")),
      h("p", {}, t("create.key.text")),
      h("p", {}, make, " ", h("label", { className: "pick" }, t("create.key.load"), " ", load), saved),
      h("h2", {}, t("create.finish")),
      h("p", {}, t("create.finish.text")),
      h("p", {}, this.send, " ", file),
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

  async #create() {
    if (!this.#ready()) return;
    if (!this.secret) {
      this.checked.replaceChildren(h("p", { className: "error", role: "alert" }, t("create.key.missing")));
      return;
    }
    const { app, terms, values } = this;
    this.send.disabled = this.sending = true;
    const receipt = await app.run(async (told) => {
      const call = await purchase.create(app.chain, terms, this.secret, app.wallet.account, values.bounty);
      return purchase.payOnce(app, "create", terms.token, terms.budget, call, told, () => this.#tryTerms(call));
    });
    // Once more with the same terms would be another auction, and another budget: only after a change.
    this.sending = false;
    this.send.disabled = Boolean(receipt?.logs);
    if (!receipt?.logs) return;
    keepDraft({});
    const args = purchase.createdIn(app.chain, receipt);
    const id = Number(args.auctionId);
    const done = [
      h("p", { className: "done" }, t("create.done"), " ", h("a", { href: `#/buy/${id}` }, t("list.auction", { id }))),
    ];
    // An auction that was on its way when the page was closed is found again, whichever key is chosen now.
    if (!purchase.isKeyOf({ created: { args } }, this.secret)) {
      done.push(h("p", { className: "error", role: "alert" }, t("create.done.other")));
    }
    this.checked.replaceChildren(...done);
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
}
