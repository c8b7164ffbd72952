"""What a provider is paid for the tricks of `oracles.impact.attacks`, and what the buyer gets.

`prices` values all material side by side in one pool, which takes one estimate. `measure` is the
auction itself, once for each attack: the gain is the attacker's share of all φ̂, or of all φ̂ · q,
relative to its honest share. What the buyer gets is the loss on part B of the evaluation set, which
φ̂ never sees, of a model trained on the whole attacked pool, less that of the honest pool under the
same seed. In both, what the quality score finds to make no sense may be left out before (`read`).
Real new text of the attacker's own source is the yardstick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.impact.attacks import ATTACKS, WITHOUT_MATERIAL, YARDSTICK, World, characters
from oracles.impact.corpus import split
from oracles.impact.estimate import Parameters, make_pool, report_runs, run_seeds
from oracles.impact.truth import Truth
from oracles.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.impact.attacks import Documents
    from oracles.progress import Progress

    #: A provider's documents to what the scorer leaves of each of them, and to the quality score.
    Reader = Callable[[Documents], tuple[Documents, float]]


@dataclass(frozen=True, slots=True)
class Target:
    """An auction with one provider that attacks it.

    Attributes:
        seed_corpus: public documents.
        submissions: provider to honest documents.
        evaluation: held-out documents.
        attacker: which provider attacks.
        victim: whose text it copies.
        real: further real documents of the attacker's source.
        domain: public text of the buyer's domains, which no provider has.
    """

    seed_corpus: Documents
    submissions: Mapping[str, Documents]
    evaluation: Documents
    attacker: str
    victim: str
    real: Documents
    domain: Documents

    def world(self) -> World:
        """What the attacker has to work with."""
        return World(
            self.submissions[self.attacker],
            self.real,
            self.domain,
            self.submissions[self.victim],
            self.seed_corpus,
            self.evaluation,
        )


def unread(documents: Documents) -> tuple[Documents, float]:
    """Leaves everything, and tells no quality from another."""
    return documents, 1.0


def prices(
    target: Target,
    parameters: Parameters,
    cache: Path,
    *,
    attacks: Sequence[str] = tuple(ATTACKS),
    read: Reader = unread,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """What each attack's material is worth, as a provider of its own after all honest ones.

    Influence is a sum over documents, so an attacker's pay is that of its honest text and that of
    the material. Attacks that split or repeat the attacker's own text have no material of theirs.

    Args:
        target: the auction that is attacked; all of its held-out documents are used.
        parameters: the method that is attacked.
        cache: directory of finished runs.
        attacks: names in `ATTACKS`.
        read: what the quality score makes of a provider's documents before φ̂ sees them.
        progress: told of finished seeds.

    Returns:
        One row an attack: share of the material that was left, tokens of it after copies are
        dropped, gain on the evaluation set and on its words alone (None without `order`), influence
        with its error, and the attacker's φ̂, its quality score and their product as multiples of
        the honest ones.
    """
    world = target.world()
    names = [name for name in attacks if name not in WITHOUT_MATERIAL]
    left: dict[str, Documents] = {}
    sense, quality = {}, {}
    honest_quality = read(world.honest)[1]
    for number, name in enumerate(names):
        documents = ATTACKS[name](world, np.random.default_rng(number))[0]
        kept, q = read(documents)
        left[name] = kept[len(world.honest) :]
        sense[name] = characters(left[name]) / max(1, characters(documents[len(world.honest) :]))
        quality[name] = q / honest_quality
    everybody = {**target.submissions, **left}
    pool = make_pool(target.seed_corpus, everybody, target.evaluation, parameters.model)
    runs = run_seeds(pool, parameters, cache=cache, progress=progress)
    report = report_runs(pool, runs, parameters)
    (honest,) = [provider for provider in report.providers if provider.name == target.attacker]

    def pay(influence: float, error: float) -> float:
        """Lower bound for the attacker whose honest text comes with some more."""
        total = float(np.hypot(honest.standard_error, error))
        return max(0.0, honest.influence + influence - parameters.m * total)

    alone = pay(0.0, 0.0)
    rows = []
    for place, provider in enumerate(report.providers):
        name = provider.name
        if name not in left:
            continue
        text, words = (
            [float(run.log[key][place]) for run in runs if key in run.log]
            for key in ("gains", "gains_disordered")
        )
        ratio = pay(provider.influence, provider.standard_error) / alone if alone else None
        rows.append(
            {
                "attack": name,
                "sense": sense[name],
                "tokens": provider.tokens,
                "gain": float(np.mean(text)) if text else provider.influence,
                "gain_of_words": float(np.mean(words)) if words else None,
                "influence": provider.influence,
                "error": provider.standard_error,
                "phi": ratio,
                "q": quality[name],
                "pay": None if ratio is None else ratio * quality[name],
            }
        )
    return rows


def measure(
    target: Target,
    parameters: Parameters,
    cache: Path,
    *,
    truth_seeds: Sequence[int] = (100, 101, 102),
    attacks: Sequence[str] = tuple(ATTACKS),
    read: Reader = unread,
) -> Iterator[dict[str, Any]]:
    """What weighs an attacker's bid and loss of the buyer, honest and under every attack.

    Args:
        target: the auction that is attacked; its held-out documents are split into parts A and B.
        parameters: the method that is attacked.
        cache: directory of finished runs and retrainings, which are not repeated.
        truth_seeds: of the retrainings, none of them an estimator's.
        attacks: names in `ATTACKS`.
        read: what the quality score makes of a provider's documents before φ̂ sees them.

    Yields:
        One row an attack: share of the attacker's text that was left, its share of all φ̂ and of all
        φ̂ · q as multiples of the honest ones, change of loss on part B against the honest pool with
        its standard error over seeds, and whether the buyer is overcharged: either share is more
        than 1.1 times the honest one for less than half of what real text lowers the loss by. Real
        text is the yardstick, and never overcharged.
    """
    part_a, part_b = split(target.evaluation)
    world = target.world()
    others = {
        name: read(docs) for name, docs in target.submissions.items() if name != target.attacker
    }

    def outcome(
        identities: Sequence[Documents],
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Share of the text that is left, shares [2] of φ̂ and φ̂ · q, and the buyer's losses."""
        mine = {f"{target.attacker} {k}": read(docs) for k, docs in enumerate(identities)}
        everybody = others | mine
        left = {name: docs for name, (docs, _) in everybody.items()}
        pool = make_pool(target.seed_corpus, left, part_a, parameters.model, outcome=part_b)
        report = report_runs(pool, run_seeds(pool, parameters, cache=cache), parameters)
        phi = np.array([provider.phi for provider in report.providers])
        weights = np.stack([phi, phi * [q for _, q in everybody.values()]])
        shares = weights[:, -len(mine) :].sum(1) / np.maximum(weights.sum(1), 1e-9)
        truth = Truth(pool, parameters, cache)
        losses = np.array([truth(seed, range(len(left)))[1] for seed in truth_seeds])
        kept = sum(characters(docs) for docs, _ in mine.values())
        return kept / max(1, sum(map(characters, identities))), shares, losses

    _, honest_shares, honest_losses = outcome([world.honest])
    real = ATTACKS[YARDSTICK](world, np.random.default_rng(0))
    half = min(0.0, float((outcome(real)[2] - honest_losses).mean())) / 2
    for name in attacks:
        sense, shares, losses = outcome(ATTACKS[name](world, np.random.default_rng(0)))
        change = losses - honest_losses
        phi, pay = (
            float(share / honest) if honest > 0 else None
            for share, honest in zip(shares, honest_shares, strict=True)
        )
        raised = any(gain is None or gain > 1.1 for gain in (phi, pay))
        yield {
            "attack": name,
            "sense": sense,
            "phi": phi,
            "pay": pay,
            "loss_change": float(change.mean()),
            "loss_error": float(change.std(ddof=1) / np.sqrt(len(change))),
            "overcharged": bool(name != YARDSTICK and raised and change.mean() > half),
        }
