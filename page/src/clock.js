// The clock of docs/mechanism.md, in exact integers. It proposes a settlement, draws the example of the buyer's form,
// and checks what a node says about a settled auction.

const PPB = 10n ** 9n;
export const NONE = 2 ** 32 - 1;

/** Whether a bid comes after another one: by cost per weight, then by the order of commitment. */
function comesAfter(bid, other) {
  const [left, right] = [bid.cost * other.weight, other.cost * bid.weight];
  return left > right || (left === right && bid.index > other.index);
}

function descend(ordered, budget) {
  let [weight, count] = [0n, 0];
  for (const bid of ordered) {
    if (bid.cost * (weight + bid.weight) > budget * bid.weight) break;
    weight += bid.weight;
    count++;
  }
  const loser = ordered[count];
  let price = weight ? { num: budget, den: weight } : null;
  if (loser && (!price || loser.cost * price.den < price.num * loser.weight)) {
    price = { num: loser.cost, den: loser.weight };
  }
  return { winners: ordered.slice(0, count), weight, price };
}

const below = (a, b) => a.num * b.den < b.num * a.den;

/**
 * Run the clocks over revealed bids.
 * @param bids `{index, cost, weight, flagged}`, cost in token units and weight in 1e-18, as bigints.
 * @param beta what can be spent, token units; @param tranche reserved share, in parts per billion.
 * @returns `{marginals, split, price, other, winners}`: the proposal that the contract accepts; whether the tranche
 * has a price of its own; the price as `{num, den}` or null (of flagged bids if `split`, `other` is then that of the
 * rest); the winners.
 */
export function run(bids, beta, tranche = 0) {
  const able = bids.filter((bid) => bid.weight > 0n && bid.cost <= beta);
  // Plain numbers order nearly all bids; where they are too close, integers decide.
  const ratio = new Map(able.map((bid) => [bid, Number(bid.cost) / Number(bid.weight)]));
  const ordered = able.sort((a, b) => {
    const [x, y] = [ratio.get(a), ratio.get(b)];
    if (Math.abs(x - y) > 1e-9 * Math.max(x, y)) return x - y;
    return comesAfter(a, b) ? 1 : -1;
  });
  const last = (clock) => clock.winners.at(-1)?.index ?? NONE;
  const all = descend(ordered, beta);
  const marginals = { all: last(all), flagged: NONE, unflagged: NONE };
  const pooled = { marginals, split: false, price: all.price, other: null, winners: all.winners };
  if (!tranche) return pooled;
  const flagged = descend(
    ordered.filter((bid) => bid.flagged),
    (beta * BigInt(tranche)) / PPB,
  );
  marginals.flagged = last(flagged);
  if (!all.price || !flagged.price || !below(all.price, flagged.price)) return pooled;
  const { num, den } = flagged.price;
  const spent = (num * flagged.weight + den - 1n) / den;
  const rest = descend(
    ordered.filter((bid) => !bid.flagged),
    beta - spent,
  );
  marginals.unflagged = last(rest);
  const winners = [...flagged.winners, ...rest.winners];
  return { marginals, split: true, price: flagged.price, other: rest.price, winners };
}

/** What auctions can spend, token units: min(budget / ρ, pool / (1−ρ)), a term with denominator 0 left out. */
export function betaOf({ budget, pool, rho }) {
  const terms = [];
  if (rho) terms.push((budget * PPB) / BigInt(rho));
  if (rho !== Number(PPB)) terms.push((pool * PPB) / (PPB - BigInt(rho)));
  return terms.reduce((a, b) => (a < b ? a : b));
}

/** A winner's cash and revenue shares, token units. */
export function rewardOf({ num, den }, weight, rho) {
  const whole = (num * weight) / den;
  const cash = (whole * BigInt(rho)) / PPB;
  return { cash, mut: whole - cash };
}
