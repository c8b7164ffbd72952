"""The other operators: what is shared with them, what they are asked, and what they answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import structlog

from oracles.errors import IntegrityError
from oracles.evidence import IpfsStore
from oracles.operator.exchange import DirectoryExchange, Gatherer, Topic, panel_of
from oracles.operator.messages import decode_report, decode_verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oracles.chain.state import AuctionState
    from oracles.chain.terms import AuctionId
    from oracles.operator.journal import Messages
    from oracles.operator.messages import Contracts, Message
    from oracles.operator.metrics import Metrics
    from oracles.operator.settings import Exchange

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Messages of one member in one answer that are looked at.
_MOST_MESSAGES = 3


class Peers:
    """Exchanges signed messages, and keeps those that prove themselves.

    Args:
        settings: of the exchange.
        address: of this operator.
        contracts: what messages are bound to.
        kept: where checked messages go.
        metrics: where refused ones are counted.
    """

    def __init__(
        self,
        settings: Exchange,
        address: str,
        contracts: Contracts,
        kept: Messages,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._address = address
        self._contracts = contracts
        self._kept = kept
        self._metrics = metrics
        self._gatherer = Gatherer(settings, contracts.auction)

    def close(self) -> None:
        """Stop asking."""
        self._gatherer.close()

    def share(self, topic: Topic, message: Message) -> str | None:
        """Put a message where others find it; the location to announce, if one is wanted."""
        settings = self._settings
        if settings.directory:
            shared = DirectoryExchange(settings.directory, self._contracts.auction)
            shared.publish(self._address, topic, message)
        if topic.kind == "report" and settings.ipfs:
            node = IpfsStore(settings.ipfs, timeout=settings.timeout)
            return f"ipfs://{node.put(json.dumps(message).encode())}"
        return settings.public_url if settings.announce else None

    def ask(self, auction: AuctionState, topic: Topic, members: Sequence[int]) -> None:
        """Ask for messages of these members; answers come later."""
        self._gatherer.ask(auction, topic, members)

    def hear(self, view: Callable[[AuctionId], AuctionState | None]) -> None:
        """Check and keep what came in.

        Args:
            view: an auction by its id.
        """
        for topic, source, messages in self._gatherer.answers():
            auction = view(topic.auction)
            if auction is None:
                continue
            for message in messages[
                : _MOST_MESSAGES * len(auction.panel(panel_of(auction, topic)).members)
            ]:
                try:
                    self._keep(auction, topic, message)
                except IntegrityError as error:
                    self._metrics.failures.labels("message").inc()
                    log.info("message refused", source=source, reason=str(error)[:300])

    def _keep(self, auction: AuctionState, topic: Topic, message: Message) -> None:
        if topic.kind == "report":
            self._kept.add_report(decode_report(message, self._contracts, auction, topic.number))
        else:
            signed = decode_verdict(message, self._contracts, auction, topic.number)
            self._kept.add_verdict(auction.id, topic.number, *signed)
