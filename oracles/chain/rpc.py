"""The one boundary to a node: whatever it does becomes an answer, or one of our own errors.

A node is a stranger. It may be silent, slow, overloaded, behind a proxy that answers with HTML, or
refuse in words of its own. `FallbackProvider` waits for what passes, asks the next node where there
is one, and raises `Reverted` or `NodeError` for the rest. `node_errors` does the same for what
web3.py itself raises; every use of web3 in this package stands inside it. URLs are never shown:
their path or query often holds a key.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import requests
from eth_abi.exceptions import DecodingError
from eth_typing import BlockNumber, Hash32, HexStr
from eth_utils.crypto import keccak
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from web3 import Web3
from web3._utils.abi import build_strict_registry
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint

from oracles.chain import artifacts
from oracles.chain.codec import decode, refusing_short_data
from oracles.errors import ConfigError, NodeError, Reverted
from oracles.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eth_typing import ChecksumAddress
    from web3.types import BlockData, BlockIdentifier, RPCResponse, TxReceipt

_CODEC: Final = refusing_short_data(build_strict_registry())
#: Seconds to wait for one answer to begin, or to go on; and for the whole of it.
RPC_TIMEOUT: Final = 30
_LONGEST: Final = 120
#: Most bytes of an answer: thousands of the largest logs that there are.
_MOST_BYTES: Final = 256 << 20
#: Seconds to go on asking while every node is overloaded or silent for the moment.
PATIENCE: Final = 30.0
#: Seconds after which a user is told what is being waited for.
SLOW: Final = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
#: Longest part of a stranger's message that is shown.
_LONGEST_MESSAGE: Final = 300

#: JSON-RPC codes for "you ask too often", as public nodes use them: EIP-1474 and Infura (-32005),
#: QuickNode (-32007, -32012), Erigon and others (-32016), dRPC and others (-32029, -32090), and
#: HTTP's own.
_RATE_CODES: Final = frozenset({-32005, -32007, -32012, -32016, -32029, -32090, -32097, 429})
_RATE_WORDS: Final = re.compile(
    r"rate.?limit|too many (requests|connections)|requests? (rate|per second)|compute units"
    r"|throughput|daily (request|limit)|quota|capacity|throttl|(try|retry) again|please retry"
    r"|over(loaded| capacity)|\bbusy\b|pool is full|exceeded the limit",
    re.IGNORECASE,
)
#: "You ask for too much at once": waiting does not help, asking for less does.
_RANGE_WORDS: Final = re.compile(
    r"block range|range (is )?too|too (large|wide|many (results|blocks|logs))|more than \d+"
    r"|exceeds? (the |max|limit)|response size|\d+ blocks?\b|query timeout"
    r"|limited to (?!\d+/sec)|^limit exceeded$",
    re.IGNORECASE,
)
#: "Not this node, or not now": another node may know, and so may this one in a while.
_LAGGING_WORDS: Final = re.compile(
    r"header not found|unknown block|block not found|missing trie|not synced|syncing"
    r"|indexing is in progress|service unavailable|bad gateway|upstream|timed? ?out",
    re.IGNORECASE,
)
_TIMEOUT_WORDS: Final = re.compile(r"timed? ?out|deadline", re.IGNORECASE)
#: "I do not have that block yet": it was asked for because it is there, so waiting helps.
_BEHIND_WORDS: Final = re.compile(
    r"beyond (the )?(current )?(head|latest)|after last|cannot be found|greater than (the )?latest"
    r"|not (yet )?in sync|future block",
    re.IGNORECASE,
)
#: "I keep the state of the last blocks only", as pruned nodes word it.
_PRUNED_WORDS: Final = re.compile(
    r"missing trie|historical state|state .{0,80}(not |un)available|pruned|proof window"
    r"|old data|archive (node|state|data)|state histor",
    re.IGNORECASE,
)
#: "I no longer keep the logs of such old blocks", as pruned nodes word it (EIP-4444).
_FORGOTTEN_WORDS: Final = re.compile(
    r"prun(ed|ing)|history (is )?unavailable|receipts? (is |are )?not available|data before .* not",
    re.IGNORECASE,
)
#: "I have this transaction": the same as a yes.
_HELD_WORDS: Final = re.compile(
    r"already[ _](known|imported|exists|in)|known transaction|duplicate transaction|AlreadyKnown",
    re.IGNORECASE,
)
_REVERT_WORDS: Final = re.compile(r"revert|VM (execution|Exception)", re.IGNORECASE)
_CHAIN_ID: Final = RPCEndpoint("eth_chainId")
_EXECUTING: Final = frozenset({"eth_call", "eth_estimateGas", "eth_createAccessList"})
#: What a node may answer with nothing; any other empty answer is nonsense.
_MAY_BE_NULL: Final = frozenset(
    {
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
    }
)
_QUANTITIES: Final = frozenset(
    {
        "eth_blockNumber",
        "eth_chainId",
        "eth_estimateGas",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getTransactionCount",
        "eth_maxPriorityFeePerGas",
    }
)
_DATA: Final = frozenset({"eth_call", "eth_getCode", "eth_sendRawTransaction"})
#: HTTP: the node took too long.
_TIMED_OUT: Final = frozenset({408, 504, 524})
_METHOD_MISSING: Final = frozenset({-32601, -32004})
#: Packages that read an answer before this one does.
_READERS: Final = frozenset(
    {"web3", "eth_abi", "eth_utils", "eth_typing", "hexbytes", "toolz", "cytoolz"}
)
#: What every receipt of a transaction in a block has. Without `status` nobody knows what it did.
_RECEIPT: Final = {"status": int, "blockNumber": int, "logs": list | tuple}
#: What every block has.
_HEAD: Final = {"hash": bytes, "number": int, "timestamp": int}
_PANICS: Final = {0x01: "assertion failed", 0x11: "arithmetic overflow", 0x12: "division by zero"}


# ERRORS


@contextmanager
def node_errors(doing: str) -> Iterator[None]:
    """Turn what web3.py raises inside into errors of our own; also a decorator.

    Args:
        doing: what was being done, the beginning of the message.

    Raises:
        Reverted: a contract refuses.
        NodeError: everything else, such as an answer that makes no sense.
    """
    try:
        yield
    except ContractLogicError as error:
        # From a provider that is not ours; ours raises `Reverted` itself.
        raise Reverted(doing, *explain_revert(_hex_in(error.data) or b"")) from error
    except BadFunctionCallOutput as error:
        raise NodeError(
            f"{doing}: the answer is not that of our contract; is the address, and with it the"
            " deployment file, for this chain?"
        ) from error
    except (BlockNotFound, TransactionNotFound) as error:
        raise NodeError(f"{doing}: {error}") from error
    except requests.RequestException as error:
        raise NodeError(f"{doing}: the node cannot be reached ({type(error).__name__})") from error
    except (Web3Exception, OSError, ValueError, LookupError) as error:
        raise NodeError(f"{doing}: the node's answer makes no sense: {_short(error)}") from error
    except (TypeError, AttributeError) as error:
        if not _of_web3(error):
            raise  # A fault of this program must not pass for one of the node.
        raise NodeError(f"{doing}: the node's answer makes no sense: {_short(error)}") from error


def _of_web3(error: BaseException) -> bool:
    """Whether an error comes out of the libraries that take a node's answer apart."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return module.partition(".")[0] in _READERS


