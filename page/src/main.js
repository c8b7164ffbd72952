// The page: which view is shown, with which wallet, in which language.

import { custom, http } from "viem";

import { auctionView } from "./auction.js";
import { bidsView } from "./bidsview.js";
import { buyView } from "./buyer.js";
import { Chain } from "./chain.js";
import { createView } from "./create.js";
import { h } from "./dom.js";
import { sentence } from "./errors.js";
import { listView } from "./list.js";
import { offerView } from "./offer.js";
import { relayView } from "./relayview.js";
import { accountView } from "./story.js";
import { onWallets, Wallet, wallets } from "./wallets.js";
import { language, languages, setLanguage, short, span, t } from "./words.js";

const VIEWS = {
  "": listView,
  auction: auctionView,
  account: accountView,
  offer: offerView,
  bids: bidsView,
  buy: buyView,
  create: createView,
  relay: relayView,
};

/** What all views share. `files` is where this site takes and gives files, `score` where it scores them, or null. */
const app = {
  deployment: null,
  chain: null,
  wallet: null,
  files: null,
  rpc: null,
  score: null,
  show,
  fail,
  run,
  again,
};

async function json(name) {
  const answer = await fetch(name, { cache: "no-store" });
  return answer.ok ? answer.json() : null;
}

async function start() {
  setLanguage(language);
  app.deployment = await json("deployment.json").catch(() => null);
  // A site may offer a node and a place for files; without them the wallet's node is asked.
  const site = await json("site.json").catch(() => null);
  app.rpc = site?.rpc ?? null;
  app.files = site?.files ?? null;
  app.score = site?.score ?? null;
  onWallets(() => (app.chain || (wallets().length === 1 && !app.rpc) ? header() : show()));
  addEventListener("hashchange", () => show());
  await show();
}

/** The chain as the connected wallet's node shows it, else as the site's node does; null where there is neither. */
async function connectChain() {
  const detail = wallets()[0];
  const transport = app.wallet
    ? custom(app.wallet.provider)
    : app.rpc
      ? http(new URL(app.rpc, location.href).href)
      : detail && custom(detail.provider);
  if (!transport) return null;
  const chain = new Chain(transport, app.deployment);
  chain.wallet = app.wallet;
  await chain.check();
  return chain;
}

async function connect(detail) {
  const wallet = await run((told) => {
    told(null);
    return Wallet.connect(detail);
  });
  if (!wallet) return;
  // What was typed and packed stays where it is: a wallet that has moved is refused when it is asked to send.
  wallet.onChange(app.deployment.chain_id, (moved) => {
    if (app.wallet !== wallet) return;
    if (moved === "back") say();
    else fail(new Error(moved), moved === "account" ? detail : null);
  });
  app.wallet = wallet;
  await show();
}

function header() {
  const link = (to, key) =>
    h("a", { href: to, "aria-current": location.hash.split("/")[1] === to.split("/")[1] ? "page" : null }, t(key));
  const choose = h(
    "select",
    {
      id: "language",
      "aria-label": t("nav.language"),
      onchange: (event) => {
        setLanguage(event.target.value);
        show().then(() => document.querySelector("#language").focus());
      },
    },
    languages.map((tag) => h("option", { value: tag, selected: tag === language }, tag)),
  );
  const connected = app.wallet
    ? h(
        "span",
        { className: "account" },
        t("wallet.connected", { name: app.wallet.name, account: short(app.wallet.account) }),
      )
    : wallets().map((detail) =>
        h("button", { onclick: () => connect(detail) }, t("wallet.connect", { name: detail.info.name })),
      );
  document
    .querySelector("header")
    .replaceChildren(
      h("a", { className: "skip", href: "#content", onclick: skip }, t("nav.skip")),
      h("strong", {}, "Q-MIA"),
      h("nav", {}, link("#/", "nav.auctions"), link("#/bids", "nav.bids"), link("#/buy", "nav.buy")),
      h("div", { className: "wallets" }, connected, choose),
    );
}

/** Whoever does not see the page must hear that another view came, and go on from its heading. */
function arrive(moved, lost) {
  const heading = content().querySelector("h1");
  document.title = heading ? `${heading.textContent} – Q-MIA` : t("title");
  if (!moved && !lost) return;
  heading?.setAttribute("tabindex", "-1");
  (heading ?? content()).focus({ preventScroll: !moved });
  if (moved) scrollTo(0, 0);
}

