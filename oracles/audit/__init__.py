"""Recomputing auctions from logs, for somebody who trusts nobody.

Nothing here calls a contract, and nothing is shared with the code that settles: the logs go in,
exact integers come out, and every difference is kept with its place.
"""

from oracles.audit.archive import Archive, write_archive
from oracles.audit.checks import Checks, Difference
from oracles.audit.records import Block, Header, Log, Source
from oracles.audit.replay import Replay, replay

__all__ = [
    "Archive",
    "Block",
    "Checks",
    "Difference",
    "Header",
    "Log",
    "Replay",
    "Source",
    "replay",
    "write_archive",
]
