"""From samples to scores: the one place where quality and impact meet.

The daemon scores with it, and an audit scores again with it. A scorer is any object with
`metric_version` and `assess`; `full` is the one that auctions use. Quality and impact are imported
where they are used, because torch takes seconds to load and most commands do not need it.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import rfc8785
from pydantic import BaseModel, Field, ValidationError, model_validator

from oracles.chain.packing import Score
from oracles.config import read_toml, settings_error
from oracles.dataset import SeenRuns, encode_document, fragments, read_documents
from oracles.engine import open_map
from oracles.errors import ConfigError
from oracles.files import atomic_write
from oracles.proof import Thresholds

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from oracles.dataset import Document, Sketch
    from oracles.impact import ImpactReport
    from oracles.impact import Parameters as ImpactParameters
    from oracles.progress import Progress
    from oracles.sampling import Estimate

GIB: Final = 1 << 30
#: Schema of the evidence behind the scores of one auction.
EVIDENCE_SCHEMA: Final = "qmia/auction-scores/1"
#: What a broken, missing or withdrawn data set gets.
NOTHING: Final = Score(0, 0, 0, present=False)


class Entry(BaseModel, extra="forbid"):
    """What a data set must be proved to reach, or it is not on the roll; shares in 1e-4.

    The fields are those of `oracles.proof.Thresholds`.
    """

    min_tokens: int = Field(default=0, ge=0, lt=1 << 40)
    min_clean: int = Field(default=0, ge=0, le=10_000)
    min_metadata: int = Field(default=0, ge=0, le=10_000)
    max_duplicates: int = Field(default=10_000, ge=0, le=10_000)

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        """A set without a letter meets every share, so shares alone keep nobody out."""
        if not self.min_tokens and not self.thresholds.nothing:
            raise ValueError("a share of nothing counts as met: ask for min_tokens, too")
        return self

    @property
    def thresholds(self) -> Thresholds:
        """The same as a proof has them."""
        return Thresholds(**self.model_dump())


class Scoring(BaseModel, extra="forbid"):
    """How data sets are scored. What is marked (m) is part of the metric version.

    Attributes:
        metric: (m) `full`, or `package.module:function` for another scorer, which must be allowed
            by setting `allow_foreign` too.
        allow_foreign: load scorers from outside this package.
        seed_corpus: (m) documents that the base model is trained on.
        evaluations: folder of held-out sets, each named `<digest>.jsonl`.
        q_min: (m) least q of an eligible provider, in 1e-4.
        max_archive_bytes: (m) larger archives are not accepted.
        max_plain_bytes: (m) archives that decompress to more are not accepted either.
        entry: (m) thresholds that every data set must be proved to meet; none by default.
        noise: (m) standard errors that are taken off φ̂ before it is signed; that of the metric by
            default.
        memory_bytes: address space of the scoring process.
        workers: processes that a scorer may use.
    """

    metric: str = "full"
    allow_foreign: bool = False
    seed_corpus: Path | None = None
    evaluations: Path | None = None
    q_min: int = Field(default=1000, ge=0, le=10_000)
    max_archive_bytes: int = Field(default=8 * GIB, gt=0)
    max_plain_bytes: int = Field(default=64 * GIB, gt=0)
    entry: Entry | None = None
    noise: float | None = Field(default=None, ge=0, le=10)
    memory_bytes: int = Field(default=16 * GIB, gt=0)
    workers: int = Field(default=1, ge=1)


class _File(BaseModel, extra="ignore"):
    """What an auditor needs of an operator's settings file."""

    scoring: Scoring = Field(default_factory=Scoring)


@dataclass(frozen=True, slots=True)
class Submission:
    """The sample of one provider's data set, checked page by page.

    Attributes:
        index: order of commitment.
        provider: address.
        pages: number and 16 KiB of each sampled page, ascending.
        total: pages of the data set.
        sketch: of the whole data set, checked against the sampled pages.
    """

    index: int
    provider: str
    pages: tuple[tuple[int, bytes], ...]
    total: int
    sketch: Sketch

    def documents(self) -> Iterator[Document]:
        """Documents in the sampled pages, and parts of those that lie across their ends."""
        for _, page in self.pages:
            yield from fragments(page)


