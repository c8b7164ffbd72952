// What the owner of a bid can do with it now, as buttons.

import * as bids from "./bids.js";
import * as book from "./book.js";
import { cidOf } from "./cid.js";
import { h, picker, press } from "./dom.js";
import { holdings, send as call } from "./holdings.js";
import { others } from "./others.js";
import { isPublished, published, publishing } from "./publish.js";
import { ether, short, t } from "./words.js";

const simple = (name) => (app, state, bid) => [call(app, name, () => bids[name](state, bid))];
const DO = {
  commit,
  open,
  reveal: simple("reveal"),
  deliver: simple("deliver"),
  claim: simple("claim"),
  reclaim: simple("reclaim"),
};

/** Elements for the step that is due; none where nothing is. */
export async function action(app, state, bid, step) {
  if (!DO[step]) return [];
  const mine = app.wallet?.account === bid.owner;
  const rest = step === "open" ? [] : [others(app, state, bid, step)];
  if (mine || step === "open") return [...(await DO[step](app, state, bid)), ...rest];
  return [h("p", {}, t("bids.account", { account: short(bid.owner) })), ...rest];
}

/** A commitment whose files nobody can fetch would cost the bond, so they are published first, if they are not. */
async function commit(app, state, bid) {
  const button = () =>
    press({ "data-do": "commit" }, t("do.commit"), async () => {
      const sent = await app.run((told) => bids.commitOnce(app, state, bid, told));
      if (sent) await app.show();
      return sent;
    });
  if (await isPublished(app, [bid.archive, bid.manifest])) return [button()];
  const box = h("div", {}, h("p", {}, t("offer.publish.text")));
  box.append(
    await fileOf(app, bid.archive, "bids.archive", (archive) =>
      fileOf(app, bid.manifest, "bids.manifest", (manifest) => {
        const files = [
          { name: bid.archive, data: archive },
          { name: bid.manifest, data: manifest },
        ];
        return publishing(app, files, () => box.append(button()));
      }),
    ),
  );
  return [box];
}

/** A file of the bid: kept in this browser, or as this site has it, or chosen again. */
async function fileOf(app, cid, key, ready) {
  const kept = (await book.keptFile(cid)) ?? (await published(app, cid));
  if (kept) return ready(kept);
  const problem = h("p", { className: "error", role: "alert", hidden: true });
  const input = picker({
    "data-file": cid,
    onchange: async () => {
      if (!input.files.length) return;
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

async function open(app, state, bid) {
  const opened = (archive, manifest) => {
    const box = h("div", {});
    const button = press({ "data-do": "open" }, t("do.open"), () =>
      app.run(async () => {
        const bytes = new Uint8Array(await manifest.arrayBuffer());
        const made = await bids.open(state, bid, archive, bytes);
        const name = await cidOf(made.opening);
        const files = [{ name, data: new Blob([made.opening]) }];
        const mine = app.wallet?.account === bid.owner;
        const send = async () => {
          if (!mine) return;
          const sent = await app.run((told) => app.wallet.send(app.chain, made.call, told));
          if (sent) await app.show();
        };
        box.append(
          h("p", {}, t("bids.opening")),
          publishing(app, files, send),
          mine ? "" : h("p", {}, t("bids.account", { account: short(bid.owner) })),
          others(app, state, bid, "open", made.call),
        );
      }),
    );
    box.append(button);
    return box;
  };
  return [
    await fileOf(app, bid.archive, "bids.archive", (archive) =>
      fileOf(app, bid.manifest, "bids.manifest", (manifest) => opened(archive, manifest)),
    ),
  ];
}

/** What an owner may do besides: withdraw while bids are taken; tokens afterwards. */
export async function more(app, state, bid, own, now, unit) {
  if (!own || app.wallet?.account !== bid.owner) return [];
  if (state.state === "open" && now < state.ends[0] && !own.withdrawn) {
    const button = call(app, "withdraw", () => bids.withdraw(state, bid));
    button.className = "plain";
    return [h("p", {}, button, " ", t("bids.withdraw", { fee: ether(state.entryFee) }))];
  }
  return own.claims ? holdings(app, state, bid, own, unit) : [];
}
