// Wallets that announce themselves (EIP-6963); the page never asks for `window.ethereum`, which they fight over.

import { createWalletClient, custom, getAddress } from "viem";

import { ABI } from "./chain.js";
import { must } from "./bytes.js";

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
const withErrors = (contract) => [...ABI[contract], ...ERRORS];

/** One account of one wallet. */
export class Wallet {
  constructor({ info, provider }, account) {
    this.name = info.name;
    this.provider = provider;
    this.account = getAddress(account);
    this.client = createWalletClient({ account: this.account, transport: custom(provider) });
  }

  /** Ask the wallet for its account. Throws what the wallet says if it refuses. */
  static async connect(detail) {
    const [account] = await detail.provider.request({ method: "eth_requestAccounts" });
    must(account, "the wallet gave no account");
    return new Wallet(detail, account);
  }

  onChange(listener) {
    this.provider.on?.("accountsChanged", listener);
    this.provider.on?.("chainChanged", listener);
  }

  /** Move the wallet to a chain; throws if it refuses or does not know it. */
  async move(chainId) {
    const params = [{ chainId: `0x${chainId.toString(16)}` }];
    await this.provider.request({ method: "wallet_switchEthereumChain", params });
  }

  /**
   * Simulate a call, send it, and wait until it is in a block. A call names one of our contracts, or address and ABI.
   * @param told is called with the transaction's hash as soon as there is one.
   */
  async send(
    chain,
    { contract, address = chain.address(contract), abi = withErrors(contract), functionName, args, value },
    told = () => {},
  ) {
    const here = Number(await this.provider.request({ method: "eth_chainId" }));
    must(here === chain.id, `chain:${here}`);
    const accounts = await this.provider.request({ method: "eth_accounts" });
    must(
      accounts.some((each) => getAddress(each) === this.account),
      "account",
    );
    const call = { address, abi, functionName, args, value, account: this.account };
    await chain.client.simulateContract(call);
    const hash = await this.client.writeContract({ ...call, chain: null });
    told(hash);
    const receipt = await chain.client.waitForTransactionReceipt({ hash, timeout: 600_000 });
    must(receipt.status === "success", "reverted");
    return receipt;
  }
}
