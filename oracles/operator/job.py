"""What a working process is told, and what it answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from oracles.dataset import Binding
from oracles.evidence import Cid

if TYPE_CHECKING:
    from pathlib import Path


class Stage(StrEnum):
    """What a process does: bring the data here, or score what is here."""

    FETCH = "fetch"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class DataSetRef:
    """A data set as the chain names it; digests in hexadecimal."""

    index: int
    provider: str
    cid: str
    content_digest: str
    size: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Job:
    """All that the process is told.

    Attributes:
        stage: what to do.
        chain_id, contract, auction, round: what is scored.
        operator: address whose wrapped keys to open.
        keys: encryption keys, hexadecimal.
        data_sets: in the order of commitment.
        metric_version, evaluation, sample_key: hexadecimal.
        today: ISO date.
        stores: where to fetch from.
        cache: folder for what was fetched.
        evidence: folder of the evidence store.
        workspace: folder for interrupted work.
        result: file to write.
        seconds: after this time a fetching process gives up.
        scoring: settings.
    """

    stage: str
    chain_id: int
    contract: str
    auction: int
    round: int
    operator: str
    keys: list[str]
    data_sets: list[DataSetRef]
    metric_version: str
    evaluation: str
    sample_key: str
    today: str
    stores: list[str]
    cache: str
    evidence: str
    workspace: str
    result: str
    seconds: float
    scoring: dict[str, Any]

    def binding(self, ref: DataSetRef) -> Binding:
        """What a data set is encrypted for."""
        return Binding(self.chain_id, self.contract, self.auction, ref.provider)

    @classmethod
    def decode(cls, text: str) -> Job:
        """From JSON."""
        values = json.loads(text)
        values["data_sets"] = [DataSetRef(**each) for each in values["data_sets"]]
        return cls(**values)


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
