// Ways for a step of a bid that do not go through this wallet: a file for a Safe, or a signature for a relayer.

import * as bids from "./bids.js";
import * as book from "./book.js";
import { h, press, save } from "./dom.js";
import * as relay from "./relay.js";
import { batch } from "./safe.js";
import { t } from "./words.js";

const json = (name, value) => save(name, JSON.stringify(value, null, 2) + "\n", "application/json");

/** The calls of each step that need nothing but the record. */
const CALLS = {
  commit: bids.commit,
  reveal: bids.reveal,
  deliver: bids.deliver,
  claim: bids.claim,
  reclaim: bids.reclaim,
};

/**
 * A folded part with what else can be done about a step.
 * @param made the call, where it needs more than the record.
 */
export function others(app, state, bid, step, made = null) {
  const mine = app.wallet?.account === bid.owner;
  const parts = [safe(app, state, bid, step, made)];
  if (mine && step === "commit") parts.push(commit(app, state, bid));
  if (mine && ["open", "reveal", "deliver"].includes(step)) parts.push(share(app, state, bid, step, made));
  return h("details", { className: "others" }, h("summary", {}, t("others.title")), parts);
}

function safe(app, state, bid, step, made) {
  const button = press({ className: "plain", "data-safe": step }, t("others.safe.button"), () =>
    app
      .run(async () => {
        const call = made ?? (await CALLS[step](state, bid));
        const name = `Q-MIA ${bid.auction}: ${step}`;
        save(
          `safe-${bid.auction}-${step}.json`,
          batch(app.chain, bid.owner, [call], name, Date.now()),
          "application/json",
        );
      })
      .then(() => false),
  );
  return h("div", {}, h("p", {}, t("others.safe.text")), button);
}

/** Somebody else pays bond, entry fee and the network's fee; the bond comes back to it. */
function commit(app, state, bid) {
  const field = h("input", { id: `payer-${bid.sealed_bid}`, autocomplete: "off", spellcheck: "false" });
  const button = press({ className: "plain", "data-sign": "commit" }, t("others.commit.button"), () =>
    app
      .run(async (told) => {
        const signed = await relay.signCommit(app, state, bid, field.value.trim(), told);
        book.keep({ ...bid, payer: signed.payer });
        json(`commit-${bid.auction}-${bid.sealed_bid.slice(2, 10)}.json`, signed);
      })
      .then(() => false),
  );
  return h(
    "div",
    {},
    h("p", {}, t("others.commit.text")),
    h("label", { for: field.id }, t("others.payer")),
    field,
    " ",
    button,
  );
}

function share(app, state, bid, step, made) {
  const button = press({ className: "plain", "data-sign": step }, t("others.share.button"), () =>
    app
      .run(async (told) => {
        const signed = {};
        if (step === "open") signed.opening = await relay.signOpening(app, state, bid, made, told);
        if (step === "deliver") signed.delivery = await relay.signDelivery(app, state, bid, told);
        json(`${bid.auction}-${bids.onChain(state, bid).index}.json`, relay.shareOf(bid, signed));
      })
      .then(() => false),
  );
  return h("div", {}, h("p", {}, t(`others.share.${step}`)), button);
}
