// Tables that stay quick with ten thousand rows: a hundred are made at once, more when they are asked for.

import { h } from "./dom.js";
import { t } from "./words.js";

const ROWS = 100;

/**
 * @param name what a screen reader calls the table; @param heads of its columns;
 * @param items of which `row` makes a `tr`.
 */
export function table(name, heads, items, row) {
  const body = h("tbody", {});
  let shown = 0;
  const more = h("button", { className: "plain", onclick: () => add() });
  function add() {
    body.append(...items.slice(shown, shown + ROWS).map(row));
    shown = Math.min(items.length, shown + ROWS);
    more.hidden = shown === items.length;
    more.textContent = t("table.more", { shown, count: items.length });
  }
  add();
  const head = h(
    "thead",
    {},
    h(
      "tr",
      {},
      heads.map((each) => h("th", { scope: "col" }, each)),
    ),
  );
  return h(
    "div",
    {},
    h("div", { className: "wide", tabindex: "0", role: "region", "aria-label": name }, h("table", {}, head, body)),
    more,
  );
}

/** A row of cells; the first one names the row. */
export const row = (first, ...cells) =>
  h(
    "tr",
    {},
    h("th", { scope: "row" }, first),
    cells.map((cell) => h("td", {}, cell ?? "")),
  );
