"""Whether winners delivered the key that opens what was scored, and the verdict if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from oracles.chain import codec
from oracles.dataset import Binding, WrapContext, check_wrap
from oracles.dataset.manifest import MAX_BYTES, Manifest
from oracles.evidence import Cid, open_store
from oracles.evidence.cid import RAW
from oracles.operator.duty import Duty, Kind
from oracles.operator.exchange import Topic
from oracles.operator.fetcher import Fetcher, unwrap_with_any
from oracles.operator.messages import encode_verdict

if TYPE_CHECKING:
    from collections.abc import Set

    from oracles.chain.state import AuctionState
    from oracles.operator.context import Context, Handler
    from oracles.operator.peers import Peers
    from oracles.operator.turn import Turn

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class Deliveries:
    """Attests deliveries, gathers verdicts, enters them.

    Args:
        context: of the operator.
        peers: the other operators.
    """

    def __init__(self, context: Context, peers: Peers) -> None:
        self._context = context
        self._peers = peers
        self._undelivered: dict[int, Set[int]] = {}

    def handlers(self) -> dict[Kind, Handler]:
        """What is done for each kind of duty."""
        return {
            Kind.ATTEST: self._attest,
            Kind.GATHER_VERDICT: self._gather_verdict,
            Kind.VERDICT: self._verdict,
        }

    def undelivered(self, auction: int) -> Set[int] | None:
        """Winners whose delivered key does not open their data; None if that is not known yet."""
        return self._undelivered.get(auction)

    def forget(self, auction: int) -> None:
        """Let go of an auction that is over."""
        self._undelivered.pop(auction, None)

    def _attest(self, turn: Turn, duty: Duty) -> None:
        """Compare every delivered key with the one that this operator opened the data with."""
        del duty
        auction, context = turn.auction, self._context
        undelivered = {
            index
            for index, wrapped in auction.delivered.items()
            if not self._opens(auction, index, wrapped)
        }
        for index in sorted(undelivered):
            log.warning("delivered key does not open", auction=auction.id, index=index)
            if context.signer is None:
                continue
            message = codec.verdict_message(
                context.contracts.domain, context.contracts.auction, auction.id, [index]
            )
            signature = context.signer.sign_typed(message)
            context.journal.messages.add_verdict(auction.id, index, turn.me, signature)
            verdict = encode_verdict(auction.id, index, turn.me, signature)
            self._peers.share(Topic(auction.id, "verdict", index), verdict)
        self._undelivered[auction.id] = undelivered

    def _opens(self, auction: AuctionState, index: int, wrapped: bytes) -> bool:
        commitment, context = auction.commitments[index], self._context
        chain_id, contract = context.chain_id, context.auctions.address
        stores = [open_store(name) for name in context.settings.stores.data]
        fetcher = Fetcher(stores, context.settings.state / "cache")
        path = fetcher.path(Cid(RAW, commitment.data_set.cid), MAX_BYTES)
        data_key = unwrap_with_any(
            Manifest.decode(path.read_bytes()),
            context.address,
            [key.secret.hex() for key in context.keys],
            Binding(chain_id, contract, auction.id, commitment.provider),
        )
        wrap_context = WrapContext(chain_id, contract, auction.id, index)
        return check_wrap(wrapped, data_key, auction.buyer_key, wrap_context)

    def _gather_verdict(self, turn: Turn, duty: Duty) -> None:
        have = turn.progress.verdicts.get(duty.target, {})
        members = range(len(turn.auction.members.members))
        missing = [member for member in members if member != turn.me and member not in have]
        self._peers.ask(turn.auction, Topic(turn.auction.id, "verdict", duty.target), missing)

    def _verdict(self, turn: Turn, duty: Duty) -> None:
        signatures = turn.progress.verdicts[duty.target]
        members = sorted(signatures)
        call = self._context.auctions.enter_verdict(
            turn.auction.id, [duty.target], members, [signatures[member] for member in members]
        )
        self._context.outbox.send(duty, call)
