// The supply curve of an auction. Drawn with plain numbers: nothing is decided here.

import { h } from "./dom.js";
import { money, t } from "./words.js";

const [WIDTH, HEIGHT, BARS] = [640, 220, 200];

/**
 * @param bids `{index, cost, weight, flagged, won}` as bigints, positive weights.
 * @param prices fractions `{num, den}` that winners are paid per unit of weight: one, or two.
 */
export function supplyCurve(bids, prices, unit) {
  const shown = bids
    .map((bid) => ({ ...bid, width: Number(bid.weight) / 1e18 }))
    .map((bid) => ({ ...bid, price: Number(bid.cost) / bid.width }))
    .sort((a, b) => a.price - b.price || a.index - b.index);
  if (!shown.length) return null;
  const paid = prices.map(({ num, den }) => (Number(num) / Number(den)) * 1e18);
  const total = shown.reduce((sum, each) => sum + each.width, 0);
  // A few absurd prices must not press all others flat.
  const most = shown[Math.floor((shown.length - 1) * 0.95)].price;
  const top = Math.max(...paid, Math.min(most * 1.5, shown.at(-1).price)) * 1.08;
  const y = (price) => HEIGHT - Math.min(1, price / top) * HEIGHT;
  let at = 0;
  const bars = shown.map((bid) => {
    const bar = { bid, x: (at / total) * WIDTH, width: (bid.width / total) * WIDTH, y: y(bid.price) };
    at += bid.width;
    return bar;
  });
  const drawn = shown.length > BARS ? areas(bars) : bars.map((bar) => rectangle(bar, unit));
  const lines = paid.map((price) => h("svg:line", { x1: 0, x2: WIDTH, y1: y(price), y2: y(price), class: "price" }));
  return h(
    "figure",
    {},
    h("svg:svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": t("auction.curve") }, drawn, lines),
    h("figcaption", {}, h("strong", {}, `${t("auction.curve")}. `), t("auction.curve.text")),
  );
}

const rectangle = ({ bid, x, width, y }, unit) =>
  h(
    "svg:rect",
    {
      x: x.toFixed(1),
      y: y.toFixed(1),
      width: Math.max(1, width - 1).toFixed(1),
      height: (HEIGHT - y).toFixed(1),
      class: bid.won ? "bought" : "left",
    },
    h("svg:title", {}, `${bid.index}: ${money(bid.cost, unit)}`),
  );

// Thousands of bars are two shapes.
function areas(bars) {
  const path = (won) =>
    bars
      .filter(({ bid }) => bid.won === won)
      .map(({ x, width, y }) => `M${x.toFixed(2)} ${HEIGHT}V${y.toFixed(1)}h${width.toFixed(2)}V${HEIGHT}`)
      .join("");
  return [true, false].map((won) => h("svg:path", { d: path(won), class: won ? "bought" : "left" }));
}
