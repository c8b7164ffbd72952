// All auctions, newest first.

import { h } from "./dom.js";
import { sentence } from "./errors.js";
import { money, span, t, when } from "./words.js";

const STEP = 10;

export function phaseText(state, now) {
  if (state.state === "aborted") return t("phase.aborted");
  const { name, end } = state.phase(now);
  const left = end === Infinity ? "" : ` · ${t("phase.left", { span: span(end - now), time: when(end) })}`;
  return t(`phase.${name}`) + left;
}

const unknown = (id, error) =>
  h(
    "li",
    { className: "card" },
    h("h2", {}, h("a", { href: `#/auction/${id}` }, t("list.auction", { id }))),
    h("p", { className: "error" }, sentence(error)),
  );

export async function listView(app) {
  const ids = await app.chain.auctions();
  const list = h("ul", { className: "cards" });
  const more = h("button", { onclick: () => app.run(add) }, t("list.more"));
  const now = await app.chain.now();

  async function add() {
    // What one auction shows wrongly, anybody can create; it must not hide the others.
    for (const id of ids.splice(0, STEP)) {
      list.append(await card(id).catch((error) => unknown(id, error)));
    }
    more.hidden = !ids.length;
  }

  async function card(id) {
    const state = await app.chain.auction(id);
    const { budget, pool, token } = state.terms;
    const unit = await app.chain.token(token);
    const sums = { cash: money(budget, unit), mut: money(pool, { ...unit, symbol: "MUT" }) };
    return h(
      "li",
      { className: "card" },
      h("h2", {}, h("a", { href: `#/auction/${id}` }, t("list.auction", { id }))),
      h("p", { className: "phase" }, phaseText(state, now)),
      h("p", {}, t(pool ? "list.both" : "list.cash", sums)),
      h("p", { className: "small" }, t("list.bids", { count: state.bids.length })),
    );
  }
  await add();
  return [
    h("h1", {}, t("list.title")),
    h("p", { className: "intro" }, t("list.intro")),
    list.childElementCount ? list : h("p", {}, t("list.empty")),
    more,
  ];
}
