"""Several RPC nodes as one: the first that answers is used until it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests
import structlog
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.providers import BaseProvider

from oracles.chain.client import RPC_TIMEOUT
from oracles.errors import ChainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from web3.types import RPCEndpoint, RPCResponse


log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: EIP-1474: limit exceeded.
_LIMIT_EXCEEDED: Final = -32005


class FallbackProvider(BaseProvider):
    """Asks one node, and the next when that one does not answer.

    An answer that is an error is an answer, except that a limit is exceeded: then, as after
    silence or nonsense, another node is tried.

    Args:
        urls: of the nodes, in order of preference.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        super().__init__()
        options = {"timeout": RPC_TIMEOUT}
        self._nodes = [
            HTTPProvider(url, request_kwargs=options, exception_retry_configuration=None)
            for url in urls
        ]
        self._current = 0

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask; the last node's failure is raised if none answers."""
        failure: Exception | None = None
        refusal: RPCResponse | None = None
        for _ in self._nodes:
            try:
                answer = self._nodes[self._current].make_request(method, params)
                problem = answer.get("error")
                if not isinstance(problem, dict) or problem.get("code") != _LIMIT_EXCEEDED:
                    return answer
                refusal = answer
            except (requests.RequestException, OSError, ValueError) as error:
                failure = error
            if len(self._nodes) > 1:
                log.warning("node left for the next one", node=self._current + 1)
            self._current = (self._current + 1) % len(self._nodes)
        if refusal is not None:
            return refusal
        # Not the URL: it may hold an access key.
        raise ConnectionError(f"none of {len(self._nodes)} nodes answers") from failure

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether any node answers."""
        del show_traceback
        try:
            self.make_request("eth_chainId", [])  # type: ignore[arg-type]
        except OSError:
            return False
        return True


def connect(urls: Sequence[str], chain_id: int) -> Web3:
    """Connect, and check the chain.

    Raises:
        ChainError: nobody answers, or it is another chain.
    """
    web3 = Web3(FallbackProvider(urls))
    try:
        actual = web3.eth.chain_id
    except (OSError, Web3Exception) as error:
        raise ChainError(f"{error}; start one or change `rpc`") from error
    if actual != chain_id:
        raise ChainError(f"the node is on chain {actual}, but the deployment is on {chain_id}")
    return web3
