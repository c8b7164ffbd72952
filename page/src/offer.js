// Offering data in one auction, step by step. Nothing is sent before the secrets are saved.

import { getAddress, isAddress } from "viem";

import * as advice from "./advice.js";
import * as bids from "./bids.js";
import * as book from "./book.js";
import { equal, fromHex, must, sha } from "./bytes.js";
import { h, picker, press, save } from "./dom.js";
import { sentence } from "./errors.js";
import { pagesOf } from "./formats.js";
import { others } from "./others.js";
import { preview } from "./preview.js";
import { publishing } from "./publish.js";
import { amount, ether, money, percent, short, size, span, t } from "./words.js";

const ZERO = /^0x0+$/;
const SHORT = 3600; // seconds; a window below that is easily missed
const MUCH = 0.2; // share of the data that operators see
const LATER = ["price", "save", "publish", "commit"];

export async function offerView(app, id) {
  book.all(); // Where the browser keeps nothing, that is said before any work is done.
  const state = await app.chain.auction(id);
  const now = await app.chain.now();
  const title = h("h1", {}, t("offer.title", { id }));
  if (state.state !== "open" || now >= state.ends[0]) return [title, h("p", {}, t("offer.closed"))];
  const unit = await app.chain.token(state.terms.token);
  const steps = h("div", { className: "steps" });
  const begin = (owner) => {
    steps.replaceChildren();
    new Offer(app, state, unit, steps, owner).begin();
  };
  if (app.wallet) begin(app.wallet.account);
  else steps.append(h("p", {}, t("offer.connect")));
  return [title, warning(state, now), steps, contractWallet(app, begin)].filter(Boolean);
}

/** Says that a step of the auction is so short that it is easily missed. */
function warning(state, now) {
  const { open, reveal, deliver } = state.terms.durations;
  const shortest = Math.min(...[state.terms.scoring.samples ? open : reveal, reveal, deliver].map(Number));
  if (shortest >= SHORT) return null;
  const left = span(state.ends[0] - now);
  return h("p", { className: "warn" }, t("offer.short", { span: span(shortest), left }));
}

/** A bid may belong to a contract (a Safe, say), whose transactions are made elsewhere. */
function contractWallet(app, begin) {
  const problem = h("p", { className: "error", role: "alert", hidden: true });
  const field = h("input", { id: "safe", autocomplete: "off", spellcheck: "false" });
  const button = press({ className: "plain" }, t("offer.safe.button"), async () => {
    const right = isAddress(field.value.trim());
    const code = right && (await app.chain.client.getCode({ address: field.value.trim() }));
    problem.textContent = !right ? t("create.bad.address") : t("offer.safe.none");
    problem.hidden = Boolean(code);
    if (code) begin(getAddress(field.value.trim()));
  });
  return h(
    "details",
    {},
    h("summary", {}, t("offer.safe")),
    h("p", {}, t("offer.safe.text")),
    h("label", { for: "safe" }, t("offer.safe.label")),
    field,
    " ",
    button,
    problem,
  );
}

class Offer {
  constructor(app, state, unit, place, owner) {
    Object.assign(this, { app, state, unit, place, owner, foreign: owner !== app.wallet?.account });
  }

  /** The first step; an auction under a contract text begins with that text. */
  begin() {
    if (this.foreign) {
      this.place.append(h("p", { className: "done" }, t("offer.safe.owner", { owner: short(this.owner) })));
    }
    if (ZERO.test(this.state.terms.agreement)) this.#choose();
    else this.#agree();
  }

