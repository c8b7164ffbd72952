// Everything that a key holder must do next, with the time left, on one screen: the most urgent first.

import * as bids from "./bids.js";
import * as book from "./book.js";
import { calendar } from "./calendar.js";
import { must } from "./bytes.js";
import { action, more } from "./duties.js";
import { h, picker, save } from "./dom.js";
import { sentence } from "./errors.js";
import { ether, money, span, t, when } from "./words.js";

export async function bidsView(app) {
  const load = picker({
    id: "load",
    accept: ".json",
    multiple: true,
    onchange: async () => {
      const loaded = await app.run(async () => {
        for (const file of load.files) {
          const bid = bids.parseRecord(await file.text());
          must(isOurs(app, bid), t("bids.other"));
          bids.checkSeal(app.chain, bid);
          book.keep(bid);
        }
      });
      if (loaded) await app.show();
    },
  });
  const known = book.all().filter((bid) => isOurs(app, bid));
  const states = new Map();
  const stateOf = (id) => states.get(id) ?? states.set(id, app.chain.auction(id)).get(id);
  const now = await app.chain.now();
  const cards = [];
  // What the node does not show of one auction must not hide the deadlines of the others.
  for (const bid of known) {
    cards.push(
      await stateOf(bid.auction)
        .then((state) => {
          bids.checkSeal(app.chain, bid);
          return card(app, state, bid, now);
        })
        .catch((error) => ({ order: -1, node: unknown(bid, error) })),
    );
  }
  cards.sort((a, b) => a.order - b.order);
  const next = Math.min(...cards.map(({ until }) => until ?? Infinity));
  if (next < Infinity) app.again(next - now);
  return [
    h("h1", {}, t("bids.title")),
    book.damaged() > 0 && h("p", { className: "error" }, t("bids.damaged", { count: book.damaged() })),
    cards.length
      ? h(
          "ul",
          { className: "cards" },
          cards.map(({ node }) => node),
        )
      : h("p", {}, t("bids.none")),
    h("p", {}, h("label", { className: "pick" }, t("bids.load"), " ", load)),
    h("p", {}, h("a", { href: "#/relay" }, t("relay.title"))),
  ].filter(Boolean);
}

const isOurs = (app, bid) =>
  bid.chain_id === app.chain.id && bid.contract.toLowerCase() === app.chain.address("DataAuction").toLowerCase();

function unknown(bid, error) {
  return h(
    "li",
    { className: "card", "data-auction": bid.auction, "data-step": "unknown" },
    h("h2", {}, t("list.auction", { id: bid.auction })),
    h("p", { className: "error" }, sentence(error)),
    secrets(bid),
  );
}

const secrets = (bid) =>
  h(
    "button",
    {
      className: "plain",
      onclick: () => save(bids.fileName(bid), JSON.stringify(bid, null, 2), "application/json"),
    },
    t("bids.file"),
  );

/** Why a bid that was revealed is not paid; null where it is, or where that is not known yet. */
function lost(state, own, unit) {
  if (!own?.revealed) return null;
  if (own.revealed.weight === 0n) {
    return h("p", { "data-lost": "part" }, t("bids.lost.part", { q: state.terms.scoring.qMin / 10000 }));
  }
  if (state.state !== "settled" || state.won(own) || !state.outcome.outcome.den) return null;
  const { cash, mut } = state.reward(own);
  return h("p", { "data-lost": "price" }, t("bids.lost.price", { paid: money(cash + mut, unit) }));
}

/** @returns `{node, order}`: what is due comes before what is waited for, and that before what is over. */
async function card(app, state, bid, now) {
  const unit = await app.chain.token(state.terms.token);
  const next = bids.next(state, bid, now);
  const own = bids.onChain(state, bid);
  const loses = next.loses && t(`bids.loses.${next.loses}`, { bond: ether(state.bond) });
  const waiting = next.step.startsWith("wait-") && next.from;
  const until = waiting ? next.from : next.until;
  const reward = own?.revealed && own.revealed.weight && state.won(own) && !own.struckOut ? state.reward(own) : null;
  const mut = { ...unit, symbol: "MUT" };
  const parts = [...(await action(app, state, bid, next.step)), ...(await more(app, state, bid, own, now, unit))];
  const calendarOf = () => save(`auction-${bid.auction}.ics`, calendar(state, bid), "text/calendar");
  const node = h(
    "li",
    { className: "card", "data-auction": bid.auction, "data-step": next.step },
    h(
      "h2",
      {},
      h(
        "a",
        { href: `#/auction/${bid.auction}` },
        state.terms.enrolment
          ? t("list.auction", { id: bid.auction })
          : t("bids.bid", { id: bid.auction, price: money(BigInt(bid.cost), unit) }),
      ),
    ),
    h("p", { className: "next" }, t(`step.${next.step}`)),
    until &&
      h(
        "p",
        {},
        t(waiting ? "phase.starts" : "phase.left", { span: span(until - now), time: when(until) }),
        " ",
        waiting ? "" : loses,
      ),
    lost(state, own, unit),
    reward && h("p", {}, t("bids.paid", { cash: money(reward.cash, unit), mut: money(reward.mut, mut) })),
    h("div", {}, parts),
    h(
      "p",
      { className: "small" },
      secrets(bid),
      " ",
      h("button", { className: "plain", onclick: calendarOf }, t("bids.calendar")),
      " ",
      !own && h("button", { className: "plain", onclick: () => (book.forget(bid), app.show()) }, t("bids.forget")),
    ),
  );
  const order = waiting ? until + 1e11 : (until ?? (["claim", "reclaim"].includes(next.step) ? 1e10 : 1e13));
  return { node, order, until };
}