// The address names the view, so the link must not change it.
function skip(event) {
  event.preventDefault();
  content().focus();
}

const content = () => document.querySelector("main");
const notice = () => document.querySelector("#notice");

/** Say something to everybody, screen readers included. */
function say(...children) {
  notice().replaceChildren(...children);
}

/** @param again a wallet that may be connected once more to get over it. */
function fail(error, again = null) {
  console.error(error);
  const move = error.message?.startsWith("chain:") && app.wallet;
  say(
    h(
      "div",
      { className: "error", role: "alert" },
      h("strong", {}, t("error.title")),
      h("p", {}, sentence(error)),
      move &&
        h(
          "button",
          {
            onclick: async () => {
              const moved = await run((told) => {
                told(null);
                return app.wallet.move(app.deployment.chain_id);
              });
              if (moved && !app.chain) await show();
            },
          },
          t("wallet.move"),
        ),
      again && h("button", { onclick: () => connect(again) }, t("wallet.connect", { name: again.info.name })),
    ),
  );
}

/** Do something for a button: say what is going on, and leave everything as it is if it fails. */
async function run(action) {
  const busy = (text) => say(h("p", { className: "busy", role: "status" }, text));
  busy(t("busy.working"));
  try {
    const receipt = await action((hash) =>
      busy(!hash ? t(hash === null ? "busy.wallet" : "busy.working") : t("busy.mined", { hash: short(hash) })),
    );
    if (receipt?.blockNumber) {
      say(h("p", { className: "done", role: "status" }, t("done.sent", { block: receipt.blockNumber })));
    } else say();
    return receipt ?? true;
  } catch (error) {
    fail(error);
    return null;
  }
}

/** Whether somebody is in the middle of something, a click among it, that another view would undo. */
const engaged = () =>
  [...content().querySelectorAll("input")].some((input) => input.value) ||
  content().querySelector("details[open], button:disabled, :active") !== null;

/** Show the view anew when a time of the chain has come, unless somebody is in the middle of something. */
function again(seconds) {
  clearTimeout(timer);
  if (seconds > 86_400) return; // Timers of browsers end there, and nobody waits for that.
  timer = setTimeout(() => (engaged() ? again(REPEAT) : show(true)), Math.max(seconds + 3, REPEAT) * 1000);
}

/** A warning where the node is behind: who trusts its time would miss a deadline. */
async function staleness() {
  const behind = Date.now() / 1000 - (await app.chain.now());
  return behind > STALE ? [h("p", { className: "warn", role: "status" }, t("node.stale", { span: span(behind) }))] : [];
}

const STALE = 900; // seconds; public chains make a block more often than that, with traffic or without
const REPEAT = 20; // seconds; a node may be that late
let [shown, timer, here] = [0, 0, null];

/** @param quiet whether what is shown stays until the new view is there, and longer if somebody has begun something. */
async function show(quiet = false) {
  const turn = ++shown;
  clearTimeout(timer);
  const focused = document.activeElement !== document.body;
  const [, name = "", id] = location.hash.split("/");
  const moved = here !== null && here !== location.hash;
  here = location.hash;
  const target = h("div", {}, h("p", { className: "busy", role: "status" }, t("busy.loading")));
  if (!quiet) {
    header();
    content().replaceChildren(target);
  }
  try {
    if (!app.deployment) throw new Error(t("error.deployment"));
    if (!app.chain || app.chain.wallet !== app.wallet) {
      app.chain = null;
      const chain = await connectChain();
      if (turn !== shown) return;
      app.chain = chain;
    }
    if (!app.chain) {
      target.replaceChildren(h("p", {}, t("wallet.none")));
      return arrive(moved, false);
    }
    const view = VIEWS[name];
    const form = name === "account" ? /^0x[0-9a-fA-F]{40}$/ : /^\d{1,15}$/;
    if (!view || (id !== undefined && !form.test(id))) throw new Error(t("error.page"));
    const stale = await staleness();
    const made = await view(app, id === undefined ? null : name === "account" ? id : Number(id));
    if (turn !== shown) return;
    if (quiet && engaged()) return again(REPEAT);
    target.replaceChildren(...stale, ...made);
    content().replaceChildren(target);
    arrive(moved, focused && document.activeElement === document.body);
  } catch (error) {
    if (turn !== shown) return;
    if (quiet) again(REPEAT);
    else target.replaceChildren();
    fail(error);
  }
}

start();
