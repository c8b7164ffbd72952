// Sending for somebody else: a file that its owner signed, or a share of its bid.

import { BaseError, ContractFunctionRevertedError } from "viem";

import { must } from "./bytes.js";
import { h, picker, press } from "./dom.js";
import { sentence } from "./errors.js";
import * as relay from "./relay.js";
import { once } from "./sent.js";
import { withErrors } from "./wallets.js";
import { ether, short, t } from "./words.js";

export async function relayView(app) {
  const place = h("div", {});
  const input = picker({
    id: "relay",
    accept: ".json",
    onchange: () =>
      app.run(async () => {
        place.replaceChildren();
        const file = relay.parse(await input.files[0].text());
        const here = file.contract.toLowerCase() === app.chain.address("DataAuction").toLowerCase();
        must(here && file.chain_id === app.chain.id, t("bids.other"));
        place.replaceChildren(await about(app, file));
      }),
  });
  return [
    h("h1", {}, t("relay.title")),
    h("p", { className: "intro" }, t("relay.intro")),
    h("p", {}, h("label", { className: "pick" }, t("relay.load"), " ", input)),
    place,
  ];
}

/**
 * Why the contract would refuse a call, whoever is connected here; null if it would not, or if that is not known. It
 * checks what was signed, by a key or by a contract such as a Safe (ERC-1271).
 */
async function refusal({ chain }, { contract, functionName, args, value }, account) {
  try {
    const abi = withErrors(contract);
    await chain.client.simulateContract({ address: chain.address(contract), abi, functionName, args, value, account });
    return null;
  } catch (error) {
    const reverted = error instanceof BaseError && error.walk((each) => each instanceof ContractFunctionRevertedError);
    return reverted?.data ? sentence(error) : null;
  }
}

async function about(app, file) {
  const [state, now] = await Promise.all([app.chain.auction(file.auction), app.chain.now()]);
  const { step, call, payer } = relay.todo(state, file, now);
  const box = h(
    "section",
    { className: "step", "data-relay": step },
    h("h2", {}, t("relay.bid", { id: file.auction, owner: short(file.owner) })),
    h("p", {}, t(call ? `relay.${step}` : `step.${step}`)),
  );
  if (!call) return box;
  const wrong = await refusal(app, call, payer ?? file.owner);
  if (wrong) {
    box.append(h("p", { className: "error", role: "alert" }, wrong));
    return box;
  }
  if (call.value) box.append(h("p", {}, t("relay.pays", { total: ether(call.value), bond: ether(state.bond) })));
  if (!app.wallet) box.append(h("p", {}, t("relay.connect")));
  else if (payer && payer !== app.wallet.account) box.append(h("p", {}, t("relay.payer", { payer: short(payer) })));
  else {
    const { chain, wallet } = app;
    const done = async () => !relay.todo(await chain.auction(file.auction), file, await chain.now()).call;
    box.append(
      press({ "data-send": step }, t("relay.send"), () =>
        app.run((told) =>
          once(chain, wallet, `relay.${step}.${file.signature ?? file.salt}`, done, told, (tell) =>
            wallet.send(chain, call, tell),
          ),
        ),
      ),
    );
  }
  return box;
}
