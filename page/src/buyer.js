// What a buyer sees of its auctions, and does: settle, fetch, decrypt, dispute, take back, pay revenue.

import { must } from "./bytes.js";
import { ABI } from "./chain.js";
import { cidOf } from "./cid.js";
import { h, picker, press, save } from "./dom.js";
import { phaseText } from "./list.js";
import * as purchase from "./purchase.js";
import { accountLink } from "./story.js";
import { row, table } from "./table.js";
import { inWorker } from "./task.js";
import { amount, ether, size, t } from "./words.js";

const SMALL = 256 << 20; // What is decrypted here is in memory twice.

export async function buyView(app, id) {
  return id === null ? own(app) : one(app, id);
}

async function own(app) {
  const title = h("h1", {}, t("buy.title"));
  const start = h("p", {}, h("a", { className: "button", href: "#/create" }, t("create.title")));
  if (!app.wallet) return [title, h("p", {}, t("buy.connect")), start];
  const { created } = await app.chain.account(app.wallet.account);
  const now = await app.chain.now();
  const cards = [];
  for (const { args } of created.reverse()) {
    const state = await app.chain.auction(Number(args.auctionId));
    const next = todo(state, now);
    cards.push(
      h(
        "li",
        { className: "card" },
        h("h2", {}, h("a", { href: `#/buy/${args.auctionId}` }, t("list.auction", { id: args.auctionId }))),
        h("p", { className: "phase" }, phaseText(state, now)),
        h("p", {}, t(`buy.next.${next}`)),
      ),
    );
  }
  return [
    title,
    h("p", { className: "intro" }, t("buy.intro")),
    start,
    cards.length ? h("ul", { className: "cards" }, cards) : h("p", {}, t("account.bought.none")),
  ];
}

/** What a buyer has to do now: the name of a sentence. */
function todo(state, now) {
  const [, , , , revealEnd, settleEnd, fetchEnd, deliverEnd, disputeEnd] = state.ends;
  const taken = state.events.some((event) => event.name === "RefundWithdrawn");
  if (state.state === "aborted") return taken ? "done" : "refund";
  if (state.state === "open") {
    if (now >= settleEnd) return "abort";
    return now >= revealEnd ? "settle" : "wait";
  }
  if (!purchase.winners(state).length) return taken ? "done" : "refund";
  if (now < fetchEnd) return "fetch";
  if (now < deliverEnd) return "wait-deliver";
  if (now < disputeEnd) return "receive";
  if (purchase.silent(state).length) return "forfeit";
  return taken ? "done" : "refund";
}

async function one(app, id) {
  const [state, now] = await Promise.all([app.chain.auction(id), app.chain.now()]);
  const unit = await app.chain.token(state.terms.token);
  const view = { app, id, state, now, unit, mine: app.wallet?.account === state.created.args.buyer };
  const next = todo(state, now);
  return [
    h("h1", {}, t("buy.one", { id })),
    h("p", { className: "phase" }, phaseText(state, now)),
    h("p", { className: "next", "data-next": next }, t(`buy.next.${next}`)),
    h("p", {}, h("a", { href: `#/auction/${id}` }, t("buy.story"))),
    ...(app.wallet ? [...acts(view, next), await files(view), revenue(view)] : [h("p", {}, t("buy.connect"))]),
  ].filter(Boolean);
}

/** A button that makes calls, together where the wallet can, and shows the auction anew when all are in. */
function act({ app }, key, calls, values) {
  const button = press({ "data-act": key }, t(`buy.do.${key}`, values), async () => {
    const sent = await app.run(async (told) => app.wallet.sendAll(app.chain, await calls(), told));
    if (sent) await app.show();
    return sent;
  });
  return h("p", {}, button);
}

function acts(view, next) {
  const { app, state, now, mine } = view;
  const parts = [];
  if (next === "settle") parts.push(act(view, "settle", () => [purchase.settle(state)]));
  if (next === "abort") parts.push(act(view, "abort", () => [purchase.abort(state)]));
  const silent = state.state === "settled" && now >= state.ends[7] ? purchase.silent(state) : [];
  if (silent.length) {
    const calls = () => silent.map(({ index }) => purchase.forfeit(state, index));
    parts.push(act(view, "forfeit", calls, { count: silent.length }));
  }
  if (mine && state.state !== "open")
    parts.push(act(view, "refund", () => [purchase.refund(state, app.wallet.account)]));
  return parts;
}

// FILES OF WINNERS

/** A file of this site; throws `missing` if it is not there, and `offline` if that is not known. */
async function fetched(app, cid) {
  const answer = await fetch(new URL(app.files + cid, location.href)).catch(() => null);
  must(answer && answer.status < 500, "offline");
  must(answer.ok, `missing:${cid}`);
  const data = await answer.blob().catch(() => null);
  must(data, "offline");
  must((await cidOf(data)) === cid, `missing:${cid}`);
  return data;
}

