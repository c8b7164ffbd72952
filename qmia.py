"""Q-MIA: buy training data fairly, with nobody to trust.

    import qmia

    report = qmia.score(qmia.read_documents("notes.jsonl"))

`qmia` is the public interface; `oracles.*` may change between releases. Each name is loaded when it
is first used, so that `import qmia` stays fast and needs no scoring libraries.

Read and seal data     read_documents, Document, pack, unpack
Score data             score (q), estimate (φ̂)
Clear an auction       clear, propose, Bid, WeightRule
Reach a deployment     Deployment, connect, LocalSigner, Sender
Take part in auctions  Buyer (with load_terms, Terms, currencies, EncryptionKey),
                       Provider (with Limits, BidBook, open_store), Settler
Check one              replay, Archive
When something fails   QmiaError

The docstring of each has an example, and a test runs them all.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from oracles.audit import Archive, replay
    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.chain.rpc import connect
    from oracles.chain.signers import LocalSigner
    from oracles.chain.terms import Terms
    from oracles.chain.tokens import currencies
    from oracles.dataset import Document, EncryptionKey, pack, read_documents, unpack
    from oracles.errors import QmiaError
    from oracles.evidence import open_store
    from oracles.impact import estimate
    from oracles.market.book import BidBook
    from oracles.market.buyer import Buyer
    from oracles.market.provider import Limits, Provider
    from oracles.market.settler import Settler
    from oracles.market.terms import load_terms
    from oracles.mechanism import Bid, WeightRule, clear, propose
    from oracles.quality import score

__version__ = version("qmia")
__all__ = [
    "Archive",
    "Bid",
    "BidBook",
    "Buyer",
    "Deployment",
    "Document",
    "EncryptionKey",
    "Limits",
    "LocalSigner",
    "Provider",
    "QmiaError",
    "Sender",
    "Settler",
    "Terms",
    "WeightRule",
    "clear",
    "connect",
    "currencies",
    "estimate",
    "load_terms",
    "open_store",
    "pack",
    "propose",
    "read_documents",
    "replay",
    "score",
    "unpack",
]

_MODULES: Final = {
    "oracles.audit": ("Archive", "replay"),
    "oracles.chain.client": ("Sender",),
    "oracles.chain.deployment": ("Deployment",),
    "oracles.chain.rpc": ("connect",),
    "oracles.chain.signers": ("LocalSigner",),
    "oracles.chain.terms": ("Terms",),
    "oracles.chain.tokens": ("currencies",),
    "oracles.dataset": ("Document", "EncryptionKey", "pack", "read_documents", "unpack"),
    "oracles.errors": ("QmiaError",),
    "oracles.evidence": ("open_store",),
    "oracles.impact": ("estimate",),
    "oracles.market.book": ("BidBook",),
    "oracles.market.buyer": ("Buyer",),
    "oracles.market.provider": ("Limits", "Provider"),
    "oracles.market.settler": ("Settler",),
    "oracles.market.terms": ("load_terms",),
    "oracles.mechanism": ("Bid", "WeightRule", "clear", "propose"),
    "oracles.quality": ("score",),
}
_HOME: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'qmia' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
