"""A node that lies, loses, repeats and refuses by a seeded schedule: a hook for `Middleman`."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.middleman import Answer, Json

    Forward = Callable[[], Json]


def _error(code: int, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


#: Refusals that pass, as public nodes word them.
REFUSALS: Final[tuple[Any, ...]] = (
    (429, b"slow down"),
    (429, {"error": {"code": 429, "message": "Too Many Requests"}}),
    (502, b"<html>502 Bad Gateway</html>"),
    (503, b""),
    (504, b"upstream request timeout"),
    (200, b"<!doctype html><title>maintenance</title>"),
    b'{"jsonrpc":"2.0","id":1,"resu',
    b"",
    b"[]",
    b"null",
    _error(-32005, "daily request count exceeded, request rate limited"),
    _error(-32007, "50/second request limit reached - reduce calls per second"),
    _error(-32016, "over rate limit"),
    _error(-32029, "Too many requests, please try again later"),
    _error(-32090, "Too many requests, reason: call rate limit exhausted"),
    _error(-32000, "Too many requests"),
    _error(-32603, "Internal error"),
    _error(-32000, "header not found"),
    _error(-32000, "missing trie node 0x00 (path )"),
    {"result": None},
    {"id": 999_999_999, "result": "0x1"},
)
#: "You ask for too many blocks", as public nodes word it.
NARROW: Final[tuple[Json, ...]] = (
    _error(-32600, "You can make eth_getLogs requests with up to a 10 block range."),
    _error(-32005, "query returned more than 10000 results"),
    _error(-32000, "exceed maximum block range: 10"),
    _error(-32602, "eth_getLogs is limited to a 10 range"),
    _error(35, "ranges over 10 blocks are not supported on freetier"),
)
_WIDEST: Final = 10
_QUANTITIES: Final = frozenset({"eth_getBalance", "eth_getTransactionCount", "eth_chainId"})


class Unruly:
    """The hook. The same seed gives the same schedule for the same requests.

    Args:
      seed: of the schedule.
      share: of the requests that something happens to.

    Attributes:
      did: what happened, for messages of failed tests.
    """

    def __init__(self, seed: int, share: float = 0.25) -> None:
        self._rng = random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._earlier: dict[str, list[Json]] = {}
        # A node that is narrow stays so.
        self._narrow = self._rng.random() < 0.3
        self.did: list[str] = []

    def __call__(self, method: str, params: list[Any], forward: Forward) -> Answer:
        with self._lock:
            fault = None
            if self._rng.random() < self._share:
                fault = self._rng.choice(self._faults(method))
            if method == "eth_getLogs" and self._narrow and _width(params) > _WIDEST:
                self.did.append("eth_getLogs: narrow")
                return self._rng.choice(NARROW)
            if fault is None:
                return self._kept(method, forward())
            self.did.append(f"{method}: {fault.__name__.strip('_')}")
            return fault(method, forward)

    def _faults(self, method: str) -> list[Callable[[str, Forward], Answer]]:
        faults = [self._late, self._lost, self._cut, self._refused, self._taken, self._stale]
        if method != "eth_sendRawTransaction":
            faults.append(self._nonsense)
        if method == "eth_getLogs":
            faults += [self._empty, self._partial, self._doubled, self._removed, self._pending]
            faults += [self._partial, self._shuffled]
        elif method == "eth_getTransactionReceipt":
            faults += [self._null, self._null, self._pending]
        elif method.startswith("eth_getBlockBy") or method == "eth_getTransactionByHash":
            faults += [self._null]
        elif method in ("eth_call", "eth_getCode"):
            faults += [self._nothing]
        return faults  # type: ignore[return-value]

    def _kept(self, method: str, answer: Json) -> Json:
        self._earlier.setdefault(method, []).append(answer)
        return answer

    def _late(self, method: str, forward: Forward) -> Answer:
        time.sleep(self._rng.random() / 20)
        return self._kept(method, forward())

    def _lost(self, method: str, forward: Forward) -> Answer:
        self._kept(method, forward())
        raise ConnectionError

    def _cut(self, *_: object) -> Answer:
        raise ConnectionError

    def _refused(self, *_: object) -> Answer:
        answer: Answer = self._rng.choice(REFUSALS)
        return answer

    def _taken(self, method: str, forward: Forward) -> Answer:
        self._kept(method, forward())
        answer: Answer = self._rng.choice(REFUSALS)
        return answer

    def _stale(self, method: str, forward: Forward) -> Answer:
        """What was true some questions ago; for questions whose answer changes with time alone."""
        if method not in ("eth_blockNumber", "eth_getTransactionCount"):
            return self._kept(method, forward())
        return self._rng.choice(self._earlier.get(method) or [self._kept(method, forward())])

    def _null(self, *_: object) -> Answer:
        return {"result": None}

    def _nonsense(self, *_: object) -> Answer:
        return {"result": self._rng.choice([{}, [], "zz", 5, True, "", {"a": 1}, [None], ["0x"]])}

    def _nothing(self, *_: object) -> Answer:
        return {"result": "0x"}

    def _empty(self, *_: object) -> Answer:
        return {"result": []}

    def _partial(self, _: str, forward: Forward) -> Answer:
        answer = forward()
        logs = answer.get("result") or []
        at = self._rng.randrange(len(logs) + 1)
        some = self._rng.choice([logs[:at], logs[at:], logs[:at] + logs[at + 1 :]])
        return answer | {"result": some}

    def _doubled(self, _: str, forward: Forward) -> Answer:
        answer = forward()
        return answer | {"result": [*(answer.get("result") or []), *(answer.get("result") or [])]}

    def _removed(self, _: str, forward: Forward) -> Answer:
        answer = forward()
        logs = answer.get("result") or []
        return answer | {"result": [each | {"removed": True} for each in logs] + logs}

    def _shuffled(self, _: str, forward: Forward) -> Answer:
        answer = forward()
        logs = list(answer.get("result") or [])
        self._rng.shuffle(logs)
        return answer | {"result": logs}

    def _pending(self, _: str, forward: Forward) -> Answer:
        answer = json.loads(json.dumps(forward()))
        found = answer.get("result")
        for each in found if isinstance(found, list) else [found] if found else []:
            each["blockHash"] = None
        return answer  # type: ignore[no-any-return]


def _width(params: list[Any]) -> int:
    query = params[0]
    return int(query["toBlock"], 16) - int(query["fromBlock"], 16) + 1
