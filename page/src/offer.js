// Offering data in one auction, step by step. Nothing is sent before the secrets are saved.

import * as bids from "./bids.js";
import * as book from "./book.js";
import { h, save } from "./dom.js";
import { sentence } from "./errors.js";
import { pagesOf } from "./formats.js";
import { publishing } from "./publish.js";
import { amount, ether, money, percent, size, t } from "./words.js";

export async function offerView(app, id) {
  const state = await app.chain.auction(id);
  const now = await app.chain.now();
  const title = h("h1", {}, t("offer.title", { id }));
  if (state.state !== "open" || now >= state.ends[0]) return [title, h("p", {}, t("offer.closed"))];
  if (!app.wallet) return [title, h("p", {}, t("offer.connect"))];
  const unit = await app.chain.token(state.terms.token);
  const steps = h("div", { className: "steps" });
  new Offer(app, state, unit, steps).choose();
  return [title, steps];
}

class Offer {
  constructor(app, state, unit, place) {
    Object.assign(this, { app, state, unit, place });
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

  choose() {
    const status = h("div", { role: "status" });
    const pick = (properties, key) => {
      const input = h("input", {
        type: "file",
        multiple: true,
        ...properties,
        onchange: () => this.#pack(input.files, status),
      });
      return h("label", { className: "pick" }, t(key), " ", input);
    };
    const one = pick({ accept: ".jsonl,.ndjson,.txt", id: "files" }, "offer.choose");
    const folder = pick({ webkitdirectory: true, id: "folder" }, "offer.folder");
    this.#step("files", t("offer.files.text"), one, folder, status);
  }

  #pack(list, status) {
    this.worker?.terminate();
    for (const name of ["price", "save", "publish", "commit"]) this.place.querySelector(`#step-${name}`)?.remove();
    if (!list.length) return;
    const files = [...list].map((file) => {
      // Below the folder that was chosen, as the tools name them.
      const path = file.webkitRelativePath ? file.webkitRelativePath.split("/").slice(1).join("/") : file.name;
      return { name: path, file };
    });
    const bar = h("progress", { max: 1, value: 0, "aria-label": t("offer.files") });
    const count = h("span", {});
    const cancel = h(
      "button",
      { onclick: () => (this.worker.terminate(), status.replaceChildren()) },
      t("offer.cancel"),
    );
    status.replaceChildren(bar, " ", count, " ", cancel);
    this.worker = new Worker("worker.js");
    this.worker.onerror = (event) => status.replaceChildren(h("p", { className: "error" }, event.message));
    this.worker.onmessage = ({ data }) => {
      if (data.progress) {
        bar.value = data.progress.share;
        count.textContent = t("offer.packing", { documents: data.progress.documents });
        return;
      }
      this.worker.terminate();
      if (data.failed) {
        const error = Object.assign(new Error(data.failed.detail), data.failed);
        status.replaceChildren(h("p", { className: "error", role: "alert" }, sentence(error)));
        return;
      }
      this.packed = data.packed;
      status.replaceChildren(...this.#preview());
      this.#price();
    };
    this.worker.postMessage({ files, where: this.state.where, provider: this.app.wallet.account });
  }

  #preview() {
    const { contents, documents, shown } = this.packed;
    const pages = pagesOf(contents);
    const { samples } = this.state.terms.scoring;
    const seen = samples ? Math.min(samples, pages) : pages;
    const facts = { documents, size: size(contents.size), pages, seen, share: percent(seen / pages) };
    const list = shown.map(({ text, metadata }) =>
      h("li", {}, h("blockquote", {}, text), h("code", {}, JSON.stringify(metadata).slice(0, 300))),
    );
    return [
      h("p", { id: "packed" }, t("offer.packed", facts)),
      h("details", {}, h("summary", {}, t("offer.preview")), h("ol", {}, list)),
    ];
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
      for (const name of ["save", "publish", "commit"]) this.place.querySelector(`#step-${name}`)?.remove();
      if (!bad) this.#save(cost);
    };
    field.addEventListener("change", next);
    const label = h("label", { for: "price" }, t("offer.price.label", this.unit));
    this.#step("price", t("offer.price.text"), label, field, problem);
  }

  #save(cost) {
    const saved = h("p", { role: "status" });
    const button = h(
      "button",
      {
        id: "save",
        onclick: () =>
          this.app.run(async () => {
            const bid = bids.record(this.state, this.app.wallet.account, cost, this.packed);
            book.keep(bid);
            save(bids.fileName(bid), JSON.stringify(bid, null, 2), "application/json");
            button.disabled = true;
            saved.textContent = t("offer.saved", { name: bids.fileName(bid) });
            await book.keepFile(bid.archive, this.packed.archive);
            await book.keepFile(bid.manifest, new Blob([this.packed.manifest]));
            this.#publish(bid);
          }),
      },
      t("offer.save.button"),
    );
    this.#step("save", t("offer.save.text"), button, saved);
  }

  #publish(bid) {
    const files = [
      { name: bid.archive, data: this.packed.archive },
      { name: bid.manifest, data: new Blob([this.packed.manifest]) },
    ];
    this.#step(
      "publish",
      t("offer.publish.text"),
      publishing(this.app, files, () => this.#commit(bid)),
    );
  }

  #commit(bid) {
    const { bond, entryFee } = this.state;
    const done = h("p", { role: "status" });
    const button = h(
      "button",
      {
        id: "commit",
        onclick: async () => {
          button.disabled = true;
          const receipt = await this.app.run((told) =>
            this.app.wallet.send(this.app.chain, bids.commit(this.state, bid), told),
          );
          if (receipt) done.append(t("offer.committed"), " ", h("a", { href: "#/bids" }, t("nav.bids")));
          else button.disabled = false;
        },
      },
      t("offer.commit.button"),
    );
    const costs = { bond: ether(bond), fee: ether(entryFee), total: ether(bond + entryFee) };
    this.#step("commit", t("offer.commit.text", costs), button, done);
  }
}
