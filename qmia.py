"""Q-MIA: buy training data fairly, with nobody to trust.

    import qmia

    report = qmia.score(qmia.read_documents("notes.jsonl"))

`qmia` is the public interface; `oracles.*` may change between releases. Each name is loaded when it
is first used, so that `import qmia` stays fast and needs no scoring libraries.

Read and seal data     read_documents, Document, pack, unpack
Score data             score (q), estimate (φ̂)
Clear an auction       clear, propose, Bid, WeightRule
Take part in one       Provider, Buyer, Settler, Deployment, Terms
Check one              replay, Archive
When something fails   QmiaError
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from oracles.audit import Archive, replay
    from oracles.chain.deployment import Deployment
    from oracles.chain.terms import Terms
    from oracles.dataset import Document, pack, read_documents, unpack
    from oracles.errors import QmiaError
    from oracles.impact import estimate
    from oracles.market.buyer import Buyer
    from oracles.market.provider import Provider
    from oracles.market.settler import Settler
    from oracles.mechanism import Bid, WeightRule, clear, propose
    from oracles.quality import score

__version__ = version("qmia")
__all__ = [
    "Archive",
    "Bid",
    "Buyer",
    "Deployment",
    "Document",
    "Provider",
    "QmiaError",
    "Settler",
    "Terms",
    "WeightRule",
    "clear",
    "estimate",
    "pack",
    "propose",
    "read_documents",
    "replay",
    "score",
    "unpack",
]

_MODULES: Final = {
    "oracles.audit": ("Archive", "replay"),
    "oracles.chain.terms": ("Terms",),
    "oracles.chain.deployment": ("Deployment",),
    "oracles.dataset": ("Document", "pack", "read_documents", "unpack"),
    "oracles.errors": ("QmiaError",),
    "oracles.impact": ("estimate",),
    "oracles.market.buyer": ("Buyer",),
    "oracles.market.provider": ("Provider",),
    "oracles.market.settler": ("Settler",),
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