@dataclass(frozen=True, slots=True)
class Task:
    """What a scorer needs besides the data.

    Attributes:
        settings: of scoring.
        evaluation: digest of the held-out set that the auction committed to, 32 bytes.
        today: the day on which commitments ended (UTC), for judging dates.
        sample_key: prevrandao of the first block of the open phase: nobody could foresee it.
        workspace: folder in which interrupted work is found again.
    """

    settings: Scoring
    evaluation: bytes
    today: datetime.date
    sample_key: bytes
    workspace: Path


@dataclass(frozen=True, slots=True)
class Assessment:
    """Scores by index, and what is needed to recompute them."""

    scores: Mapping[int, Score]
    evidence: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


class Scorer(Protocol):
    """Turns data sets into scores, the same on every machine up to one grid step."""

    def metric_version(self, settings: Scoring) -> bytes:
        """32 bytes that change whenever a score may."""

    def assess(
        self, submissions: Sequence[Submission], task: Task, progress: Progress
    ) -> Assessment:
        """Score all data sets of an auction, given in the order of commitment."""


class FullScorer:
    """q by `oracles.quality`, φ̂ by `oracles.impact`, both from the sampled pages."""

    def metric_version(self, settings: Scoring) -> bytes:
        """Digest over both methods, the seed corpus and the limits."""
        return hashlib.sha256(rfc8785.dumps(self.document(settings))).digest()

    def document(self, settings: Scoring) -> dict[str, Any]:
        """What the metric version is the digest of, in canonical JSON."""
        from oracles import quality
        from oracles.impact import corpus_digest
        from oracles.impact.estimate import CODE_VERSION
        from oracles.quality import references

        seed = corpus_digest(
            document.text for document in _read(settings.seed_corpus, "seed_corpus")
        )
        facts: dict[str, Any] = {
            "schema": "qmia/metric/2",
            # The day and the sample's key are the auction's own, by the rule in `Task`.
            "quality": quality.metric_facts(quality.QualityParameters(), references.default()),
            "impact": {
                "code": CODE_VERSION,
                "parameters": _impact_parameters(settings).to_json(),
                "seed_corpus": seed,
            },
            "limits": {
                "q_min": settings.q_min,
                "max_archive_bytes": settings.max_archive_bytes,
                "max_plain_bytes": settings.max_plain_bytes,
            },
        }
        if settings.entry is not None:
            facts["entry"] = settings.entry.model_dump()
        return facts

    def assess(
        self, submissions: Sequence[Submission], task: Task, progress: Progress
    ) -> Assessment:
        """Quality in the order of commitment: the earliest keeps the credit. Then impact."""
        estimates, failures = self._estimates(submissions, task, progress)
        trained = {
            str(index): estimate
            for index, estimate in estimates.items()
            if estimate.accepted and estimate.highest_q >= task.settings.q_min
        }
        impact = self._impact(trained, task, progress) if trained else None
        phi = impact.phi() if impact else {}
        scores = dict.fromkeys(failures, NOTHING)
        for index, estimate in estimates.items():
            scores[index] = Score(
                estimate.report.q,
                phi.get(str(index), 0),
                estimate.volume,
                present=True,
                underserved=estimate.report.under_served,
            )
        evidence = {
            "quality": {str(index): estimate.to_json() for index, estimate in estimates.items()}
            | {str(index): {"failed": reason} for index, reason in failures.items()},
            "impact": impact.to_json() if impact else None,
        }
        return Assessment(scores, evidence, impact.tensors if impact else {})

    @staticmethod
    def _estimates(
        submissions: Sequence[Submission], task: Task, progress: Progress
    ) -> tuple[dict[int, Estimate], dict[int, str]]:
        """What each sample tells, and why some could not be judged."""
        from oracles import quality
        from oracles.passages import Passages
        from oracles.quality.embed import Embedder
        from oracles.sampling import Estimate

        parameters = quality.QualityParameters(today=task.today, sample_key=task.sample_key.hex())
        earlier, seen, embedder = Passages(), SeenRuns(), Embedder()
        estimates: dict[int, Estimate] = {}
        failures: dict[int, str] = {}
        for number, submission in enumerate(submissions, 1):
            try:
                report = quality.score_pages(
                    [fragments(page) for _, page in submission.pages],
                    parameters,
                    embedder=embedder,
                    earlier=earlier,
                    workspace=task.workspace / f"quality-{submission.index}",
                )
                estimates[submission.index] = Estimate.of(
                    submission.pages, submission.total, submission.sketch, report, seen
                )
            except (OSError, MemoryError, ConfigError):
                raise  # this machine's fault, not the data's
            except Exception as error:
                # Whatever one provider's bytes do, the others are scored.
                failures[submission.index] = f"{type(error).__name__}: {error}"
            seen.add(submission.sketch)
            progress("quality", number, len(submissions))
        return estimates, failures

    def _impact(
        self, trained: Mapping[str, Estimate], task: Task, progress: Progress
    ) -> ImpactReport:
        from oracles import impact

        evaluation = self._evaluation(task)
        seeds = len(_impact_parameters(task.settings).seeds)
        with open_map(min(task.settings.workers, seeds), batch=1) as mapper:
            report = impact.estimate(
                _read(task.settings.seed_corpus, "seed_corpus"),
                {index: impact.Pages(*estimate.training()) for index, estimate in trained.items()},
                _read(evaluation, "evaluations"),
                _impact_parameters(task.settings),
                mapper=mapper,
                cache=task.workspace / "impact",
                progress=progress,
            )
        if report.evaluation_digest != task.evaluation.hex():
            raise ConfigError(f"{evaluation} is not the held-out set that its name says")
        return report

    @staticmethod
    def _evaluation(task: Task) -> Path:
        folder = task.settings.evaluations
        path = folder / f"{task.evaluation.hex()}.jsonl" if folder else None
        if path is None or not path.exists():
            raise ConfigError(
                f"the held-out set {task.evaluation.hex()} of this auction is not in `evaluations`;"
                " get it from the buyer and install it with `qmia operator evaluation`"
            )
        return path


