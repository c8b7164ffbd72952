// What a wallet must not be asked for twice: a commitment or an auction that is made once more is paid once more.
//
// A note is written before the wallet is asked, so that a page which was closed in the middle, or another window of
// it, finds what is on its way.

const PREFIX = "qmia.sent.";
const PATIENCE = 5000; // milliseconds
const warned = new Set();

const noteOf = (key) => JSON.parse(localStorage.getItem(PREFIX + key) ?? "null");
const keep = (key, note) => localStorage.setItem(PREFIX + key, JSON.stringify(note));

/** Add what it was sent as. Where the browser has no room left for that, what was noted before has to do. */
function named(key, note) {
  try {
    keep(key, note);
  } catch (error) {
    console.error(error);
  }
}
const forget = (key) => localStorage.removeItem(PREFIX + key);

/** Whether an error says that nothing was sent, or that what was sent had no effect. */
function isOver(error) {
  for (let each = error; each; each = each.cause) if (each.code === 4001) return true;
  return error.message === "reverted";
}

/** The receipt of what was sent before under this key, or null if it may be sent. Throws `asked` if that is unsure. */
async function earlier({ client }, wallet, key, told) {
  const note = noteOf(key);
  if (!note) return null;
  const { hash, batch } = note;
  if (hash && batch) {
    // What the wallet does not tell of its batch is unsure: the account's order need not show it.
    const receipt = await wallet.batched(hash).catch((error) => error.message === "reverted" && error);
    if (receipt instanceof Error) return null;
    if (receipt) return receipt;
  } else if (hash) {
    const known = await client.getTransaction({ hash }).catch(() => null);
    if (known) told(hash);
    const receipt = known && (await client.waitForTransactionReceipt({ hash, timeout: 600_000 }));
    if (receipt?.status === "success") return receipt;
    if (receipt) return null;
  }
  const [mined, all] = await Promise.all([
    client.getTransactionCount({ address: wallet.account }),
    client.getTransactionCount({ address: wallet.account, blockTag: "pending" }),
  ]);
  // What took its place in the account's order was not it: its effect would be on chain.
  if (!batch && mined > note.nonce) return null;
  if (all > mined || !warned.has(key)) {
    warned.add(key);
    throw new Error("asked");
  }
  return null;
}

/**
 * Send something that costs again if it is sent again.
 * @param done tells whether its effect is on chain already.
 * @param told as for `Wallet.send`.
 * @param send sends it, and is given what to tell, with whether this is the last of several calls, or a batch of them.
 * @returns its receipt, or true if it was done before.
 */
export function once(chain, wallet, key, done, told, send) {
  const guarded = async () => {
    if (await done()) {
      forget(key);
      return true;
    }
    const before = await earlier(chain, wallet, key, told);
    if (before) {
      forget(key);
      return before;
    }
    let nonce;
    try {
      const receipt = await send(async (hash, { last = true, batch = false } = {}) => {
        if (last && hash === null) nonce = await chain.client.getTransactionCount({ address: wallet.account });
        if (last && hash === null) keep(key, { nonce, hash, batch });
        if (last && hash) named(key, { nonce, hash, batch });
        told(hash);
      });
      forget(key);
      return receipt;
    } catch (error) {
      if (isOver(error)) forget(key);
      throw error;
    }
  };
  if (!navigator.locks) return guarded(); // Browsers have locks where the page comes by https, or from this computer.
  let mine = false;
  const locked = () => {
    mine = true;
    return guarded();
  };
  // A window that was closed a moment ago may hold it still.
  return navigator.locks.request(PREFIX + key, { signal: AbortSignal.timeout(PATIENCE) }, locked).catch((error) => {
    throw mine ? error : new Error("elsewhere", { cause: error });
  });
}