def explain_revert(data: bytes) -> tuple[str, dict[str, Any]]:
    """A revert's data as the error's name and its arguments, see `Reverted`."""
    if len(data) < 4:
        return "", {}
    selector, values = data[:4], data[4:]
    try:
        if selector == bytes.fromhex("08c379a0"):
            return "Error", {"message": decode(["string"], values)[0]}
        if selector == bytes.fromhex("4e487b71"):
            code = decode(["uint256"], values)[0]
            return "Panic", {"reason": _PANICS.get(code, f"{code:#x}")}
        if entry := artifacts.errors().get(selector):
            decoded = decode([item["type"] for item in entry["inputs"]], values)
            names = [item["name"] for item in entry["inputs"]]
            return entry["name"], dict(zip(names, decoded, strict=True))
    except (DecodingError, ValueError):
        pass
    return "UnknownError", {"data": "0x" + data.hex()}


def _hex_in(value: Any) -> bytes | None:
    """The bytes of a revert, wherever in an error's `data` a node puts them."""
    if isinstance(value, dict):
        return next(filter(None, map(_hex_in, value.values())), None)
    if not isinstance(value, str):
        return None
    found = re.search(r"0x((?:[0-9a-fA-F]{2})*)", value)
    return bytes.fromhex(found[1]) if found else None


