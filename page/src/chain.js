// What the chain says, read with distrust: a node may be late, cut a range short, or be on another chain.

import {
  AbiDecodingDataSizeTooSmallError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  createClient,
  decodeEventLog,
  encodeAbiParameters,
  erc20Abi,
  getAddress,
  isAddressEqual,
  keccak256,
  pad,
  toEventSelector,
} from "viem";
import {
  getBlock,
  getChainId,
  getCode,
  getTransaction,
  getTransactionCount,
  readContract,
  simulateContract,
  waitForTransactionReceipt,
} from "viem/actions";

import dataAuction from "../../oracles/chain/artifacts/DataAuction.json" with { type: "json" };
import dstFactory from "../../oracles/chain/artifacts/DstFactory.json" with { type: "json" };
import dstToken from "../../oracles/chain/artifacts/DstToken.json" with { type: "json" };
import exchange from "../../oracles/chain/artifacts/Exchange.json" with { type: "json" };
import mutToken from "../../oracles/chain/artifacts/MutToken.json" with { type: "json" };
import scoreOracle from "../../oracles/chain/artifacts/ScoreOracle.json" with { type: "json" };
import { fromHex, join, must, toHex, uint } from "./bytes.js";

export const ABI = {
  DataAuction: dataAuction.abi,
  Exchange: exchange.abi,
  ScoreOracle: scoreOracle.abi,
  MutToken: mutToken.abi,
  DstFactory: dstFactory.abi,
  DstToken: dstToken.abi,
};
/** Events by topic: to look through the whole ABI for each log would take most of the time. */
const EVENTS = new Map(
  Object.values(ABI)
    .flat()
    .filter((each) => each.type === "event")
    .map((each) => [toEventSelector(each), each]),
);
const RANGE = 10_000n; // What public nodes answer; it shrinks where they do not.
const PAUSE = 250;
// As the tools have it: any other symbol could deceive who reads it, and the address stands in its place.
// How a contract refuses a question, or answers what is no answer to it.
const UNREADABLE = [AbiDecodingDataSizeTooSmallError, ContractFunctionRevertedError, ContractFunctionZeroDataError];
const SYMBOL = /^[A-Za-z0-9_$.+-]{1,16}$/;
const UNITS = new Set(["eth", "ether", "gwei", "wei", "unit", "units", "mut", "dst"]);
const MONTH = 30 * 86400; // The longest phase.

/** Lets the page answer to clicks between two parts of long work. */
export const pause = () => new Promise((done) => setTimeout(done));

const PHASES = ["commit", "draw", "open", "score", "reveal", "settle", "fetch", "deliver", "dispute"];

// What the page asks a node; viem's own client would bring all that it could ask, too.
const ACTIONS = {
  getBlock,
  getChainId,
  getCode,
  getTransaction,
  getTransactionCount,
  readContract,
  simulateContract,
  waitForTransactionReceipt,
};
const asking = (client) =>
  Object.fromEntries(Object.entries(ACTIONS).map(([name, ask]) => [name, (given) => ask(client, given)]));

/** The contracts of one deployment, as one node shows them. */
export class Chain {
  /**
   * @param transport of viem.
   * @param deployment the content of `deployment.json`.
   */
  constructor(transport, deployment) {
    must(deployment.schema === "qmia/deployment/2", "deployment.json is of another version");
    this.deployment = deployment;
    this.client = createClient({ transport }).extend(asking);
    this.id = deployment.chain_id;
    this.sources = new Map();
  }

  address(name) {
    return getAddress(this.deployment.contracts[name].address);
  }

  read(name, functionName, args = [], more = {}) {
    return this.client.readContract({ address: this.address(name), abi: ABI[name], functionName, args, ...more });
  }