async function files(view) {
  const { app, id, state, now, mine } = view;
  const winners = state.state === "settled" ? purchase.winners(state) : [];
  if (!winners.length) return null;
  const section = h("section", { className: "step" }, h("h2", {}, t("buy.files")));
  const large = winners.some((bid) => bid.dataSet.size > SMALL);
  if (!app.files || large) {
    section.append(h("p", {}, t("buy.files.command")), h("p", {}, h("code", {}, `qmia buyer receive ${id}`)));
    return section;
  }
  let secret = null;
  const key = picker({
    id: "buyer-key",
    onchange: () =>
      app.run(async () => {
        secret = null;
        const given = purchase.parseKey(await key.files[0].text());
        must(purchase.isKeyOf(state, given), "key:other");
        secret = given;
        for (const each of section.querySelectorAll("button[data-open]")) each.disabled = false;
      }),
  });
  const missing = new Set();
  const heads = ["bid", "owner", "size", "files"].map((name) => t(`buy.column.${name}`));
  const cells = new Map(winners.map((bid) => [bid.index, h("div", { "data-file": bid.index })]));
  const look = h(
    "button",
    {
      "data-act": "look",
      onclick: () =>
        app.run(async () => {
          missing.clear();
          for (const bid of winners) {
            const cell = cells.get(bid.index);
            try {
              const manifest = new Uint8Array(await (await fetched(app, purchase.manifestCid(bid))).arrayBuffer());
              const { archive } = await purchase.manifestOf(state, bid, manifest);
              await fetched(app, archive);
              cell.textContent = t("buy.file.here");
            } catch (error) {
              if (error.message === "offline") throw error; // Nobody pays for a report of that.
              missing.add(bid.index);
              cell.textContent = t("buy.file.missing");
            }
          }
          name.hidden = !missing.size || !mine || now >= (state.ends[5] + state.ends[6]) / 2;
        }),
    },
    t("buy.do.look"),
  );
  const name = act(view, "name", () => [purchase.nameMissing(state, [...missing])], {
    fee: ether(BigInt(state.terms.scoring.fetchFeeGwei) * 10n ** 9n),
  });
  name.hidden = true;
  for (const bid of winners) {
    if (!bid.delivered || bid.struckOut) {
      cells.get(bid.index).textContent = t(bid.struckOut ? "state.struck" : "buy.file.sealed");
      continue;
    }
    const button = h(
      "button",
      { disabled: true, "data-open": bid.index, onclick: () => open(view, bid, secret, cells.get(bid.index)) },
      t("buy.do.open"),
    );
    cells.get(bid.index).append(button);
  }
  const line = (bid) =>
    row(`#${bid.index}`, accountLink(bid.owner), size(Number(bid.dataSet.size)), cells.get(bid.index));
  const delivered = winners.some((bid) => bid.delivered && !bid.struckOut);
  section.append(
    h("p", {}, t(delivered ? "buy.files.key" : "buy.files.text")),
    ...(delivered ? [h("label", { className: "pick" }, t("create.key.load"), " ", key)] : [h("p", {}, look), name]),
    table(t("buy.files"), heads, winners, line),
  );
  return section;
}

/** Decrypt one winner's files and offer them; or show the contract, or the panel, that they are wrong. */
async function open(view, bid, secret, cell) {
  const { app, id, state, now } = view;
  await app.run(async () => {
    const { key, right } = purchase.keyOf(state, bid, secret);
    const dispute = now >= state.ends[7] && now < state.ends[8];
    if (!right) {
      cell.replaceChildren(h("p", { className: "error" }, t("buy.file.key")));
      if (dispute) cell.append(act(view, "refute", () => [purchase.refute(state, bid, secret)]));
      return;
    }
    const manifest = new Uint8Array(await (await fetched(app, purchase.manifestCid(bid))).arrayBuffer());
    const { contents, archive } = await purchase.manifestOf(state, bid, manifest);
    const file = await fetched(app, archive);
    const { lines, documents, wrong } = await inWorker({ unpack: { file, key, contents } });
    if (wrong) {
      cell.replaceChildren(h("p", { className: "error" }, t("buy.file.wrong", { count: wrong.length })));
      const half = (state.ends[7] + state.ends[8]) / 2;
      if (view.mine && now >= state.ends[7] && now < half && !bid.complained) {
        cell.append(act(view, "complain", () => complained(view, bid, key, wrong)));
      }
      return;
    }
    save(`${id}-${bid.index}.jsonl`, lines);
    cell.replaceChildren(t("buy.file.open", { documents }));
  });
}

async function complained({ app, state }, bid, key, wrong) {
  const { complaint, call } = await purchase.complain(state, bid, key, wrong);
  const name = await cidOf(complaint);
  const answer = await fetch(new URL(app.files + name, location.href), { method: "PUT", body: complaint });
  must(answer.ok, `${name}: ${answer.status}`);
  return [call];
}

// REVENUE

function revenue({ app, id, state, unit }) {
  if (!state.outcome?.outcome.mutSupply) return null;
  const field = h("input", { id: "revenue", inputmode: "decimal", autocomplete: "off" });
  const button = press({ "data-act": "deposit" }, t("buy.do.deposit"), () =>
    app
      .run(async (told) => {
        const paid = amount(field.value, unit);
        must(paid, "amount");
        const mut = await app.chain.read("DataAuction", "mutToken", [state.id]);
        const call = { address: mut, abi: ABI.MutToken, functionName: "deposit", args: [paid] };
        const sent = await purchase.payOnce(app, "deposit", state.terms.token, paid, call, told);
        field.value = "";
        return sent;
      })
      .then(() => false),
  );
  return h(
    "section",
    { className: "step" },
    h("h2", {}, t("buy.revenue")),
    h("p", {}, t("buy.revenue.text", { id })),
    h("label", { for: "revenue" }, t("buy.revenue.label", unit)),
    field,
    " ",
    button,
  );
}
