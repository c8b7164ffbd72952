// What to ask for where part of the reward is revenue shares: the price grows by what they are worth less than money.

import { h } from "./dom.js";
import { amount, money, t } from "./words.js";

const BILLION = 10n ** 9n;

/**
 * The price that is best for a provider to whom a share is worth less than its face.
 * @param cost bigint; @param rho share of cash in parts per billion; @param discount of a share, the same.
 * @returns `{k, bid, loss}`: k in parts per billion; `bid` null where nothing covers the cost; `loss` that asking for
 * the cost alone may bring.
 */
export function advise(cost, rho, discount) {
  const parts = BILLION * BILLION - (BILLION - BigInt(rho)) * BigInt(discount);
  const whole = BILLION * BILLION;
  if (parts === 0n) return { k: 0n, bid: cost ? null : 0n, loss: cost };
  return { k: parts / BILLION, bid: (cost * whole + parts - 1n) / parts, loss: cost - (cost * parts) / whole };
}

/** A small form: cost and discount in, advice out. */
export function form(rho, unit) {
  const answer = h("p", { role: "status", id: "advice" });
  const field = (id, value) =>
    h("input", { id, value, inputmode: "decimal", autocomplete: "off", oninput: () => show() });
  const [cost, discount] = [field("advice-cost", ""), field("advice-discount", "20")];
  function show() {
    const sum = amount(cost.value, unit);
    const less = amount(discount.value, { decimals: 7 }); // per cent in parts per billion
    if (!sum || less === null || less > BILLION) {
      answer.textContent = "";
      return;
    }
    const { k, bid, loss } = advise(sum, rho, less);
    const said = { k: (Number(k) / 1e9).toFixed(3), loss: money(loss, unit) };
    answer.textContent = bid === null ? t("advice.never") : t("advice.bid", { ...said, bid: money(bid, unit) });
  }
  return h(
    "details",
    {},
    h("summary", {}, t("advice.title")),
    h("p", {}, t("advice.text")),
    h("label", { for: "advice-cost" }, t("advice.cost", unit)),
    cost,
    h("label", { for: "advice-discount" }, t("advice.discount")),
    discount,
    answer,
  );
}
