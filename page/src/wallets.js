// Wallets that announce themselves (EIP-6963); the page never asks for `window.ethereum`, which they fight over.

import { createClient, custom, decodeErrorResult, getAddress, numberToHex } from "viem";
import { signTypedData, writeContract } from "viem/actions";

import { ABI } from "./chain.js";
import { must } from "./bytes.js";
import { transaction } from "./safe.js";

const announced = new Map();
const listeners = new Set();

window.addEventListener("eip6963:announceProvider", ({ detail }) => {
  if (!detail?.info?.uuid || !detail.provider) return;
  announced.set(detail.info.uuid, detail);
  for (const listener of listeners) listener();
});
window.dispatchEvent(new Event("eip6963:requestProvider"));

export const wallets = () => [...announced.values()];
export const onWallets = (listener) => listeners.add(listener);

// A call may be refused by the contract that the called one asks, too.
const ERRORS = Object.values(ABI).flatMap((abi) => abi.filter((each) => each.type === "error"));
export const withErrors = (contract) => [...ABI[contract], ...ERRORS];

const UNKNOWN = new Set([4200, 5700, 5750, 5760, -32601]); // A wallet that does not, or not here, make batches.
const WAIT = 600; // seconds

/** What a wallet says when it is asked to send leaves open whether it has sent, but for a person's refusal. */
function unsure(error) {
  for (let each = error; each; each = each.cause) if (each.code === 4001) throw error;
  throw Object.assign(new Error("wallet", { cause: error }), { detail: error.details ?? error.message });
}

/** One account of one wallet. */
export class Wallet {
  constructor({ info, provider }, account) {
    this.name = info.name;
    this.provider = provider;
    this.account = getAddress(account);
    this.client = createClient({ account: this.account, transport: custom(provider) });
  }

  /** Ask the wallet for its account. Throws what the wallet says if it refuses. */
  static async connect(detail) {
    const [account] = await detail.provider.request({ method: "eth_requestAccounts" });
    must(account, "the wallet gave no account");
    return new Wallet(detail, account);
  }

  /** Tell when the wallet leaves this account (`account`), or its network (`chain:<id>`); `back` when it is there again. */
  onChange(chainId, listener) {
    this.provider.on?.("accountsChanged", (accounts) => {
      listener(accounts.some((each) => getAddress(each) === this.account) ? "back" : "account");
    });
    this.provider.on?.("chainChanged", (id) => listener(Number(id) === chainId ? "back" : `chain:${Number(id)}`));
  }

  /** Move the wallet to a chain; throws if it refuses or does not know it. */
  async move(chainId) {
    const params = [{ chainId: `0x${chainId.toString(16)}` }];
    await this.provider.request({ method: "wallet_switchEthereumChain", params });
  }

  /** Throws unless the wallet is still on this network and has this account. */
  async #ready(chain) {
    const here = Number(await this.provider.request({ method: "eth_chainId" }));
    must(here === chain.id, `chain:${here}`);
    const accounts = await this.provider.request({ method: "eth_accounts" });
    must(
      accounts.some((each) => getAddress(each) === this.account),
      "account",
    );
  }

  /** The account's signature of a typed message. @param told as for `send`. */
  async sign(chain, message, told = () => {}) {
    await this.#ready(chain);
    told(null);
    return signTypedData(this.client, message);
  }

  /**
   * Simulate a call, send it, and wait until it is in a block. A call names one of our contracts, or address and ABI.
   * @param told is called with nothing while the page itself works, with null just before the wallet is asked, and
   * with the transaction's hash once there is one.
   */
  async send(
    chain,
    { contract, address = chain.address(contract), abi = withErrors(contract), functionName, args, value },
    told = () => {},
  ) {
    await told();
    await this.#ready(chain);
    const call = { address, abi, functionName, args, value, account: this.account };
    await chain.client.simulateContract(call);
    await told(null);
    const hash = await writeContract(this.client, { ...call, chain: null }).catch(unsure);
    await told(hash);
    const receipt = await chain.client.waitForTransactionReceipt({ hash, timeout: 600_000 });
    must(receipt.status === "success", "reverted");
    return receipt;
  }

  /** Make several calls in one transaction where the wallet can (EIP-5792), else one after another; the last receipt. */
  async sendAll(chain, calls, told = () => {}) {
    if (calls.length > 1 && (await this.joins(chain))) {
      try {
        return await this.#batch(chain, calls, told);
      } catch (error) {
        if (!UNKNOWN.has(error.code)) throw error;
      }
    }
    let receipt;
    for (const [i, call] of calls.entries()) {
      const last = i === calls.length - 1;
      receipt = await this.send(chain, call, (hash) => told(hash, { last }));
    }
    return receipt;
  }

  /** Whether the wallet says that it can make several calls as one. */
  async joins(chain) {
    const id = numberToHex(chain.id);
    const params = [this.account, [id]];
    const all = await this.provider.request({ method: "wallet_getCapabilities", params }).catch(() => ({}));
    return ["supported", "ready"].includes(all?.[id]?.atomic?.status);
  }

  async #batch(chain, calls, told) {
    await this.#ready(chain);
    const made = calls.map((call) => {
      const { to, value, data } = transaction(chain, call);
      return { to, value: numberToHex(value), data };
    });
    await this.#simulate(chain, made);
    const batch = { version: "2.0.0", chainId: numberToHex(chain.id), from: this.account, atomicRequired: true };
    await told(null, { batch: true });
    const { id } = await this.provider.request({ method: "wallet_sendCalls", params: [{ ...batch, calls: made }] });
    await told(id, { batch: true });
    return this.batched(id);
  }

  /** Wait until a batch is in a block; its receipt. Throws `reverted` if it failed, or what the wallet says. */
  async batched(id) {
    for (let waited = 0; waited < WAIT; waited++) {
      const answer = await this.provider.request({ method: "wallet_getCallsStatus", params: [id] });
      if (answer.status >= 200) {
        must(answer.status === 200 && answer.receipts?.length, "reverted");
        const last = answer.receipts.at(-1);
        return {
          blockNumber: BigInt(last.blockNumber),
          logs: answer.receipts.flatMap((each) => each.logs),
        };
      }
      await new Promise((done) => setTimeout(done, 1000));
    }
    throw new Error("asked");
  }

  /** Let the node run a batch; nodes that cannot (`eth_simulateV1`) leave it to the wallet. */
  async #simulate(chain, calls) {
    const blockStateCalls = [{ calls: calls.map((call) => ({ ...call, from: this.account })) }];
    const [block] = await chain.client
      .request({ method: "eth_simulateV1", params: [{ blockStateCalls }, "latest"] })
      .catch(() => [null]);
    const failed = block?.calls?.find((call) => call.status !== "0x1");
    if (!failed) return;
    let name = "?";
    try {
      name = decodeErrorResult({ abi: ERRORS, data: failed.returnData ?? failed.error?.data }).errorName;
    } catch {
      // An error that our contracts do not have.
    }
    throw new Error(`revert:${name}`);
  }
}
