"""Retrained models: their losses, kept line by line, and the scores that rules see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.errors import InputError
from oracles.files import write_file
from oracles.impact import Architecture, Parameters, Recipe
from oracles.impact.corpus import canonical, encode, pack, train_tokenizer
from oracles.impact.estimate import make_model, make_pool, pinned_kernels, report_runs, run_seeds
from oracles.impact.training import mean_loss, retrain
from oracles.passages import Passages
from oracles.quality import score
from oracles.quality.embed import Embedder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from oracles.dataset import Document
    from oracles.engine import Mapper
    from oracles.impact.corpus import Pool, Sequences
    from oracles.progress import Progress
    from oracles.study.plan import Plan
    from oracles.study.world import World

#: Ways to train: the same number of steps whatever was bought, or one pass over what was bought.
REGIMES = ("fixed", "one pass")

#: (pool, regime, seed, providers by place)
Job = tuple[str, str, int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Bench:
    """What models are trained and tested on.

    Attributes:
        pool: training texts and both halves of the held-out set.
        domains: part B by source.
    """

    pool: Pool
    domains: Mapping[str, Sequences]


@dataclass(frozen=True, slots=True)
class Loss:
    """Losses of one retrained model, nats per token.

    Attributes:
        a: on part A.
        b: on part B.
        domains: on part B, by source.
    """

    a: float
    b: float
    domains: Mapping[str, float]


def parameters(plan: Plan, regime: str) -> Parameters:
    """φ̂ and training of one regime."""
    recipe = Recipe(steps=plan.steps) if regime == "fixed" else Recipe(epochs=1)
    return Parameters(model=Architecture(), recipe=recipe, seeds=plan.phi_seeds)


def source(document: Document) -> str:
    """Where a held-out document is from, as its metadata say."""
    return str(document.metadata.get("source") or document.metadata.get("domain") or "all")


def make_bench(
    seed: Sequence[Document],
    submissions: Mapping[str, Sequence[Document]],
    world: World,
    *,
    deduplicate: bool = True,
) -> Bench:
    """Encode all texts of one world."""
    choice = Architecture()
    tokenizer = train_tokenizer((text for _, text in canonical(seed)), choice.vocabulary)
    sources: dict[str, list[Document]] = {}
    for document in world.part_b:
        sources.setdefault(source(document), []).append(document)
    return Bench(
        make_pool(
            seed,
            submissions,
            world.part_a,
            choice,
            deduplicate=deduplicate,
            outcome=world.part_b,
        ),
        {
            name: pack([encode(canonical(docs), tokenizer, Passages().keep)], choice.context)
            for name, docs in sorted(sources.items())
        },
    )


def retrained(benches: Mapping[str, Bench], chosen: Mapping[str, Parameters], job: Job) -> Loss:
    """Losses of a model retrained on the seed corpus and on some providers."""
    name, regime, seed, providers = job
    bench, method = benches[name], chosen[regime]
    pool = bench.pool
    assert pool.outcome is not None  # noqa: S101 (every pool of a study has a part B)
    with pinned_kernels():
        model = make_model(method.model, seed)
        theta = retrain(model, pool.training, method.recipe, seed, providers, pool.evaluation)
        a, b = (mean_loss(model, theta, part)[0] for part in (pool.evaluation, pool.outcome))
        domains = {name: mean_loss(model, theta, part)[0] for name, part in bench.domains.items()}
    return Loss(a, b, domains)


class Outcomes:
    """Losses of retrainings, kept in a file line by line."""

    def __init__(
        self, path: Path, chosen: Mapping[str, Parameters], mapper: Mapper, progress: Progress
    ) -> None:
        self._path, self._chosen = path, chosen
        self._mapper, self._progress = mapper, progress
        self.benches: dict[str, Bench] = {}
        self._known: dict[Job, Loss] = {}
        if path.exists():
            whole = path.read_text()
            if whole and not whole.endswith("\n"):  # a line that a crash cut short
                whole = whole[: whole.rfind("\n") + 1]
                write_file(path, whole)
            for number, line in enumerate(whole.splitlines(), 1):
                try:
                    name, regime, seed, providers, *losses = json.loads(line)
                    self._known[name, regime, seed, tuple(providers)] = Loss(*losses)
                except (ValueError, TypeError) as error:
                    raise InputError(
                        f"line {number} of {path} cannot be read: delete it, and run again"
                    ) from error

    def __getitem__(self, job: Job) -> Loss:
        return self._known[job]

    def known(self, pool: str, regime: str, seeds: Sequence[int]) -> dict[tuple[int, ...], float]:
        """Mean loss on part B of every set of a pool that was retrained under all seeds."""
        sets = dict.fromkeys(j[3] for j in self._known if j[:3] == (pool, regime, seeds[0]))
        return {
            chosen: float(np.mean([self._known[pool, regime, s, chosen].b for s in seeds]))
            for chosen in sets
            if all((pool, regime, s, chosen) in self._known for s in seeds)
        }

    def fill(self, stage: str, jobs: Iterable[Job]) -> None:
        """Retrain whatever is not known yet, in the order given."""
        wanted = list(dict.fromkeys(jobs))
        missing = [job for job in wanted if job not in self._known]
        done = len(wanted) - len(missing)
        self._progress(stage, done, len(wanted))
        work = partial(retrained, self.benches, self._chosen)
        with self._path.open("a") as file:
            for job, loss in zip(missing, self._mapper(work, missing), strict=True):
                self._known[job] = loss
                file.write(json.dumps([*job, loss.a, loss.b, loss.domains]) + "\n")
                file.flush()
                done += 1
                self._progress(stage, done, len(wanted))


def kept(path: Path, make: Any) -> Any:
    """A JSON value from a file, or made and written there.

    Raises:
        InputError: the file is damaged.
    """
    if not path.exists():
        write_file(path, json.dumps(make()))
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path} cannot be read: delete it, and run again") from error


@lru_cache(maxsize=1)
def _embedder() -> Embedder:
    """One for all calls: loading the model takes longer than a small provider."""
    return Embedder()


def qualities(submissions: Mapping[str, Sequence[Document]]) -> list[int]:
    """Q on the grid by place; 0 where most of the text was committed before."""
    earlier, embedder = Passages(), _embedder()
    reports = [
        score(documents, earlier=earlier, embedder=embedder) for documents in submissions.values()
    ]
    return [report.q if report.accepted_as_unique else 0 for report in reports]


def influences(pool: Pool, method: Parameters, folder: Path, mapper: Mapper) -> dict[str, Any]:
    """φ̂, influence with its error, and both under each seed alone, of all providers."""
    runs = run_seeds(pool, method, mapper=mapper, cache=folder / "phi")

    def read(some: list[Any]) -> dict[str, list[float]]:
        found = report_runs(pool, some, method).providers
        return {
            "phi": [p.phi for p in found],
            "influence": [p.influence for p in found],
            "error": [p.standard_error for p in found],
        }

    whole: dict[str, Any] = read(runs)
    whole["bounds"] = [
        i - method.m * e for i, e in zip(whole["influence"], whole["error"], strict=True)
    ]
    whole["by_seed"] = [read([run]) for run in runs]
    return whole


def volumes(submissions: Mapping[str, Sequence[Document]]) -> list[int]:
    """Raw tokens by place, four characters each: what a buyer who counts tokens sees."""
    return [max(1, sum(len(d.text) for d in docs) // 4) for docs in submissions.values()]
