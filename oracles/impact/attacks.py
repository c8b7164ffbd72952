"""What a provider could try in order to raise its φ̂, and what it gains.

An attacker has honest documents and adds to them, or rearranges them, knowing the seed corpus, the
method, and possibly a guess of the evaluation set. Its gain is the share of all φ̂ that its
identities hold, relative to what it holds when honest; beside it stands what the attack is really
worth to the buyer, by retraining. Two methods are attacked: the default, and Appendix D taken
literally (Hutchinson's inverse diagonal at the base model, no deduplication, no bound on a
document, every positive value paid).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.dataset import Document
from oracles.impact.estimate import (
    Parameters,
    make_model,
    make_pool,
    pinned_kernels,
    run_seeds,
)
from oracles.impact.report import summarise
from oracles.impact.training import mean_loss, retrain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from oracles.impact.corpus import Pool

    Documents = Sequence[Document]

#: Seeds of the retrainings, none of them an estimator's.
TRUTH_SEEDS = (100, 101)


def _size(documents: Documents) -> int:
    return sum(len(document.text) for document in documents)


def random_characters(honest: Documents, _: Documents, __: Documents) -> list[Documents]:
    """As many random printable characters as there is honest text."""
    rng = np.random.default_rng(0)
    alphabet = list(string.ascii_letters + string.digits + "     ")
    junk = [Document("".join(rng.choice(alphabet, 1500))) for _ in range(_size(honest) // 1500)]
    return [[*honest, *junk]]


def copied_seed(honest: Documents, seed: Documents, _: Documents) -> list[Documents]:
    """As much text copied from the public seed corpus as there is honest text."""
    copied: list[Document] = []
    for document in seed:
        if _size(copied) >= _size(honest):
            break
        copied.append(Document("Annotated edition. " + document.text))
    return [[*honest, *copied]]


def frequent_ngrams(honest: Documents, seed: Documents, _: Documents) -> list[Documents]:
    """Padding with the seed corpus's most frequent word trigrams, in random order."""
    counts: Counter[str] = Counter()
    for document in seed:
        words = re.findall(r"\S+", document.text)
        counts.update(" ".join(words[k : k + 3]) for k in range(len(words) - 2))
    frequent = [phrase for phrase, _ in counts.most_common(200)]
    rng = np.random.default_rng(0)
    padding = [Document(" ".join(rng.choice(frequent, 100))) for _ in range(_size(honest) // 1500)]
    return [[*honest, *padding]]


def noisy_copies(honest: Documents, _: Documents, __: Documents) -> list[Documents]:
    """Gradient inflation by noise: every document again, every fifth character another one."""
    rng = np.random.default_rng(0)
    alphabet = list(string.ascii_lowercase)
    noisy = []
    for document in honest:
        characters = np.array(list(document.text))
        characters[::5] = rng.choice(alphabet, len(characters[::5]))
        noisy.append(Document("".join(characters)))
    return [[*honest, *noisy]]


def shuffled_words(honest: Documents, _: Documents, __: Documents) -> list[Documents]:
    """Own words again in random order."""
    rng = np.random.default_rng(0)
    noisy = [Document(" ".join(rng.permutation(document.text.split()))) for document in honest]
    return [[*honest, *noisy]]


def copies(honest: Documents, _: Documents, __: Documents) -> list[Documents]:
    """Every document five times, each copy under another heading."""
    return [[Document(f"Version {k}. {d.text}") for d in honest for k in range(5)]]


def split_identities(honest: Documents, _: Documents, __: Documents) -> list[Documents]:
    """The same documents under three identities."""
    return [list(honest[k::3]) for k in range(3)]


def guessed_evaluation(honest: Documents, _: Documents, held_out: Documents) -> list[Documents]:
    """A leak: half of the evaluation documents, word for word."""
    return [[*honest, *held_out[::2]]]


def altered_evaluation(honest: Documents, _: Documents, held_out: Documents) -> list[Documents]:
    """The same leak with every fifth word replaced, to pass as new text."""
    rng = np.random.default_rng(0)
    common = [word for document in honest for word in document.text.split()]
    altered = []
    for document in held_out[::2]:
        words = document.text.split()
        words[::5] = rng.choice(common, len(words[::5])).tolist()
        altered.append(Document(" ".join(words)))
    return [[*honest, *altered]]


ATTACKS: dict[str, Callable[[Documents, Documents, Documents], list[Documents]]] = {
    "random characters": random_characters,
    "copied seed corpus": copied_seed,
    "frequent n-grams": frequent_ngrams,
    "noisy copies": noisy_copies,
    "shuffled words": shuffled_words,
    "five copies": copies,
    "three identities": split_identities,
    "leaked evaluation set": guessed_evaluation,
    "altered leak": altered_evaluation,
}


def measure(
    seed_corpus: Documents,
    submissions: dict[str, Documents],
    evaluation: Documents,
    parameters: Parameters,
    attacker: str,
    note: Callable[[str], None] = lambda _: None,
    cache: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Share of all φ̂ that an attacker holds, honest and under every attack.

    Args:
        seed_corpus: public documents.
        submissions: provider to honest documents.
        evaluation: held-out documents.
        parameters: the method that is attacked.
        attacker: which provider attacks.
        note: called with the name of what is computed now.
        cache: directory of finished runs of the methods, which are not repeated.

    Yields:
        One row an attack: the attacker's share of φ̂ under the method and under the literal
        pipeline, what its data are worth by retraining, and each relative to the honest one.
    """
    literal = replace(
        parameters,
        estimator="hutchinson",
        mix=0.0,
        clip=np.inf,
        m=0.0,
        seeds=parameters.seeds[:1],
    )
    others = {name: docs for name, docs in submissions.items() if name != attacker}

    def row(name: str, identities: Sequence[Documents]) -> dict[str, Any]:
        note(name)
        # The attacker commits last: duplicates of others are found in its text, not in theirs.
        mine = {f"{attacker} {k}": docs for k, docs in enumerate(identities)}
        pools = {
            defended: make_pool(
                seed_corpus, others | mine, evaluation, parameters.model, deduplicate=defended
            )
            for defended in (True, False)
        }
        return {
            "attack": name,
            "share": _share(pools[True], parameters, len(mine), cache),
            "literal_share": _share(pools[False], literal, len(mine), cache),
            "worth": _worth(pools[False], parameters, len(mine)),
        }

    honest = row("honest", [list(submissions[attacker])])
    yield _with_gains(honest, honest)
    for name, attack in ATTACKS.items():
        identities = attack(submissions[attacker], seed_corpus, evaluation)
        yield _with_gains(row(name, identities), honest)


def _with_gains(row: dict[str, Any], honest: dict[str, Any]) -> dict[str, Any]:
    """Add every measured value relative to the honest one, None if that is not above 0."""
    keys = ("share", "literal_share", "worth")
    gains = {f"{key}_gain": row[key] / honest[key] if honest[key] > 0 else None for key in keys}
    return {**row, **gains}


def _share(pool: Pool, method: Parameters, attackers: int, cache: Path | None) -> float:
    """Part of all φ̂ that the last providers hold."""
    report = summarise(
        pool,
        run_seeds(pool, method, cache=cache),
        bound=method.clip,
        m=method.m,
        rescaling=method.rescaling,
        version="",
        evidence={},
    )
    phi = [provider.phi for provider in report.providers]
    return sum(phi[-attackers:]) / max(1, sum(phi))


def _worth(pool: Pool, parameters: Parameters, attackers: int) -> float:
    """Evaluation loss in nats a token that retraining without the last providers adds."""
    everyone = range(len(pool.providers))
    losses = []
    for seed in TRUTH_SEEDS:
        with pinned_kernels():
            model = make_model(parameters.model, seed)
            for chosen in (everyone, everyone[:-attackers]):
                theta = retrain(model, pool.training, parameters.recipe, seed, chosen)
                losses.append(mean_loss(model, theta, pool.evaluation)[0])
    return float(np.mean(losses[1::2]) - np.mean(losses[::2]))
