// What anybody can see of an auction, from its logs alone: whether its price is right, and where the money went.

import { pause } from "./chain.js";
import { h, save } from "./dom.js";
import { entered, outcomeOf } from "./purchase.js";
import { row, table } from "./table.js";
import { ether, money, short, t } from "./words.js";

export const accountLink = (address) =>
  h("a", { href: `#/account/${address}`, title: address }, h("code", {}, short(address)));

/** Whether the clock, run here over the revealed bids, gives what the contract recorded. */
function isRight(state) {
  const found = outcomeOf(state);
  const { marginals, outcome } = state.outcome;
  const same = (price, num, den) => (price ? price.num * den === num * price.den : den === 0n || num === 0n);
  const count = found.winners.length === Number(outcome.winners);
  const winners = found.winners.every(({ index }) => state.won(state.bids[index]));
  return (
    count &&
    winners &&
    found.split === outcome.split &&
    Object.entries(found.marginals).every(([name, index]) => marginals[name] === index) &&
    same(found.price, outcome.num, outcome.den) &&
    (!found.split || same(found.other, outcome.unflaggedNum, outcome.unflaggedDen))
  );
}

/** What each provider of a settled auction gets, by address. */
export function payments(state) {
  const all = new Map();
  const of = (address) => {
    if (!all.has(address)) all.set(address, { address, bids: [], cash: 0n, mut: 0n, taken: 0n, bonds: 0n });
    return all.get(address);
  };
  for (const bid of state.bids) {
    const entry = of(bid.owner);
    entry.bids.push(bid.index);
    if (state.won(bid) && !bid.struckOut) {
      const { cash, mut } = state.reward(bid);
      entry.cash += cash;
      entry.mut += mut;
    }
    for (const { cash, bond } of bid.claims ?? []) {
      entry.taken += cash;
      entry.bonds += bond;
    }
  }
  return [...all.values()].sort((a, b) => (a.cash === b.cash ? a.bids[0] - b.bids[0] : a.cash < b.cash ? 1 : -1));
}

export async function story(state, unit) {
  const mut = { ...unit, symbol: "MUT" };
  const parts = [];
  if (state.outcome) {
    const right = isRight(state);
    await pause();
    const paid = payments(state);
    await pause();
    parts.push(
      h(
        "p",
        { className: right ? "done" : "error", "data-checked": right ? "right" : "wrong" },
        t(right ? "story.right" : "story.wrong", { bids: entered(state).length }),
      ),
      h("h2", {}, t("story.money")),
      flow(state, unit),
      table(
        t("story.money"),
        ["address", "bids", "cash", "mut", "taken", "bonds"].map((name) => t(`story.column.${name}`)),
        paid,
        (each) =>
          row(
            accountLink(each.address),
            each.bids.length > 3 ? String(each.bids.length) : each.bids.map((index) => `#${index}`).join(", "),
            money(each.cash, unit),
            money(each.mut, mut),
            money(each.taken, unit),
            ether(each.bonds),
          ),
      ),
    );
  }
  parts.push(
    h(
      "details",
      {},
      h("summary", {}, t("story.events", { count: state.events.length })),
      table(
        t("story.events", { count: state.events.length }),
        ["block", "what", "bid", "transaction"].map((name) => t(`story.column.${name}`)),
        state.events,
        ({ block, name, args, transaction }) =>
          row(
            String(block),
            t(`event.${name}`),
            args.index === undefined ? "" : `#${args.index}`,
            h("code", { title: transaction }, short(transaction)),
          ),
      ),
      h("p", {}, h("button", { className: "plain", onclick: () => saveEvents(state) }, t("story.save"))),
    ),
    h("p", { className: "small" }, t("auction.proof")),
  );
  return parts;
}

function flow(state, unit) {
  const won = state.bids.filter((bid) => state.won(bid));
  const paid = won.filter((bid) => !bid.struckOut).reduce((sum, bid) => sum + state.reward(bid).cash, 0n);
  const back = state.outcome.outcome.refund + state.bids.reduce((sum, bid) => sum + (bid.struckOut?.cash ?? 0n), 0n);
  const { budget } = state.terms;
  const entries = [
    ["story.paid", paid],
    ["story.back", back],
    ["story.dust", budget - paid - back],
  ];
  const list = h("dl", {}, h("dt", {}, t("auction.budget")), h("dd", {}, money(budget, unit)));
  for (const [key, amount] of entries) list.append(h("dt", {}, t(key)), h("dd", {}, money(amount, unit)));
  return list;
}

function saveEvents(state) {
  const plain = (_, value) => (typeof value === "bigint" ? value.toString() : value);
  save(
    `auction-${state.id}.json`,
    JSON.stringify({ ...state.where, events: state.events }, plain, 2),
    "application/json",
  );
}

/** All that one address sold, bought and was paid, over all auctions. */
export async function accountView(app, address) {
  const { bids, claims, created } = await app.chain.account(address);
  const paid = (bid) =>
    claims.filter((each) => each.args.auctionId === bid.args.auctionId && each.args.index === bid.args.index);
  const units = new Map();
  const unitOf = async (auction) => {
    if (!units.has(auction))
      units.set(
        auction,
        app.chain.tokenOf(auction).then((token) => app.chain.token(token)),
      );
    return units.get(auction);
  };
  const lines = [];
  for (const bid of bids) {
    const sums = { cash: 0n, mut: 0n, bond: 0n };
    for (const { args } of paid(bid)) for (const name of Object.keys(sums)) sums[name] += args[name];
    lines.push({ auction: bid.args.auctionId, index: bid.args.index, ...sums, unit: await unitOf(bid.args.auctionId) });
  }
  const link = (id) => h("a", { href: `#/auction/${id}` }, t("list.auction", { id }));
  return [
    h("h1", {}, t("account.title")),
    h("p", {}, h("code", {}, address)),
    h("h2", {}, t("account.sold")),
    lines.length
      ? table(
          t("account.sold"),
          ["auction", "bid", "cash", "mut", "bonds"].map((name) => t(`story.column.${name}`)),
          lines,
          ({ auction, index, cash, mut, bond, unit }) =>
            row(link(auction), `#${index}`, money(cash, unit), money(mut, { ...unit, symbol: "MUT" }), ether(bond)),
        )
      : h("p", {}, t("account.sold.none")),
    h("h2", {}, t("account.bought")),
    created.length
      ? h(
          "ul",
          {},
          created.map(({ args }) => h("li", {}, link(args.auctionId))),
        )
      : h("p", {}, t("account.bought.none")),
    h("p", { className: "small" }, t("auction.proof")),
  ];
}