  /** Throws unless these are the contracts of `deployment.json`, on its chain. */
  async check() {
    const id = await this.client.getChainId();
    must(id === this.id, `chain:${id}`);
    for (const name of ["DataAuction", "Exchange", "ScoreOracle"]) {
      let domain;
      try {
        domain = await this.read(name, "eip712Domain");
      } catch {
        throw new Error(`contract:${name}`);
      }
      const [, title, , chain, contract] = domain;
      const right =
        title === `Q-MIA ${name}` && chain === BigInt(this.id) && isAddressEqual(contract, this.address(name));
      must(right, `contract:${name}`);
    }
    for (const [name, other] of [
      ["ORACLE", "ScoreOracle"],
      ["EXCHANGE", "Exchange"],
    ]) {
      must(isAddressEqual(await this.read("DataAuction", name), this.address(other)), `contract:${other}`);
    }
  }

  /** Time of the newest block, seconds. */
  async now() {
    return Number((await this.client.getBlock()).timestamp);
  }

  /** Events of one contract from block to block, in ranges that nodes accept; none twice, none out of place. */
  async events(name, topics, from, to) {
    const found = [];
    const address = this.address(name);
    let [start, width, read] = [from, RANGE, 0];
    while (start <= to) {
      const end = start + width - 1n < to ? start + width - 1n : to;
      let logs;
      try {
        const range = { fromBlock: `0x${start.toString(16)}`, toBlock: `0x${end.toString(16)}` };
        logs = await this.client.request({ method: "eth_getLogs", params: [{ address, topics, ...range }] });
        must(Array.isArray(logs), "the node gave no list of logs");
      } catch (error) {
        if (width <= 1n) throw error;
        width = width / 4n || 1n;
        continue;
      }
      let last = -1;
      for (const log of logs) {
        const block = BigInt(log.blockNumber ?? -1);
        const place = Number(block - start) * 1e6 + Number(log.logIndex);
        const right =
          !log.removed && block >= start && block <= end && place > last && isAddressEqual(log.address, address);
        must(right, "the node's logs are not in order; ask another node");
        last = place;
        const entry = EVENTS.get(log.topics[0]);
        must(entry, `the node gives a log that ${name} does not have; ask another node`);
        const { args } = decodeEventLog({ abi: [entry], data: log.data, topics: log.topics });
        found.push({ name: entry.name, args, block, log: Number(log.logIndex), transaction: log.transactionHash });
        if (++read % PAUSE === 0) await pause();
      }
      start = end + 1n;
    }
    return found;
  }

  /** Numbers of all auctions, newest first. */
  async auctions() {
    const count = Number(await this.read("DataAuction", "auctionCount"));
    return Array.from({ length: count }, (_, i) => count - i);
  }

  /** All that happened in one auction, and where it stands. */
  async auction(id) {
    const block = await this.client.getBlock();
    const at = { blockNumber: block.number };
    const number = BigInt(id);
    const topic = `0x${number.toString(16).padStart(64, "0")}`;
    const [count, [state, ends]] = await Promise.all([
      this.read("DataAuction", "bidCount", [number], at),
      this.read("DataAuction", "phases", [number], at),
    ]);
    let from = BigInt(this.deployment.block);
    // Years of blocks lie before a late auction: it was created at most a month before its bids were in.
    if (block.number - from > RANGE) from = await this.#blockAt(from, Number(ends[0]) - MONTH);
    const [own, sales] = await Promise.all([
      this.events("DataAuction", [null, topic], from, block.number),
      this.events("Exchange", [null, topic], from, block.number),
    ]);
    return new AuctionState(this, number, merged(own, sales), count, state, ends.map(Number), block);
  }

  /** All that names an address in the auctions' logs: its bids, what it was paid for them, the auctions it created. */
  async account(address) {
    const who = pad(address);
    const to = (await this.client.getBlock()).number;
    const ask = (name, topics) => {
      const topic = toEventSelector(ABI.DataAuction.find((each) => each.type === "event" && each.name === name));
      return this.events("DataAuction", [topic, ...topics], BigInt(this.deployment.block), to);
    };
    const [bids, claims, created] = await Promise.all([
      ask("Committed", [null, null, who]),
      ask("Claimed", [null, null, who]),
      ask("AuctionCreated", [null, who]),
    ]);
    return { bids, claims, created };
  }

