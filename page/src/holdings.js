// What a bid has brought besides cash: revenue shares (MUT), their revenue, and the token of participation (DST).

import { isAddress } from "viem";

import { must } from "./bytes.js";
import { ABI } from "./chain.js";
import { h, press } from "./dom.js";
import { amount, money, t } from "./words.js";

const DST = { decimals: 18, symbol: "DST" };

export async function holdings(app, state, bid, own, unit) {
  return [...(await shares(app, state, bid, unit)), ...(await participation(app, state, bid, own))];
}

/** A button that sends one call and shows the view anew. */
export const send = (app, name, make) =>
  press({ "data-do": name }, t(`do.${name}`), async () => {
    const sent = await app.run(async (told) => app.wallet.send(app.chain, await make(), told));
    if (sent) await app.show();
    return sent;
  });

async function shares(app, state, bid, unit) {
  if (!state.outcome?.outcome.mutSupply) return [];
  const address = await app.chain.read("DataAuction", "mutToken", [state.id]);
  const token = { address, abi: ABI.MutToken };
  const ask = (functionName) => app.chain.client.readContract({ ...token, functionName, args: [bid.owner] });
  const [held, due] = await Promise.all([ask("balanceOf"), ask("revenueOf")]);
  if (!held && !due) return [];
  const mut = { ...unit, symbol: "MUT" };
  const parts = [
    h("p", { "data-revenue": "" }, t("bids.revenue", { held: money(held, mut), due: money(due, unit) })),
    due > 0n && send(app, "collect", () => ({ ...token, functionName: "claimFor", args: [bid.owner] })),
  ];
  if (held) parts.push(transfer(app, token, held, mut));
  return parts.filter(Boolean);
}

function transfer(app, token, held, mut) {
  const field = (id, properties = {}) =>
    h("input", { id: `${id}-${token.address}`, autocomplete: "off", ...properties });
  const [to, sum] = [field("to", { spellcheck: "false" }), field("sum", { inputmode: "decimal" })];
  const button = send(app, "transfer", () => {
    const [address, value] = [to.value.trim(), amount(sum.value, mut)];
    must(isAddress(address), t("create.bad.address"));
    must(value && value <= held, t("bids.transfer.bad", { most: money(held, mut) }));
    return { ...token, functionName: "transfer", args: [address, value] };
  });
  return h(
    "details",
    {},
    h("summary", {}, t("bids.transfer")),
    h("p", {}, t("bids.transfer.text")),
    h("label", { for: to.id }, t("bids.transfer.to")),
    to,
    h("label", { for: sum.id }, t("bids.transfer.sum")),
    sum,
    " ",
    button,
  );
}

/** The bid's share of the participation tokens, once anybody has had them counted. */
async function participation(app, state, bid, own) {
  if (!state.terms.dst.supply || !app.chain.deployment.contracts.DstFactory) return [];
  const { client } = app.chain;
  const address = await app.chain.read("DstFactory", "tokenOf", [state.id]);
  if (!(await client.getCode({ address }))) return [h("p", { className: "small" }, t("bids.dst.later"))];
  const token = { address, abi: ABI.DstToken };
  const call = { ...token, functionName: "claim", args: [own.place] };
  const [held, due] = await Promise.all([
    client.readContract({ ...token, functionName: "balanceOf", args: [bid.owner] }),
    client.simulateContract({ ...call, account: bid.owner }).then(
      ({ result }) => result,
      () => 0n, // Claimed before, or not counted yet.
    ),
  ]);
  const sums = { held: money(held, DST), due: money(due, DST) };
  return [
    held > 0n && h("p", { "data-held": "" }, t("bids.dst.held", sums)),
    due > 0n && h("p", { "data-dst": "" }, t("bids.dst", sums)),
    due > 0n && send(app, "dst", () => call),
  ].filter(Boolean);
}
