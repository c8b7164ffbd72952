"""What a working process is told, and what it answers with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from oracles.dataset import Binding
from oracles.evidence import Cid

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.chain.terms import AuctionId


class Stage(StrEnum):
    """What a process does."""

    FETCH = "fetch"
    SCORE = "score"
    RETRIEVE = "retrieve"
    EXAMINE = "examine"


@dataclass(frozen=True, slots=True)
class DataSetRef:
    """A data set as the chain names it; digests in hexadecimal, `opening` empty without one."""

    index: int
    provider: str
    manifest: str
    content_digest: str
    size: int
    key_commitment: str
    opening: str
    withdrawn: bool

    @property
    def stamp(self) -> str:
        """Digest of all of it; what was found out about the sample holds while it is the same."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Job:
    """All that the process is told.

    Attributes:
        stage: what to do.
        chain_id, contract, auction, round: what it is about.
        operator: address of this operator.
        member: its place among the members of both panels.
        members: public encryption keys of all of them, hexadecimal, the first panel's first.
        panel: where this operator's panel begins and ends among them.
        keys: this operator's encryption keys, hexadecimal.
        data_sets: in the order of commitment.
        wanted: indices to fetch, to score, or to look at.
        samples: pages of each data set that are opened; 0 for all.
        sample_key: what they are drawn from, hexadecimal.
        metric_version, evaluation: hexadecimal.
        today: ISO date.
        complaint: digest of the buyer's complaint, hexadecimal; empty without one.
        stores: where to fetch from, in the order of asking.
        cache: folder for whole files that were fetched.
        pieces: folder for pages that were fetched.
        evidence: folder of the evidence store.
        workspace: folder for interrupted work.
        result: file to write.
        seconds: after this time a process that fetches gives up.
        reserve: bytes that it leaves free on the disks that it writes to, or it gives up.
        scoring: settings.
    """

    stage: str
    chain_id: int
    contract: str
    auction: AuctionId
    round: int
    operator: str
    member: int
    members: list[str]
    panel: tuple[int, int]
    keys: list[str]
    data_sets: list[DataSetRef]
    wanted: list[int]
    samples: int
    sample_key: str
    metric_version: str
    evaluation: str
    today: str
    complaint: str
    stores: list[str]
    cache: str
    pieces: str
    evidence: str
    workspace: str
    result: str
    seconds: float
    reserve: int
    scoring: dict[str, Any]

    def binding(self, ref: DataSetRef) -> Binding:
        """What a data set is sealed for."""
        return Binding(self.chain_id, self.contract, self.auction, ref.provider)

    @property
    def refs(self) -> list[DataSetRef]:
        """The data sets that are wanted."""
        return [self.data_sets[index] for index in self.wanted]

    @classmethod
    def decode(cls, text: str) -> Job:
        """From JSON."""
        values = json.loads(text)
        values["data_sets"] = [DataSetRef(**each) for each in values["data_sets"]]
        return cls(**values)


#: By index, the stamp of the data set, and what is wrong with its sample; empty if it is here.
LookedAt = dict[str, tuple[str, str]]


def read_looked_at(path: Path) -> LookedAt:
    """What processes that fetched have written so far."""
    if not path.exists():
        return {}
    return {
        index: (stamp, problem) for index, (stamp, problem) in json.loads(path.read_text()).items()
    }


@dataclass(frozen=True, slots=True)
class Scored:
    """Result of a scoring process: the vector, and the bundle that backs it."""

    vector: bytes
    evidence: Cid

    @classmethod
    def read(cls, path: Path) -> Scored | None:
        """What a finished process wrote, if it did."""
        if not path.exists():
            return None
        value = json.loads(path.read_text())
        return cls(bytes.fromhex(value["vector"]), Cid.parse(value["evidence"]))


@dataclass(frozen=True, slots=True)
class Judged:
    """Result of a process that looked at what the buyer named.

    Attributes:
        fault: whether the winner is to be struck out.
        reason: what was seen.
    """

    fault: bool
    reason: str

    @classmethod
    def read(cls, path: Path) -> Judged | None:
        """What a finished process wrote, if it did."""
        if not path.exists():
            return None
        value = json.loads(path.read_text())
        return cls(value["fault"], value["reason"])
