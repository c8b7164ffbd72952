// What operators would say of the quality, computed by the tools where this page is served from this very computer.

import { h, press } from "./dom.js";
import { row, table } from "./table.js";
import { sentence } from "./errors.js";
import { must } from "./bytes.js";
import { t } from "./words.js";
import { inWorker } from "./task.js";

const HERE = new Set(["localhost", "127.0.0.1", "[::1]"]);
const METRICS = ["cleanliness", "diversity", "novelty", "metadata"];
const share = (value) => (value / 1e4).toFixed(2);

/** What to expect, and a button for the score itself where the site computes it on this computer. */
export function preview(app, packed, least) {
  const words = h("p", { className: "small" }, t("offer.score"));
  // Both must say so: a site elsewhere could claim that it scores, and would get the text.
  if (!app.score || !HERE.has(location.hostname)) return words;
  const out = h("div", { role: "status" });
  const button = press({ className: "plain", id: "score" }, t("score.button"), async () => {
    out.replaceChildren(h("p", { className: "busy" }, t("score.busy")));
    try {
      out.replaceChildren(...shown(await scored(app, packed), Number(least)));
    } catch (error) {
      out.replaceChildren(h("p", { className: "error", role: "alert" }, sentence(error)));
    }
    return false;
  });
  return h("div", {}, h("p", { className: "small" }, t("score.text")), button, out);
}

async function scored(app, { archive, key, contents }) {
  const { lines } = await inWorker({ unpack: { file: archive, key, contents } });
  const headers = { "Content-Type": "application/x-ndjson" };
  const answer = await fetch(new URL(app.score, location.href), { method: "POST", headers, body: lines });
  must(answer.ok, (await answer.clone().text()).slice(0, 300));
  return answer.json();
}

function shown(report, least) {
  const line = (name) => row(t(`score.${name}`), share(report[name]), t(`score.${name}.text`));
  const heads = ["metric", "value", "about"].map((name) => t(`score.column.${name}`));
  return [
    h("p", { "data-q": report.q }, t("score.q", { q: share(report.q), least: share(least) })),
    report.q < least && h("p", { className: "warn" }, t("score.low")),
    table(t("score.title"), heads, METRICS, line),
    report.findings.length > 0 &&
      h(
        "ul",
        {},
        report.findings.map((each) => h("li", {}, each)),
      ),
    h("p", { className: "small" }, t("score.rest")),
  ].filter(Boolean);
}
