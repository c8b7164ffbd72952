"""What each step cannot do without: the floor under its gas, item by item.

Prices of the Osaka rules. Storage counted: one new slot where state must be kept that was not
there, one read (and write) of every other slot the step depends on. Calldata and events at their
real length; no arithmetic, no hashing, no memory: of reveals, scores and settlement these are
measured apart (Arithmetic.sol).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSACTION: Final = 21_000
READ: Final = 2_100
"""Cold storage slot (EIP-2929)."""
CHANGE: Final = 5_000
"""Cold slot that holds something else."""
NEW: Final = 22_100
"""Cold slot that was empty."""
ACCOUNT: Final = 2_600
"""Cold account or code."""
VALUE: Final = 6_700
"""Call with value, less the stipend that comes back."""
CODE_BYTE: Final = 200
CREATE: Final = 32_000
SIGNATURE: Final = 3_000
"""Recovery of a signer."""


def _log(topics: int, size: int) -> int:
    return 375 + 375 * topics + 8 * size


def _calldata(nonzero: int, zero: int) -> int:
    return 16 * nonzero + 4 * zero


_TRANSFER = {"token contract": ACCOUNT, "payer's balance": CHANGE, "payee's balance": NEW}
_TOKEN_LOG = _log(3, 32)
_CLAIM = {
    "transaction": TRANSACTION,
    "calldata": _calldata(80, 116),
    "bid": CHANGE,
    "token, deadline, bond": READ,
    "price": READ,
    "event": _log(4, 128),
}
_CASH = {"cash": sum(_TRANSFER.values()) + _TOKEN_LOG}
_BOND = {"bond": VALUE}
_MUT = {
    "MUT": ACCOUNT + ACCOUNT + NEW + READ + _log(3, 32),
}

#: Of five operators: signature, salt, evidence and hash, in calldata and event, and what they are
#: checked against; and one contract and one pointer for the result.
_CHUNK = TRANSACTION + CREATE + NEW + 5 * (SIGNATURE + READ + _calldata(161, 0) + 8 * 161)

#: By step, as in `__main__`; per bid for settle, per provider for scores.
FLOORS: Final[Mapping[str, Mapping[str, int]]] = {
    "commit": {
        "transaction": TRANSACTION,
        "calldata": _calldata(169, 59),
        "bid": NEW,
        "deadline, counter, deposit, agreement": CHANGE,
        "event": _log(4, 192),
    },
    "open": {
        "transaction": TRANSACTION,
        "calldata": _calldata(143, 117),
        "bid": READ,
        "deadlines": READ,
        "event": _log(3, 32),
    },
    "reveal": {
        "transaction": TRANSACTION,
        "calldata": _calldata(115, 113),
        "bid": CHANGE,
        "deadlines": READ,
        "weight rule": READ,
        "where the scores are": READ,
        "scores": ACCOUNT,
        "event": _log(3, 128),
    },
    "scores": {
        "calldata": 5 * 8 * 16,
        "event": 5 * 8 * 8,
        "stored": 8 * CODE_BYTE,
        "share of a chunk": _CHUNK // 1000,
    },
    "settle": {"bid": READ},
    "deliver": {
        "transaction": TRANSACTION,
        "calldata": _calldata(245, 239),
        "signature": SIGNATURE,
        "auction contract": ACCOUNT,
        "bid": CHANGE,
        "state, deadlines, counter, last winner": CHANGE,
        "event": _log(3, 96),
    },
    "refute": {
        "transaction": TRANSACTION,
        "calldata": _calldata(627, 113),
        "proof": 3 * SIGNATURE,
        "auction contract": ACCOUNT,
        "bid": CHANGE,
        "state, deadlines, deliveries, last winner": CHANGE,
        "end of the disputes": READ,
        "buyer's key": READ,
        "price": READ,
        "refund and strike-outs": CHANGE,
        "bond": VALUE + ACCOUNT,
        "events": _log(3, 320) + _log(3, 96),
    },
    "claim, cash": _CLAIM | _CASH,
    "claim, cash and bond": _CLAIM | _CASH | _BOND,
    "claim, cash, MUT and bond": _CLAIM | _CASH | _BOND | _MUT,
}


def floor(step: str) -> int:
    """Sum of a step's items; KeyError if there is none."""
    return sum(FLOORS[step].values())
