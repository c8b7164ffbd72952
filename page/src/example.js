// An auction as it would go with a buyer's numbers: five made-up providers, whose prices can be moved.

import { supplyCurve } from "./chart.js";
import * as clock from "./clock.js";
import { h } from "./dom.js";
import { row, table } from "./table.js";
import { poolOf } from "./terms.js";
import { money, percent, t } from "./words.js";

const WORTH = [60, 50, 90, 30, 40]; // per cent of 1; the last one is under-served
const letter = (index) => String.fromCharCode(65 + index);

/**
 * Elements of the example.
 * @param values `budget` in token units, `rho` and `tranche` in parts per billion; @param unit of the token.
 * @param asked prices of the five in per cent of what can be spent; moved by the sliders.
 */
export function example({ budget, rho, tranche }, unit, asked) {
  const given = { budget: rho ? budget : 0n, pool: poolOf({ budget, rho }), rho };
  const beta = clock.betaOf(given);
  const mut = { ...unit, symbol: "MUT" };
  const out = h("div", {});
  const draw = () => out.replaceChildren(...outcome(beta, rho, tranche, unit, mut, asked));
  const sliders = asked.map((value, index) => {
    const name = letter(index);
    const slider = h("input", { type: "range", min: 1, max: 100, value, "aria-label": t("create.slider", { name }) });
    slider.addEventListener("input", () => {
      asked[index] = Number(slider.value);
      draw();
    });
    return h("label", {}, name, " ", slider);
  });
  draw();
  const facts = { beta: money(beta, unit), cash: percent(rho / 1e9), pool: money(given.pool, mut) };
  return [
    h("h2", {}, t("create.example")),
    h("p", {}, t("create.example.text", facts)),
    h("div", { className: "sliders" }, sliders),
    out,
  ];
}

function outcome(beta, rho, tranche, unit, mut, asked) {
  const bids = WORTH.map((each, index) => ({
    index,
    cost: (beta * BigInt(asked[index])) / 100n,
    weight: BigInt(each) * 10n ** 16n,
    flagged: index === 4,
  }));
  const found = clock.run(bids, beta, tranche);
  const won = new Map(found.winners.map((bid) => [bid.index, bid]));
  const priceOf = (bid) => (found.split && !bid.flagged ? found.other : found.price);
  const prices = [found.price, found.other].filter(Boolean);
  const curve = supplyCurve(
    bids.map((bid) => ({ ...bid, won: won.has(bid.index) })),
    prices,
    unit,
  );
  const line = (bid) => {
    const paid = won.has(bid.index) ? clock.rewardOf(priceOf(bid), bid.weight, rho) : null;
    return row(
      letter(bid.index) + (bid.flagged && tranche ? ` (${t("create.flagged")})` : ""),
      (Number(bid.weight) / 1e18).toFixed(2),
      money(bid.cost, unit),
      paid ? money(paid.cash, unit) : t("state.lost"),
      paid?.mut ? money(paid.mut, mut) : "",
    );
  };
  const heads = ["bid", "weight", "price", "cash", "mut"].map((name) => t(`create.column.${name}`));
  return [curve, table(t("create.example"), heads, bids, line)];
}
