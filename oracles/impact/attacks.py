"""What a provider could try in order to raise its φ̂, and what it gains.

An attacker has honest documents and adds to them, or rearranges them, knowing the seed corpus, the
method, and possibly a guess of the evaluation set. Its gain is the share of all φ̂ that its
identities hold, relative to what it holds when honest. Two methods are attacked: the default, and
Appendix D taken literally (Hutchinson's inverse diagonal at the base model, no deduplication, no
bound on a document, every positive value paid).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.dataset import Document
from oracles.impact.estimate import Parameters, make_pool, run_seeds
from oracles.impact.report import summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Documents = Sequence[Document]


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


def shuffled_words(honest: Documents, _: Documents, __: Documents) -> list[Documents]:
    """Gradient inflation: own words in random order, which no model predicts."""
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
) -> Iterator[dict[str, Any]]:
    """Share of all φ̂ that an attacker holds, honest and under every attack.

    Args:
        seed_corpus: public documents.
        submissions: provider to honest documents.
        evaluation: held-out documents.
        parameters: the method that is attacked.
        attacker: which provider attacks.
        note: called with the name of what is computed now.

    Yields:
        One row an attack: shares and gains under the method and under the literal pipeline.
    """
    first = parameters.seeds[:1]
    literal = replace(parameters, estimator="hutchinson", mix=0.0, clip=np.inf, m=0.0, seeds=first)

    def share(method: Parameters, identities: Sequence[Documents], *, defended: bool) -> float:
        # The attacker commits last: duplicates of others are found in its text, not in theirs.
        others = {name: docs for name, docs in submissions.items() if name != attacker}
        mine = {f"{attacker} {k}": docs for k, docs in enumerate(identities)}
        pool = make_pool(seed_corpus, others | mine, evaluation, method.model, deduplicate=defended)
        report = summarise(
            pool,
            run_seeds(pool, method),
            bound=method.clip,
            m=method.m,
            rescaling=method.rescaling,
            version="",
            evidence={},
        )
        phi = report.phi()
        return sum(phi[name] for name in mine) / max(1, sum(phi.values()))

    honest = [list(submissions[attacker])]
    note("honest")
    default_share = share(parameters, honest, defended=True)
    literal_share = share(literal, honest, defended=False)
    yield _row("honest", default_share, literal_share, default_share, literal_share)
    for name, attack in ATTACKS.items():
        note(name)
        identities = attack(submissions[attacker], seed_corpus, evaluation)
        after = share(parameters, identities, defended=True)
        after_literal = share(literal, identities, defended=False)
        yield _row(name, after, after_literal, default_share, literal_share)


def _row(name: str, share: float, literal: float, before: float, before_literal: float) -> Any:
    return {
        "attack": name,
        "share": share,
        "gain": share / before if before > 0 else None,
        "literal_share": literal,
        "literal_gain": literal / before_literal if before_literal > 0 else None,
    }