def _impact_parameters(settings: Scoring) -> ImpactParameters:
    from oracles.impact import Parameters

    return Parameters() if settings.noise is None else Parameters(m=settings.noise)


def _read(path: Path | None, name: str) -> Iterator[Document]:
    if path is None:
        raise ConfigError(f"the setting scoring.{name} is needed by this metric")
    return read_documents(path)


def evaluation_digest(file: Path) -> bytes:
    """Digest of a held-out set, as auctions commit to it: the same for any order of documents."""
    from oracles.impact import corpus_digest
    from oracles.impact.corpus import canonical

    return bytes.fromhex(corpus_digest(text for _, text in canonical(read_documents(file))))


def install_evaluation(file: Path, settings: Scoring) -> tuple[bytes, Path]:
    """Put a held-out set where scoring finds it; gives its digest and path.

    Raises:
        ConfigError: the settings name no folder for it.
    """
    if settings.evaluations is None:
        raise ConfigError("set scoring.evaluations to a folder for held-out sets")
    digest = evaluation_digest(file)
    settings.evaluations.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.evaluations / f"{digest.hex()}.jsonl"
    with atomic_write(path, private=True) as out:
        for document in read_documents(file):
            out.write(encode_document(document) + b"\n")
    return digest, path


def load_scoring(path: Path | None = None) -> Scoring:
    """Read the section `scoring` of an operator's settings file; the defaults without a file.

    Raises:
        ConfigError: the file cannot be read, or a setting is wrong.
    """
    try:
        return _File(**({} if path is None else read_toml(path, _File))).scoring
    except ValidationError as error:
        raise settings_error(error) from error


def load_scorer(settings: Scoring) -> Scorer:
    """The scorer that the settings name.

    Raises:
        ConfigError: there is none, or it is foreign and that is not allowed.
    """
    if settings.metric == "full":
        return FullScorer()
    module, _, name = settings.metric.partition(":")
    if not settings.allow_foreign:
        raise ConfigError(
            f"the scorer {settings.metric} is not part of this program; set"
            " scoring.allow_foreign to run it nevertheless"
        )
    try:
        scorer: Scorer = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"cannot load the scorer {settings.metric}: {error}") from error
    return scorer


def score_auction(
    submissions: Sequence[Submission], task: Task, progress: Progress
) -> tuple[dict[int, Score], Assessment]:
    """Score what could be opened.

    Args:
        submissions: verified data sets, in the order of commitment.
        task: the rest.
        progress: called after each unit of work.

    Returns:
        Scores by index, and the assessment they come from.
    """
    if not submissions:
        return {}, Assessment({}, {})
    assessment = load_scorer(task.settings).assess(submissions, task, progress)
    return dict(assessment.scores), assessment
