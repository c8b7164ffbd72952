// Everything that a key holder must do next, with the time left, on one screen.

import * as bids from "./bids.js";
import * as book from "./book.js";
import { calendar } from "./calendar.js";
import { ABI } from "./chain.js";
import { cidOf } from "./cid.js";
import { must } from "./bytes.js";
import { h, save } from "./dom.js";
import { publishing } from "./publish.js";
import { ether, money, short, span, t, when } from "./words.js";

export async function bidsView(app) {
  const load = h("input", {
    type: "file",
    id: "load",
    accept: ".json",
    onchange: async () => {
      const loaded = await app.run(async () => {
        const bid = bids.parseRecord(await load.files[0].text());
        must(isOurs(app, bid), t("bids.other"));
        book.keep(bid);
      });
      if (loaded) await app.show();
    },
  });
  const known = book.all().filter((bid) => isOurs(app, bid));
  const cards = [];
  for (const bid of known) cards.push(await card(app, bid));
  return [
    h("h1", {}, t("bids.title")),
    cards.length ? h("ul", { className: "cards" }, cards) : h("p", {}, t("bids.none")),
    h("p", {}, h("label", { className: "pick" }, t("bids.load"), " ", load)),
  ];
}

const isOurs = (app, bid) =>
  bid.chain_id === app.chain.id && bid.contract.toLowerCase() === app.chain.address("DataAuction").toLowerCase();

async function card(app, bid) {
  const [state, now] = await Promise.all([app.chain.auction(bid.auction), app.chain.now()]);
  const unit = await app.chain.token(state.terms.token);
  const next = bids.next(state, bid, now);
  const own = bids.onChain(state, bid);
  const loses = next.loses && t(`bids.loses.${next.loses}`, { bond: ether(state.bond) });
  const waiting = next.step.startsWith("wait-") && next.from;
  const until = waiting ? next.from : next.until;
  const box = h("div", {});
  const reward = own?.revealed && own.revealed.weight && state.won(own) && !own.struckOut ? state.reward(own) : null;
  if (DO[next.step]) box.append(await action(app, state, bid, next.step));
  if (own && app.wallet?.account === bid.owner) box.append(...(await more(app, state, bid, own, now, unit)));
  return h(
    "li",
    { className: "card", "data-auction": bid.auction, "data-step": next.step },
    h(
      "h2",
      {},
      h(
        "a",
        { href: `#/auction/${bid.auction}` },
        t("bids.bid", { id: bid.auction, price: money(BigInt(bid.cost), unit) }),
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
    reward &&
      h(
        "p",
        {},
        t("bids.paid", { cash: money(reward.cash, unit), mut: money(reward.mut, { ...unit, symbol: "MUT" }) }),
      ),
    box,
    h(
      "p",
      { className: "small" },
      h(
        "button",
        {
          className: "plain",
          onclick: () => save(bids.fileName(bid), JSON.stringify(bid, null, 2), "application/json"),
        },
        t("bids.file"),
      ),
      " ",
      h(
        "button",
        {
          className: "plain",
          onclick: () => save(`auction-${bid.auction}.ics`, calendar(state, bid), "text/calendar"),
        },
        t("bids.calendar"),
      ),
    ),
  );
}

const call = (name, make) => async (app, state, bid) => {
  const button = h(
    "button",
    {
      onclick: async () => {
        button.disabled = true;
        const sent = await app.run(async (told) => app.wallet.send(app.chain, await make(state, bid), told));
        if (sent) await app.show();
        else button.disabled = false;
      },
    },
    t(`do.${name}`),
  );
  return button;
};

const DO = {
  commit: call("commit", bids.commit),
  open: openSample,
  reveal: call("reveal", bids.reveal),
  deliver: call("deliver", bids.deliver),
  claim: call("claim", bids.claim),
  reclaim: call("reclaim", bids.reclaim),
};

async function action(app, state, bid, step) {
  if (app.wallet?.account !== bid.owner) return h("p", {}, t("bids.account", { account: short(bid.owner) }));
  return DO[step](app, state, bid);
}

/** What an owner may do besides: withdraw while bids are taken, and collect what the buyer's model earned. */
async function more(app, state, bid, own, now, unit) {
  if (state.state === "open" && now < state.ends[0] && !own.withdrawn) {
    const button = await call("withdraw", bids.withdraw)(app, state, bid);
    button.className = "plain";
    return [h("p", {}, button, " ", t("bids.withdraw", { fee: ether(state.entryFee) }))];
  }
  if (!own.claims || !state.outcome?.outcome.mutSupply) return [];
  const address = await app.chain.read("DataAuction", "mutToken", [state.id]);
  const ask = (functionName) =>
    app.chain.client.readContract({ address, abi: ABI.MutToken, functionName, args: [bid.owner] });
  const [held, due] = await Promise.all([ask("balanceOf"), ask("revenueOf")]);
  if (!held && !due) return [];
  const sums = { held: money(held, { ...unit, symbol: "MUT" }), due: money(due, unit) };
  const collect = call("collect", () => ({ address, abi: ABI.MutToken, functionName: "claimFor", args: [bid.owner] }));
  return [h("p", { "data-revenue": "" }, t("bids.revenue", sums)), due > 0n && (await collect(app, state, bid))].filter(
    Boolean,
  );
}

/** A file of the bid, kept in this browser or chosen again. */
async function fileOf(cid, key, ready) {
  const kept = await book.keptFile(cid);
  if (kept) return ready(kept);
  const problem = h("p", { className: "error", role: "alert", hidden: true });
  const input = h("input", {
    type: "file",
    onchange: async () => {
      const right = (await cidOf(input.files[0])) === cid;
      problem.textContent = right ? "" : t("bids.wrong");
      problem.hidden = right;
      if (right) {
        await book.keepFile(cid, input.files[0]);
        box.replaceChildren(await ready(input.files[0]));
      }
    },
  });
  const box = h("div", {}, h("label", { className: "pick" }, t(key, { name: cid }), " ", input), problem);
  return box;
}

function openSample(app, state, bid) {
  return fileOf(bid.archive, "bids.archive", (archive) =>
    fileOf(bid.manifest, "bids.manifest", (manifest) => {
      const box = h("div", {});
      const button = h(
        "button",
        {
          onclick: () =>
            app.run(async () => {
              const bytes = new Uint8Array(await manifest.arrayBuffer());
              const made = await bids.open(state, bid, archive, bytes);
              const name = await cidOf(made.opening);
              button.disabled = true;
              const files = [{ name, data: new Blob([made.opening]) }];
              const send = async () => {
                const sent = await app.run((told) => app.wallet.send(app.chain, made.call, told));
                if (sent) await app.show();
              };
              box.append(h("p", {}, t("bids.opening")), publishing(app, files, send));
            }),
        },
        t("do.open"),
      );
      box.append(button);
      return box;
    }),
  );
}