def _short(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + "…"


class _UnfitError(NodeError):
    """One node cannot answer now; another may, or this one later.

    Args:
        message: what it said.
        passes: whether it is worth waiting.
        after: seconds that it asks to wait.
        code: of its JSON-RPC error.
        final: it says no, and would say so again.
    """

    def __init__(
        self,
        message: str,
        *,
        passes: bool = True,
        after: float = 0.0,
        code: int | None = None,
        final: bool = False,
    ) -> None:
        super().__init__(message, code, final=final)
        self.passes, self.after = passes, after


# ONE NODE, AND SEVERAL


class _Adapter(HTTPAdapter):
    """Says which sockets it opens."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections of a kind that says so."""
        sockets = self.sockets = Sockets()
        super().init_poolmanager(*args, **kwargs)

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Secure(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class _Node:
    """One node over HTTP.

    Args:
        url: of its JSON-RPC.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("a node's address begins with http:// or https://")
        self.url = url
        self._session, adapter = requests.Session(), _Adapter()
        self._session.mount(f"{parts.scheme}://", adapter)
        self._sockets = adapter.sockets
        # Parts that may be keys, in case the node repeats them in a message.
        pieces = re.split(r"[/=&?]", f"{parts.path}?{parts.query}")
        secrets = [*pieces, parts.username or "", parts.password or ""]
        self._secrets = [each for each in secrets if len(each) > 3]
        self.name = parts.netloc.rpartition("@")[2]
        self.checked = False
        self.answered = False

    def ask(self, method: str, request: bytes) -> RPCResponse:
        """Ask once.

        Raises:
            Reverted: a contract refuses the call.
            NodeError: the node refuses for good; `_UnfitError` if another might not.
        """
        try:
            with self._whole(method) as read:
                reply = self._session.post(
                    self.url,
                    data=request,
                    headers={"Content-Type": "application/json"},
                    timeout=RPC_TIMEOUT,
                    # A redirected POST would arrive as a GET.
                    allow_redirects=False,
                    stream=True,
                )
                text = read(reply)
        except requests.Timeout as error:
            if method == "eth_getLogs":
                raise NodeError(f"{self.name} does not answer {method} in time", 504) from error
            raise _UnfitError(f"{self.name} does not answer within {RPC_TIMEOUT} s") from error
        except requests.ConnectionError as error:
            # Whoever never answered is rather a wrong address than a node that restarts.
            raise _UnfitError(f"{self.name} cannot be reached", passes=self.answered) from error
        except requests.RequestException as error:
            raise _UnfitError(f"{self.name} broke its answer off") from error
        answer = self._read(method, reply, text)
        if str(answer.get("id")) not in (str(json.loads(request)["id"]), "None"):
            raise _UnfitError(f"{self.name} answers another request than {method}")
        problem = answer.get("error")
        if problem is not None:
            return self._refused(method, request, problem)
        if answer.get("result") is None and (
            "result" not in answer or (method.startswith("eth_") and method not in _MAY_BE_NULL)
        ):
            raise _UnfitError(f"{self.name} answers {method} with null")
        if not _fits(method, answer.get("result")):
            raise _UnfitError(f"{self.name} answers {method} with something of another kind")
        self.answered = True
        # Some nodes and proxies leave parts of the envelope out, or add `"error": null`, which
        # web3.py refuses; the answer has been checked by now. The same for fields without a value.
        result = answer["result"]
        if isinstance(result, dict):
            result = {name: value for name, value in result.items() if value is not None}
        return {"jsonrpc": "2.0", "id": json.loads(request)["id"], "result": result}

    @contextmanager
    def _whole(self, method: str) -> Iterator[Callable[[requests.Response], bytes]]:
        """Reads an answer to its end, which must come in time and in reason."""

        def read(reply: requests.Response) -> bytes:
            parts = bytearray()
            for part in reply.iter_content(1 << 16):
                parts += part
                if len(parts) > _MOST_BYTES:
                    reply.close()
                    raise _UnfitError(f"{self.name} answers {method} without end", passes=False)
            return bytes(parts)

        with self._sockets.cut_after(_LONGEST) as cut:
            try:
                yield read
            except requests.RequestException as error:
                if not cut.is_set():
                    raise
                said = f"{self.name} does not end its answer to {method} within {_LONGEST} s"
                raise _UnfitError(said, passes=False) from error

    def _read(self, method: str, reply: requests.Response, text: bytes) -> RPCResponse:
        """The JSON-RPC answer; raises what stands in its place."""
        status = reply.status_code
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict) and (status == 200 or isinstance(answer.get("error"), dict)):
            return cast("RPCResponse", answer)
        said = f"{self.name} answers {method} with HTTP {status}"
        if status == 200:
            raise _UnfitError(f"{self.name} answers {method} with something else than JSON-RPC")
        if status in (401, 403, 404):
            raise _UnfitError(f"{said}: is its address complete, and its key good?", passes=False)
        if status == 413 or (status in _TIMED_OUT and method == "eth_getLogs"):
            raise NodeError(f"{said}: asked for too much at once", status)
        if status == 429 or status >= 500:
            after = reply.headers.get("Retry-After", "")
            raise _UnfitError(said, after=float(after) if after.isdecimal() else 0.0, code=status)
        raise _UnfitError(said, passes=False)

    def _refused(self, method: str, request: bytes, problem: Any) -> RPCResponse:
        """What a JSON-RPC error means: rarely an answer, mostly one of our errors."""
        code = problem.get("code") if isinstance(problem, dict) else None
        message = _short(problem.get("message", "") if isinstance(problem, dict) else problem)
        data = problem.get("data") if isinstance(problem, dict) else None
        if method in _EXECUTING and (
            code in (3, -32015)
            or _REVERT_WORDS.search(message)
            or (isinstance(data, str) and data.startswith("Reverted"))
        ):
            raise Reverted(_called(request), *explain_revert(_hex_in(data) or b""))
        for secret in self._secrets:
            message = message.replace(secret, "…")
        if method == "eth_sendRawTransaction" and _HELD_WORDS.search(message):
            raw = json.loads(request)["params"][0]
            return {"jsonrpc": "2.0", "id": None, "result": "0x" + keccak(hexstr=raw).hex()}
        code = code if isinstance(code, int) else None
        said = f"{self.name} refuses {method}: {message or problem!r} ({code})"
        if _BEHIND_WORDS.search(message):
            raise _UnfitError(said, code=code)
        if method == "eth_getLogs" and _RANGE_WORDS.search(message):
            raise NodeError(said, code, final=True)
        if code in _RATE_CODES or _RATE_WORDS.search(message):
            raise _UnfitError(said, code=code)
        lags = code in _METHOD_MISSING or code == -32603 or _LAGGING_WORDS.search(message)
        # Whatever else it says: another node may do what this one does not.
        raise _UnfitError(said, passes=False, code=code, final=not lags)


def _fits(method: str, result: Any) -> bool:
    """Whether an answer is of the kind that its question asks for (Ethereum JSON-RPC)."""
    if method in _QUANTITIES:
        return isinstance(result, str) and bool(re.fullmatch("0x[0-9a-fA-F]{1,64}", result))
    if method in _DATA:
        return isinstance(result, str) and bool(re.fullmatch("0x(?:[0-9a-fA-F]{2})*", result))
    if method == "eth_getLogs":
        return isinstance(result, list) and all(isinstance(each, dict) for each in result)
    return method not in _MAY_BE_NULL or result is None or isinstance(result, dict)


def _called(request: bytes) -> str:
    """Name of the function that a request calls."""
    call = json.loads(request)["params"][0]
    selector = bytes.fromhex(str(call.get("data") or call.get("input") or "0x")[2:10])
    return artifacts.functions().get(selector, "the transaction" if call.get("to") else "creation")


class FallbackProvider(JSONBaseProvider):
    """Asks one node, and the next when that one is unfit; waits when all are for the moment.

    A refusal that would be the same everywhere is an answer: it is raised at once. After waiting in
    vain nothing is waited for until a node has answered again.

    Args:
        urls: of the nodes, in order of preference.
        chain_id: of the chain that they must be on; None for any.
        patience: seconds to go on asking.
        notify: called with a sentence when an answer takes long.

    Raises:
        ConfigError: an address is not HTTP.
    """

    def __init__(
        self,
        urls: Sequence[str],
        chain_id: int | None = None,
        *,
        patience: float = PATIENCE,
        notify: Callable[[str], object] | None = None,
    ) -> None:
        super().__init__()
        # A revert must not make this machine ask web pages that a contract names (EIP-3668).
        self.global_ccip_read_enabled = False
        self._nodes = [_Node(url) for url in urls]
        self._chain_id = chain_id
        self._patience = patience
        self._notify = notify
        self._current = 0
        self._gave_up = False

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask until a node answers.

        Raises:
            Reverted: a contract refuses the call.
            NodeError: a node refuses, or none answers in time.
        """
        request = self.encode_rpc_request(method, params)
        if method == _CHAIN_ID and self._nodes[self._current].checked:
            # web3.py asks twice for each call of a contract, and the node has said it before.
            result = RPCEndpoint(hex(self._chain_id or 0))
            return {"jsonrpc": "2.0", "id": json.loads(request)["id"], "result": result}
        started, pause, told = time.monotonic(), _FIRST_PAUSE, False
        earlier: _UnfitError | None = None
        while True:
            troubles: list[_UnfitError] = []
            for _ in self._nodes:
                node = self._nodes[self._current]
                try:
                    with self._telling(node, method):
                        self._check(node)
                        answer = node.ask(method, request)
                except _UnfitError as trouble:
                    troubles.append(trouble)
                    earlier = earlier or trouble
                    self._current = (self._current + 1) % len(self._nodes)
                except NodeError as error:
                    if earlier is None:
                        raise
                    # Who did not answer may have done it: this refusal alone proves nothing.
                    raise NodeError(f"{error}; before that: {earlier}", error.code) from error
                else:
                    self._gave_up = False
                    return answer
            left = started + self._patience - time.monotonic()
            waits = [trouble for trouble in troubles if trouble.passes]
            if not waits or left <= 0 or self._gave_up:
                self._gave_up = bool(waits)
                raise NodeError(
                    "; ".join(map(str, troubles)),
                    troubles[-1].code,
                    # Who did not answer earlier may have done it.
                    final=earlier is troubles[0] and all(each.final for each in troubles),
                )
            if self._notify and not told and left < self._patience - SLOW:
                told = True
                self._notify(f"waiting: {waits[0]}")
            pause = max(pause, min(trouble.after for trouble in waits))
            time.sleep(max(0.0, min(pause, left)))
            pause = min(2 * pause, _LONGEST_PAUSE)

    @contextmanager
    def _telling(self, node: _Node, method: str) -> Iterator[None]:
        if self._notify is None:
            yield
            return
        timer = threading.Timer(SLOW, self._notify, [f"waiting for {node.name} ({method})"])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _check(self, node: _Node) -> None:
        """Never take an answer from a node of another chain."""
        if node.checked or self._chain_id is None:
            return
        answer = node.ask("eth_chainId", self.encode_rpc_request(_CHAIN_ID, []))
        actual = int(str(answer["result"]), 16)
        if actual != self._chain_id:
            raise _UnfitError(
                f"{node.name} is on chain {actual}, but the deployment is on {self._chain_id}",
                passes=False,
            )
        node.checked = True

    def turn(self) -> None:
        """Ask the next node from now on, where there is one: this one's answers do not do."""
        self._current = (self._current + 1) % len(self._nodes)

    def others(self) -> list[FallbackProvider]:
        """Each of the other nodes alone, the next one first; nobody waits for them."""
        rest = self._nodes[self._current + 1 :] + self._nodes[: self._current]
        return [FallbackProvider([node.url], self._chain_id, patience=0) for node in rest]

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether any node answers."""
        del show_traceback
        try:
            self.make_request(RPCEndpoint("eth_blockNumber"), [])
        except NodeError:
            return False
        return True


def connect(
    urls: Sequence[str],
    chain_id: int | None = None,
    *,
    patience: float = PATIENCE,
    notify: Callable[[str], object] | None = None,
) -> Web3:
    """Connect to one node, or to several of which the first that answers is used.

    Args:
        urls: JSON-RPC addresses, in order of preference.
        chain_id: of the chain that they must be on; None for any.
        patience: seconds to go on asking while all nodes are overloaded or silent.
        notify: called with a sentence when an answer takes long.

    Raises:
        ConfigError: an address is not HTTP.
        NodeError: no node answers, or they are on another chain.

    Example:
        >>> import qmia
        >>> web3 = qmia.connect(["http://127.0.0.1:8545"])
        >>> web3.eth.chain_id
        31337
    """
    web3 = _over(FallbackProvider(urls, chain_id, patience=patience, notify=notify))
    try:
        with node_errors("connecting"):
            _ = web3.eth.chain_id
    except NodeError as error:
        raise NodeError(
            f"no node answers: {error}. Start one, or name another", error.code
        ) from error
    return web3


def exact(web3: Web3) -> Web3:
    """The same connection, which now refuses answers that are too short (see `codec`)."""
    web3.codec = _CODEC
    return web3


def _over(provider: FallbackProvider) -> Web3:
    web3 = exact(Web3(provider))
    # Chains with proof of authority put more than 32 bytes there.
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    return web3


def witnesses(web3: Web3) -> list[Web3]:
    """Connections to the other nodes that are configured, each alone, the next one first."""
    provider = web3.provider
    if not isinstance(provider, FallbackProvider):
        return []
    return [_over(each) for each in provider.others()]


def turn_to_next(web3: Web3) -> None:
    """Ask the next node from now on, where there is one."""
    if isinstance(web3.provider, FallbackProvider):
        web3.provider.turn()


# QUESTIONS THAT SEVERAL PLACES ASK


def block(web3: Web3, tag: int | str | bytes) -> BlockData:
    """The head of a block, by number, tag or hash.

    Raises:
        NodeError: there is none, or the node does not answer.
    """
    with node_errors(f"reading block {tag.hex() if isinstance(tag, bytes) else tag}"):
        found = web3.eth.get_block(cast("BlockIdentifier", tag))
        return _whole(found, tag)


def _whole(found: BlockData, tag: int | str | bytes) -> BlockData:
    """A block's head, if it has what every block has."""
    if not isinstance(found, Mapping) or not all(
        isinstance(found.get(name), kind) for name, kind in _HEAD.items()
    ):
        raise NodeError(f"block {tag!r} is not whole: the node is still making it")
    return found


def base_fee(head: BlockData) -> int:
    """Wei for a unit of gas that a block took at least; 0 on networks without a base fee."""
    return int(head.get("baseFeePerGas") or 0)


def block_hash(web3: Web3, number: int) -> Hash32 | None:
    """Hash of a block; None if the node has no such block."""
    with node_errors(f"reading block {number}"):
        try:
            found = web3.eth.get_block(BlockNumber(number))
        except BlockNotFound:
            return None
        return Hash32(bytes(_whole(found, number)["hash"]))


def newest(web3: Web3) -> int:
    """Number of the newest block."""
    with node_errors("asking for the newest block"):
        return int(web3.eth.block_number)


def code(web3: Web3, address: ChecksumAddress) -> bytes:
    """Code at an address; empty if there is no contract."""
    with node_errors(f"reading the code of {address}"):
        return bytes(web3.eth.get_code(address))


def balance(web3: Web3, address: ChecksumAddress) -> int:
    """Balance in wei."""
    with node_errors(f"reading the balance of {address}"):
        return int(web3.eth.get_balance(address))


def receipt(web3: Web3, transaction: HexStr) -> TxReceipt | None:
    """Receipt of a transaction; None while it is in no block."""
    with node_errors(f"reading the receipt of {transaction}"):
        try:
            found = web3.eth.get_transaction_receipt(transaction)
        except TransactionNotFound:
            return None
        if not isinstance(found, Mapping) or "transactionHash" not in found:
            raise NodeError(f"the node gives no receipt of {transaction}, but something else")
        if bytes(found["transactionHash"]) != bytes.fromhex(transaction[2:]):
            raise NodeError(f"the node gives the receipt of another transaction than {transaction}")
        # Some nodes give receipts of transactions that are in no block yet.
        if found.get("blockHash") is None:
            return None
        if not all(isinstance(found.get(name), kind) for name, kind in _RECEIPT.items()):
            raise NodeError(
                f"the node's receipt of {transaction} does not say what became of it; ask another"
                " node before you send it again"
            )
        return found


def known(web3: Web3, transaction: HexStr) -> bool:
    """Whether the node has a transaction, mined or not."""
    with node_errors(f"looking for transaction {transaction}"):
        try:
            web3.eth.get_transaction(transaction)
        except TransactionNotFound:
            return False
        return True


def nonce(web3: Web3, address: ChecksumAddress, tag: str = "latest") -> int:
    """Number of transactions that an address has sent, up to `latest` or `pending`."""
    with node_errors(f"asking for the nonce of {address}"):
        return int(web3.eth.get_transaction_count(address, cast("BlockIdentifier", tag)))


def broadcast(web3: Web3, raw: bytes) -> None:
    """Hand a signed transaction to the node; it is no error if the node has it already.

    Raises:
        NodeError: the node refuses, or (unless it is `final`) may have taken it all the same.
    """
    with node_errors("sending"):
        web3.eth.send_raw_transaction(raw)


def first_block(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The first block in `[low, high]` for which something holds, which holds from then on.

    `high` itself is not asked: it is the answer when nothing earlier is.
    """
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def too_much(error: NodeError) -> bool:
    """Whether a node may have refused because too much was asked for at once."""
    if _FORGOTTEN_WORDS.search(str(error)):
        return False  # However little is asked for.
    if error.final:
        return True
    said = str(error)
    if error.code is None or error.code in _RATE_CODES or _BEHIND_WORDS.search(said):
        return False
    if _RATE_WORDS.search(said) and not _TIMEOUT_WORDS.search(said):
        return False
    return not 500 <= error.code < 600 or error.code in _TIMED_OUT


def state_is_gone(error: NodeError) -> bool:
    """Whether a node refused because it no longer keeps the state of a block."""
    return bool(_PRUNED_WORDS.search(str(error)))