  /** Settlement token of an auction. */
  async tokenOf(id) {
    const topic = toEventSelector(ABI.DataAuction.find((each) => each.name === "AuctionCreated"));
    const topics = [topic, pad(toHex(uint(id, 32)))];
    const to = (await this.client.getBlock()).number;
    const [created] = await this.events("DataAuction", topics, BigInt(this.deployment.block), to);
    must(created, `the node shows no auction ${id}; ask another node`);
    return created.args.terms.token;
  }

  /** Keys of operators as they stood when an auction was created, in the order of `members`. */
  async keysOf(members, created) {
    const topic = toEventSelector(ABI.ScoreOracle.find((each) => each.name === "OperatorRegistered"));
    const keys = new Map();
    for (const event of await this.events("ScoreOracle", [topic], BigInt(this.deployment.block), created.block)) {
      if (event.block === created.block && event.log > created.log) continue;
      keys.set(event.args.operator, join(fromHex(event.args.keyX), fromHex(event.args.keyY)));
    }
    return members.map((member) => {
      must(keys.has(member), `the node does not show the key of operator ${member}; ask another node`);
      return keys.get(member);
    });
  }

  async panels(set) {
    const [first, appeal] = await this.read("ScoreOracle", "setOf", [BigInt(set)]);
    return [first, appeal];
  }

  /** Number of the first block at or after a time, or the newest one. */
  async #blockAt(from, time) {
    let [low, high] = [from, (await this.client.getBlock()).number];
    while (low < high) {
      const middle = (low + high) / 2n;
      const block = await this.client.getBlock({ blockNumber: middle });
      if (Number(block.timestamp) >= time) high = middle;
      else low = middle + 1n;
    }
    return low;
  }

  /** `prevrandao` of the first block at or after a time. */
  async randomness(from, time) {
    const block = await this.client.getBlock({ blockNumber: await this.#blockAt(from, time) });
    must(Number(block.timestamp) >= time, "the block that draws the samples is not there yet");
    return fromHex(block.mixHash);
  }

  /** Symbol and decimals of a token. */
  async token(address) {
    if (!this.sources.has(address)) {
      const asked = this.#token(address);
      this.sources.set(address, asked);
      asked.catch(() => this.sources.delete(address)); // Asked again next time.
    }
    return this.sources.get(address);
  }

  /** A contract that does not say both is counted in its smallest unit. Where the node fails, nothing is assumed. */
  async #token(address) {
    const ask = (functionName) => this.client.readContract({ address, abi: erc20Abi, functionName });
    try {
      const [symbol, decimals] = await Promise.all([ask("symbol"), ask("decimals")]);
      const plain = SYMBOL.test(symbol) && !UNITS.has(symbol.toLowerCase());
      if (decimals > 255) return { address, symbol: address, decimals: 0 }; // Such a number has no room in memory.
      return { address, symbol: plain ? symbol : address, decimals };
    } catch (error) {
      const unreadable = error.walk?.((each) => UNREADABLE.some((kind) => each instanceof kind));
      if (!unreadable || !(await this.client.getCode({ address }))) throw error;
      return { address, symbol: address, decimals: 0 };
    }
  }
}

const merged = (a, b) => [...a, ...b].sort((x, y) => Number(x.block - y.block) || x.log - y.log);

const DATA_SET = [
  {
    type: "tuple",
    components: [
      { name: "manifest", type: "bytes32" },
      { name: "contentDigest", type: "bytes32" },
      { name: "size", type: "uint64" },
      { name: "keyCommitment", type: "bytes32" },
    ],
  },
];

/** What calls name a bid by. */
const placeOf = (index, owner, payer, dataSet) => ({
  index,
  owner,
  payer,
  dataSet: keccak256(encodeAbiParameters(DATA_SET, [dataSet])),
});

