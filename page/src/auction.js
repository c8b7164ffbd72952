// One auction's story from its logs: terms in plain words, times, bids, prices.

import { pause } from "./chain.js";
import { supplyCurve } from "./chart.js";
import { h } from "./dom.js";
import { phaseText } from "./list.js";
import { entered } from "./purchase.js";
import { accountLink, story } from "./story.js";
import { row, table } from "./table.js";
import { ether, money, percent, size, t, when } from "./words.js";

const ZERO = /^0x0+$/;

export async function auctionView(app, id) {
  const state = await app.chain.auction(id);
  const [unit, now, panels] = await Promise.all([
    app.chain.token(state.terms.token),
    app.chain.now(),
    app.chain.panels(state.terms.scoring.operatorSet),
  ]);
  const taking = state.state === "open" && state.phase(now).name === "commit";
  const head = [
    h("h1", {}, t("auction.title", { id })),
    h("p", { className: "phase" }, phaseText(state, now)),
    taking && h("p", {}, h("a", { className: "button", href: `#/offer/${id}` }, t("auction.offer"))),
    h("h2", {}, t("auction.terms")),
    terms(state, unit, panels),
    h("h2", {}, t("auction.phases")),
    times(state, now),
    h("h2", {}, t("auction.bids")),
  ].filter(Boolean);
  // With thousands of bids each of these takes a while, and clicks are answered in between.
  await pause();
  const listed = state.bids.length ? bids(state, unit) : h("p", {}, t("auction.bids.none"));
  await pause();
  const drawn = state.outcome && curve(state, unit);
  await pause();
  return [...head, listed, drawn, ...(await story(state, unit))].filter(Boolean);
}

function terms(state, unit, [first, appeal]) {
  const { budget, pool, rho, tranche, agreement, scoring, dst } = state.terms;
  const list = h("dl", {});
  const add = (key, text) => list.append(h("dt", {}, t(key)), h("dd", {}, text));
  const mut = { ...unit, symbol: "MUT" };
  add("auction.budget", money(budget, unit));
  add("auction.token", [t("auction.token.text", unit), " ", h("code", {}, unit.address)]);
  if (pool) add("auction.pool", money(pool, mut));
  const cash = percent(rho / 1e9);
  add("auction.split", rho === 1e9 ? t("auction.split.cash") : t("auction.split.text", { cash }));
  add("auction.bond", t("auction.bond.text", { bond: ether(state.bond) }));
  if (state.entryFee) add("auction.fee", t("auction.fee.text", { fee: ether(state.entryFee) }));
  const { samples } = scoring;
  add("auction.samples", samples ? t("auction.samples.text", { samples }) : t("auction.samples.all"));
  if (scoring.qMin) add("auction.minimum", t("auction.minimum.text", { q: scoring.qMin / 10000 }));
  if (tranche) add("auction.tranche", percent(tranche / 1e9));
  add(
    "auction.agreement",
    ZERO.test(agreement) ? t("auction.agreement.none") : t("auction.agreement.text", { digest: agreement }),
  );
  if (dst.supply) add("auction.dst", t("auction.dst.text", { supply: (dst.supply / 10n ** 18n).toString() }));
  const counts = { set: scoring.operatorSet, first: first.members.length, appeal: appeal.members.length };
  add("auction.operators", t("auction.operators.text", counts));
  for (const [key, { members }] of [
    ["auction.first", first],
    ["auction.appeal", appeal],
  ]) {
    if (members.length)
      add(
        key,
        members.flatMap((member) => [accountLink(member), " "]),
      );
  }
  add("auction.buyer", accountLink(state.created.args.buyer));
  return list;
}

function times(state, now) {
  const current = state.phase(now).name;
  const rows = state
    .phases()
    .map(({ name, end }) =>
      h(
        "tr",
        { "aria-current": name === current ? "step" : null },
        h("th", { scope: "row" }, t(`phase.${name}`)),
        h("td", {}, when(end)),
      ),
    );
  return table(t("auction.phases"), [t("auction.phase"), t("auction.ends")], rows, (each) => each);
}

function bidState(state, bid) {
  if (bid.withdrawn) return "withdrawn";
  if (bid.struckOut) return bid.refuted ? "refuted" : "struck";
  if (bid.delivered) return "delivered";
  if (bid.revealed) {
    if (bid.revealed.weight === 0n) return "ineligible";
    if (state.outcome) return state.won(bid) ? "won" : "lost";
    return "revealed";
  }
  return bid.opened ? "opened" : "committed";
}

function bids(state, unit) {
  const heads = ["bid", "owner", "size", "price", "weight", "paid", "state"].map((name) => t(`auction.column.${name}`));
  return table(t("auction.bids"), heads, state.bids, (bid) => {
    const { revealed } = bid;
    const weighs = revealed && revealed.weight > 0n;
    const paid = weighs && state.won(bid) && !bid.struckOut ? state.reward(bid) : null;
    const sum =
      paid &&
      (paid.mut
        ? `${money(paid.cash, unit)} + ${money(paid.mut, { ...unit, symbol: "MUT" })}`
        : money(paid.cash, unit));
    return row(
      String(bid.index),
      accountLink(bid.owner),
      size(Number(bid.dataSet.size)),
      revealed ? money(revealed.cost, unit) : t("auction.sealed"),
      weighs ? (Number(revealed.weight) / 1e18).toFixed(3) : "",
      sum,
      t(`state.${bidState(state, bid)}`),
    );
  });
}

function curve(state, unit) {
  const { split, num, den, unflaggedNum, unflaggedDen } = state.outcome.outcome;
  const both = [
    { num, den },
    { num: unflaggedNum, den: unflaggedDen },
  ];
  const prices = both.slice(0, split ? 2 : 1).filter((price) => price.den);
  const bids = entered(state).map((bid) => ({ ...bid, won: state.won(state.bids[bid.index]) }));
  return supplyCurve(bids, prices, unit);
}