  #step(name, text, ...children) {
    const section = h(
      "section",
      { className: "step", id: `step-${name}` },
      h("h2", {}, t(`offer.${name}`)),
      text && h("p", {}, text),
      children,
    );
    this.place.querySelector(`#step-${name}`)?.remove();
    this.place.append(section);
    return section;
  }

  #drop(names) {
    for (const name of names) this.place.querySelector(`#step-${name}`)?.remove();
  }

  #agree() {
    const { agreement } = this.state.terms;
    const problem = h("p", { className: "error", role: "alert", hidden: true });
    const input = picker({
      id: "agreement",
      onchange: async () => {
        this.#drop(["files", ...LATER]);
        const bytes = input.files[0] && new Uint8Array(await input.files[0].arrayBuffer());
        const right = bytes && equal(sha(bytes), fromHex(agreement));
        problem.textContent = right ? "" : t("offer.agree.other");
        problem.hidden = right;
        if (right) this.#choose();
      },
    });
    const label = h("label", { className: "pick" }, t("offer.agree.label"), " ", input);
    this.#step("agree", t("offer.agree.text", { digest: agreement }), label, problem);
  }

  #choose() {
    const status = h("div", { role: "status" });
    const pick = (properties, key) => {
      const input = picker({
        multiple: true,
        ...properties,
        onchange: () => this.app.run(() => this.#pack(input.files, status)),
      });
      return h("label", { className: "pick" }, t(key), " ", input);
    };
    const one = pick({ id: "files" }, "offer.choose");
    const folder = pick({ webkitdirectory: true, id: "folder" }, "offer.folder");
    this.#step("files", t("offer.files.text"), one, folder, status);
  }

  async #pack(list, status) {
    this.worker?.terminate();
    this.#drop(LATER);
    status.replaceChildren();
    if (!list.length) return;
    const files = [...list].map((file) => {
      // Below the folder that was chosen, as the tools name them.
      const path = file.webkitRelativePath ? file.webkitRelativePath.split("/").slice(1).join("/") : file.name;
      return { name: path, file };
    });
    const sampled = this.state.terms.scoring.samples > 0;
    const members = sampled ? [] : await bids.memberKeys(this.state);
    const bar = h("progress", { max: 1, value: 0, "aria-label": t("offer.files") });
    // Seen at every megabyte, and heard at every quarter.
    const count = h("span", { "aria-hidden": "true" });
    const heard = h("span", { className: "heard" });
    let quarter = 0;
    const cancel = h(
      "button",
      { onclick: () => (this.worker.terminate(), status.replaceChildren()) },
      t("offer.cancel"),
    );
    status.replaceChildren(bar, " ", count, heard, " ", cancel);
    this.worker = new Worker("worker.js");
    const failed = (text) => {
      this.worker.terminate();
      status.replaceChildren(h("p", { className: "error", role: "alert" }, text));
    };
    this.worker.onerror = (event) => failed(event.message || t("error.offline"));
    this.worker.onmessage = ({ data }) => {
      if (data.progress) {
        bar.value = data.progress.share;
        count.textContent = t("offer.packing", { documents: data.progress.documents });
        if (Math.floor(4 * bar.value) > quarter) heard.textContent = percent((quarter = Math.floor(4 * bar.value)) / 4);
        return;
      }
      if (data.failed) return failed(sentence(Object.assign(new Error(data.failed.detail), data.failed)));
      this.worker.terminate();
      this.packed = data.packed;
      status.replaceChildren(...this.#preview());
      if (this.state.terms.enrolment) this.#save(0n);
      else this.#price();
    };
    this.worker.postMessage({ files, where: this.state.where, provider: this.owner, members });
  }

  #preview() {
    const { contents, documents, shown, left } = this.packed;
    const pages = pagesOf(contents);
    const { samples } = this.state.terms.scoring;
    const seen = samples ? Math.min(samples, pages) : pages;
    const facts = { documents, size: size(contents.size), pages, seen, share: percent(seen / pages) };
    const list = shown.map(({ text, metadata }) =>
      h("li", {}, h("blockquote", { dir: "auto" }, text), h("code", {}, JSON.stringify(metadata).slice(0, 300))),
    );
    const exposed = this.#exposed(contents, pages);
    return [
      h("p", { id: "packed" }, t("offer.packed", facts)),
      left.length > 0 && h("p", { className: "small" }, t("offer.left", { files: left.join(", ") })),
      this.#known(contents) &&
        h("p", { className: "warn" }, t("offer.again"), " ", h("a", { href: "#/bids" }, t("nav.bids"))),
      samples > 0 && exposed > MUCH && h("p", { className: "warn" }, t("offer.exposed", { share: percent(exposed) })),
      h("details", {}, h("summary", {}, t("offer.preview")), h("ol", {}, list)),
      preview(this.app, this.packed, this.state.terms.scoring.qMin),
    ].filter(Boolean);
  }

  /** Whether this browser has a bid with the same data in this auction: another one would be paid as well. */
  #known({ content_digest }) {
    return book
      .all()
      .some(
        (bid) =>
          bid.auction === Number(this.state.id) &&
          bid.chain_id === this.state.chain.id &&
          bid.contract === this.state.where.contract &&
          equal(fromHex(bid.content_digest), content_digest),
      );
  }

  /** Share of the data that operators see, by independent draws of this auction and of those before it. */
  #exposed({ content_digest }, pages) {
    const share = (samples) => (samples ? Math.min(1, samples / pages) : 1);
    const before = book
      .all()
      .filter((bid) => equal(fromHex(bid.content_digest), content_digest) && bid.auction !== Number(this.state.id));
    const unseen = before.reduce((rest, bid) => rest * (1 - share(bid.samples)), 1);
    return 1 - unseen * (1 - share(this.state.terms.scoring.samples));
  }

  #price() {
    const problem = h("p", { className: "error", role: "alert", hidden: true });
    const field = h("input", { id: "price", inputmode: "decimal", autocomplete: "off" });
    const beta = this.state.created.args.beta;
    const next = () => {
      const cost = amount(field.value, this.unit);
      const bad = !cost
        ? t("offer.price.bad", this.unit)
        : cost > beta
          ? t("offer.price.high", { most: money(beta, this.unit) })
          : "";
      problem.textContent = bad;
      problem.hidden = !bad;
      this.#drop(LATER.slice(1));
      if (!bad) this.#save(cost);
    };
    field.addEventListener("change", next);
    const label = h("label", { for: "price" }, t("offer.price.label", this.unit));
    const mixed = this.state.terms.rho < 1e9 ? advice.form(this.state.terms.rho, this.unit) : null;
    const token = h(
      "p",
      { className: "small" },
      t("auction.token.text", this.unit),
      " ",
      h("code", {}, this.unit.address),
    );
    this.#step("price", t("offer.price.text"), label, field, problem, token, mixed);
  }

  #save(cost) {
    const saved = h("div", { role: "status" });
    const button = press({ id: "save" }, t("offer.save.button"), () =>
      this.app.run(async () => {
        must(this.foreign || this.app.wallet?.account === this.owner, "account");
        const bid = bids.record(this.state, this.owner, cost, this.packed);
        const files = [
          { name: bid.archive, data: this.packed.archive },
          { name: bid.manifest, data: new Blob([this.packed.manifest]) },
        ];
        const kept = [];
        for (const { name, data } of files) kept.push(await book.keepFile(name, data));
        book.keep(bid);
        save(bids.fileName(bid), JSON.stringify(bid, null, 2), "application/json");
        saved.replaceChildren(h("p", {}, t("offer.saved", { name: bids.fileName(bid) })));
        if (!kept.every(Boolean)) saved.append(...this.#unkept(files));
        this.#publish(bid, files);
      }),
    );
    const asked = cost > 0n && h("p", {}, h("strong", {}, t("offer.save.price", { price: money(cost, this.unit) })));
    this.#step("save", t("offer.save.text"), asked, button, saved);
  }

  /** The sample is opened from these files, so who has no other copy of them would lose the bond. */
  #unkept(files) {
    const button = ({ name, data }) =>
      h("p", {}, h("button", { className: "plain", onclick: () => save(name, data) }, t("offer.download", { name })));
    return [h("p", { className: "warn" }, t("offer.unkept")), ...files.map(button)];
  }

  #publish(bid, files) {
    this.#step(
      "publish",
      t("offer.publish.text"),
      publishing(this.app, files, () => this.#commit(bid)),
    );
  }

  #commit(bid) {
    const { bond, entryFee } = this.state;
    const done = h("p", { role: "status" });
    const costs = { bond: ether(bond), fee: ether(entryFee), total: ether(bond + entryFee) };
    const button =
      this.app.wallet?.account === this.owner &&
      press({ id: "commit" }, t("offer.commit.button"), async () => {
        const sent = await this.app.run((told) => bids.commitOnce(this.app, this.state, bid, told));
        if (sent) done.append(t("offer.committed"), " ", h("a", { href: "#/bids" }, t("nav.bids")));
        return sent;
      });
    const section = this.#step("commit", t("offer.commit.text", costs), button || null, done);
    section.append(others(this.app, this.state, bid, "commit"));
  }
}