/** The seal of a bid: what is committed to. */
export const sealOf = (chain, auction, owner, cost, salt) =>
  keccak256(
    encodeAbiParameters(
      ["uint256", "address", "uint256", "address", "uint256", "bytes32"].map((type) => ({ type })),
      [BigInt(chain.id), chain.address("DataAuction"), BigInt(auction), owner, BigInt(cost), salt],
    ),
  );

/** One auction, folded from its logs. */
export class AuctionState {
  constructor(chain, id, events, count, state, ends, block) {
    Object.assign(this, { chain, id, events, ends, block });
    this.state = ["open", "settled", "aborted"][state];
    this.bids = [];
    for (const event of events) this.#apply(event);
    must(this.created, `the node shows no auction ${id}; ask another node`);
    must(
      this.bids.length === Number(count) && this.bids.every((bid, i) => bid?.index === i),
      `the node shows ${this.bids.length} of ${count} bids; ask another node`,
    );
    this.terms = this.created.args.terms;
    this.where = { chain_id: chain.id, contract: chain.address("DataAuction"), auction_id: id };
  }

  #apply(event) {
    const { name, args } = event;
    const bid = args.index === undefined ? null : this.bids[Number(args.index)];
    if (name === "AuctionCreated") this.created = event;
    else if (name === "Committed") {
      const { owner, payer, sealedBid, dataSet } = args;
      const index = Number(args.index);
      this.bids[index] = {
        index,
        owner,
        payer,
        sealedBid,
        dataSet,
        get place() {
          return placeOf(index, owner, payer, dataSet);
        },
      };
    } else if (name === "Settled") this.outcome = args;
    else if (name === "ScoresAccepted") this.scores = args;
    else if (name === "Opened") bid.opened ??= args.opening;
    else if (name === "Revealed") bid.revealed = args;
    else if (name === "Delivered") bid.delivered = args.delivery;
    else if (name === "StruckOut") bid.struckOut = args;
    else if (name === "Refuted") bid.refuted = true;
    else if (name === "Withdrawn") bid.withdrawn = true;
    else if (name === "Claimed") (bid.claims ??= []).push(args);
    else if (name === "BondReclaimed") bid.reclaimed = true;
    else if (name === "Missed") bid.missed = true;
    else if (name === "Complained") bid.complained = true;
  }

  /** The phase at a time: its name and its end, seconds. */
  phase(now) {
    const at = this.ends.findIndex((end) => now < end);
    return at < 0 ? { name: "claim", end: Infinity } : { name: PHASES[at], end: this.ends[at] };
  }

  /** Ends of all phases by name, as `{name, from, end}`. */
  phases() {
    return PHASES.map((name, i) => ({ name, from: i ? this.ends[i - 1] : null, end: this.ends[i] }));
  }

  /** Whether a bid won, by the clock's own order: cost over weight, then the place of commitment. */
  won(bid) {
    if (!this.outcome || !bid.revealed || bid.revealed.weight === 0n) return false;
    const { marginals, outcome } = this.outcome;
    const split = outcome.split;
    const last = this.bids[split ? (bid.revealed.flagged ? marginals.flagged : marginals.unflagged) : marginals.all];
    if (!last?.revealed) return false;
    const [left, right] = [bid.revealed.cost * last.revealed.weight, last.revealed.cost * bid.revealed.weight];
    return left < right || (left === right && bid.index <= last.index);
  }

  /** Cash and MUT of a winner, in token units. */
  reward(bid) {
    const { outcome } = this.outcome;
    const other = outcome.split && !bid.revealed.flagged;
    const [num, den] = other ? [outcome.unflaggedNum, outcome.unflaggedDen] : [outcome.num, outcome.den];
    const whole = (num * bid.revealed.weight) / den;
    const cash = (whole * BigInt(this.terms.rho)) / 10n ** 9n;
    return { cash, mut: whole - cash };
  }

  /** What a commitment costs now: bond and entry fee, wei. */
  get bond() {
    return BigInt(this.terms.bondGwei) * 10n ** 9n;
  }

  get entryFee() {
    return BigInt(this.terms.scoring.entryFeeGwei) * 10n ** 9n;
  }
}
