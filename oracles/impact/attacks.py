"""What a provider could try in order to raise its φ̂, what it gains, and what the buyer gets.

An attacker adds to its honest documents as much material again, and commits last. `prices` values
all such material side by side in one pool, which takes one estimate. `measure` is the auction
itself, once for each attack: the gain is the attacker's share of all φ̂, or of all φ̂ · q, relative
to its honest share. What the buyer gets is the loss on part B of the evaluation set, which φ̂ never
sees, of a model trained on the whole attacked pool, less that of the honest pool under the same
seed. In both, what the quality score finds to make no sense may be left out before (`read`). Real
new text of the attacker's own source is the yardstick.
"""

from __future__ import annotations

import re
import string
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from oracles.dataset import Document
from oracles.impact.corpus import split
from oracles.impact.estimate import Parameters, make_pool, report_runs, run_seeds
from oracles.impact.evaluation import Truth
from oracles.progress import silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from oracles.progress import Progress

    Documents = Sequence[Document]
    #: A provider's documents to what the scorer leaves of each of them, and to the quality score.
    Reader = Callable[[Documents], tuple[Documents, float]]

_BOILERPLATE = (
    "Permission is granted to use, copy and distribute this work for any purpose without fee. "
    "The work is provided as it is, without warranty of any kind, express or implied. "
    "All rights not expressly granted here are reserved by the owner. "
)


@dataclass(frozen=True, slots=True)
class World:
    """What an attacker knows.

    Attributes:
        honest: its own documents.
        real: further real documents of its source, for the yardstick only.
        domain: public text of the buyer's domains, which no provider has.
        victim: documents of another provider, committed earlier.
        seed: the public seed corpus.
        held_out: a leak of the evaluation set.
    """

    honest: Documents
    real: Documents
    domain: Documents
    victim: Documents
    seed: Documents
    held_out: Documents


def characters(documents: Documents) -> int:
    """Characters of some documents."""
    return sum(len(document.text) for document in documents)


def _as_much(world: World, texts: Iterator[str]) -> list[Documents]:
    """The honest documents and as many characters again."""
    added: list[Document] = []
    for text in texts:
        if characters(added) >= characters(world.honest):
            break
        added.append(Document(text))
    return [[*world.honest, *added]]


def _words(documents: Documents) -> list[str]:
    return [word for document in documents for word in document.text.split()]


def _bag_of(source: str) -> Callable[[World, np.random.Generator], Iterator[str]]:
    """Words of some documents, each drawn by itself."""

    def bag(world: World, rng: np.random.Generator) -> Iterator[str]:
        words = _words(getattr(world, source))
        while True:
            yield " ".join(rng.choice(words, 200))

    return bag


_bag = _bag_of("domain")


def _random_characters(_: World, rng: np.random.Generator) -> Iterator[str]:
    alphabet = list(string.ascii_letters + string.digits + "     ")
    while True:
        yield "".join(rng.choice(alphabet, 1500))


def _noise(world: World, rng: np.random.Generator) -> Iterator[str]:
    """The honest text with every fifth letter another one."""
    for document in world.honest:
        letters = np.array(list(document.text))
        letters[::5] = rng.choice(list(string.ascii_lowercase), len(letters[::5]))
        yield "".join(letters)


def _boilerplate(_: World, rng: np.random.Generator) -> Iterator[str]:
    while True:
        yield f"Notice {rng.integers(10**6)} of {rng.integers(10**6)}. " + _BOILERPLATE * 5


def _salad(world: World, rng: np.random.Generator) -> Iterator[str]:
    """A bag of words dressed as sentences in title case."""
    for text in _bag(world, rng):
        words = text.title().split()
        yield " ".join(word + "." * (place % 9 == 8) for place, word in enumerate(words))


def _code(world: World, rng: np.random.Generator) -> Iterator[str]:
    """A bag of words behind comment marks and assignments."""
    for text in _bag(world, rng):
        words = text.split()
        yield "\n".join(
            f"// {' '.join(words[k : k + 8])}\nx_{k} = {k};" for k in range(0, len(words), 8)
        )


def _chain(order: int) -> Callable[[World, np.random.Generator], Iterator[str]]:
    """Markov text of the buyer's domains."""

    def texts(world: World, rng: np.random.Generator) -> Iterator[str]:
        words = _words(world.domain)
        following: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for place in range(len(words) - order):
            following[tuple(words[place : place + order])].append(words[place + order])
        starts = list(following)
        while True:
            text = list(starts[int(rng.integers(len(starts)))])
            while len(text) < 200:
                choices = (
                    following.get(tuple(text[-order:]))
                    or following[starts[int(rng.integers(len(starts)))]]
                )
                text.append(choices[int(rng.integers(len(choices)))])
            yield " ".join(text)

    return texts


def _mad_libs(world: World, rng: np.random.Generator) -> Iterator[str]:
    """Fixed sentences with slots, filled from 200 words."""
    words = rng.choice(_words(world.domain), 200)
    frames = [re.sub(r"\S+", "{}", " ".join(["x"] * k)) for k in (3, 4)]
    while True:
        yield " ".join(
            "The "
            + frames[k % 2].format(*rng.choice(words, 4)[: 3 + k % 2])
            + " is of the "
            + str(rng.choice(words))
            + "."
            for k in range(25)
        )


def _few_words(world: World, _: np.random.Generator) -> Iterator[str]:
    """Text of the buyer's domains in which one word stands for all longer ones: order, no words."""
    for document in world.domain:
        yield " ".join(word if len(word) < 6 else "something" for word in document.text.split())


def _grammar(_: World, rng: np.random.Generator) -> Iterator[str]:
    """Sentences of a small grammar: sensible, endless, and empty."""
    people = ["teacher", "doctor", "farmer", "captain", "lawyer", "neighbour", "writer", "soldier"]
    things = ["letter", "house", "garden", "bridge", "story", "window", "basket", "ship", "lamp"]
    verbs = ["found", "bought", "painted", "carried", "described", "forgot", "admired", "sold"]
    kinds = ["old", "quiet", "young", "heavy", "famous", "broken", "small", "honest", "distant"]
    places = ["in the village", "near the river", "after the war", "at the market"]

    def one(words: list[str]) -> str:
        return words[int(rng.integers(len(words)))]

    while True:
        yield " ".join(
            f"The {one(kinds)} {one(people)} {one(verbs)} the {one(kinds)} {one(things)} "
            f"{one(places)}, and the {one(people)} {one(verbs)} it {one(places)}."
            for _ in range(12)
        )


def _letter_chain(world: World, rng: np.random.Generator) -> Iterator[str]:
    """A chain that continues every five letters as the buyer's domains do."""
    text = " ".join(document.text for document in world.domain)
    following: dict[str, list[str]] = defaultdict(list)
    for place in range(len(text) - 5):
        following[text[place : place + 5]].append(text[place + 5])
    while True:
        out = text[:5]
        while len(out) < 1200:
            choices = following.get(out[-5:], [" "])
            out += choices[int(rng.integers(len(choices)))]
        yield out


def _skeleton(text: str, world: World, rng: np.random.Generator) -> str:
    """The short words of a text, and words of the buyer's domains in place of all longer ones."""
    long_words = [word for word in _words(world.domain) if len(word) > 4]
    return " ".join(
        word if len(word) < 5 else long_words[int(rng.integers(len(long_words)))]
        for word in text.split()
    )


def _lengthened(text: str, _: World, __: np.random.Generator) -> str:
    return " ".join(word + "s" for word in text.split())


def _misspelled(text: str, _: World, __: np.random.Generator) -> str:
    return " ".join(
        word[:2] + word[3] + word[2] + word[4:] if len(word) > 4 else word for word in text.split()
    )


def _in_turn(world: World, _: np.random.Generator) -> Iterator[str]:
    """Sentences of two texts of the buyer's domains in turn."""
    for one, other in zip(world.domain[::2], world.domain[1::2], strict=False):
        pairs = zip(one.text.split(". "), other.text.split(". "), strict=False)
        yield ". ".join(sentence for pair in pairs for sentence in pair)


def _every(number: int) -> Callable[[str, World, np.random.Generator], str]:
    def alter(text: str, world: World, rng: np.random.Generator) -> str:
        words = text.split()
        words[::number] = rng.choice(_words(world.honest), len(words[::number])).tolist()
        return " ".join(words)

    return alter


def _digits(text: str, _: World, __: np.random.Generator) -> str:
    return " ".join(word + ".1" * (k % 9 == 0) for k, word in enumerate(text.split()))


def _invisible(text: str, _: World, __: np.random.Generator) -> str:
    return " ".join(word[:2] + "\u200d" + word[2:] for word in text.split())


def _chunks(size: int) -> Callable[[str, World, np.random.Generator], str]:
    def alter(text: str, _: World, rng: np.random.Generator) -> str:
        words = text.split()
        parts = [" ".join(words[k : k + size]) for k in range(0, len(words), size)]
        return " ".join(parts[k] for k in rng.permutation(len(parts)))

    return alter


def _joined(text: str, _: World, __: np.random.Generator) -> str:
    """Two words as one with a hyphen, and a common word after each fourth."""
    words = text.split()
    pairs = (f"{one}-{two}" for one, two in zip(words[::2], words[1::2], strict=False))
    return " ".join(pair + " so" * (k % 2) for k, pair in enumerate(pairs))


def _endings(text: str, _: World, __: np.random.Generator) -> str:
    """An ending behind a hyphen at each second word, and a common word after each fifth."""
    words = enumerate(text.split())
    return " ".join(word + "-so" * (k % 2) + " also" * (k % 5 == 4) for k, word in words)


def _words_in_turn(world: World, _: np.random.Generator) -> Iterator[str]:
    """Three words of two of the victim's documents in turn."""
    for one, other in zip(world.victim[::2], world.victim[1::2], strict=False):
        both = one.text.split(), other.text.split()
        places = range(0, min(map(len, both)), 3)
        yield " ".join(word for k in places for words in both for word in words[k : k + 3])


def _sentences(text: str, _: World, rng: np.random.Generator) -> str:
    parts = re.split(r"(?<=[.;]) ", text)
    return " ".join(parts[k] for k in rng.permutation(len(parts)))


def _dictionary(text: str, world: World, _: np.random.Generator) -> str:
    """Each word exchanged for another one, always for the same: translation by a dictionary."""
    words = sorted(set(_words(world.victim)))
    order = np.random.default_rng(1).permutation(len(words))
    other = {word: words[place] for word, place in zip(words, order, strict=True)}
    return " ".join(other[word] for word in text.split())


def _glued(text: str, _: World, __: np.random.Generator) -> str:
    return "".join(word + " " * (k % 2) for k, word in enumerate(text.split()))


def _copies_of(
    source: str, alter: Callable[[str, World, np.random.Generator], str]
) -> Callable[[World, np.random.Generator], list[Documents]]:
    def attack(world: World, rng: np.random.Generator) -> list[Documents]:
        documents: Documents = getattr(world, source)
        return _as_much(world, (alter(document.text, world, rng) for document in documents))

    return attack


def _pieces_of(
    source: str, size: int, *, joined: bool = False
) -> Callable[[World, np.random.Generator], list[Documents]]:
    """Pieces of a few words with a letter more in the middle, shuffled: documents each, or one."""

    def attack(world: World, rng: np.random.Generator) -> list[Documents]:
        words = _words(getattr(world, source))
        pieces = [words[first : first + size] for first in range(0, len(words), size)]
        for piece in pieces:
            piece[len(piece) // 2] += "s"
        texts = [" ".join(pieces[k]) for k in rng.permutation(len(pieces))]
        return _as_much(world, iter([" ".join(texts)] if joined else texts))

    return attack


def _after_copies(world: World, rng: np.random.Generator) -> list[Documents]:
    """Nine copies of a victim, which make its phrases common, and then the disguised one."""
    copies = (f"{k}. {document.text}" for k in range(9) for document in world.victim)
    altered = (_every(5)(document.text, world, rng) for document in world.victim)
    return [[*world.honest, *map(Document, chain(copies, altered))]]


def _padding(
    texts: Callable[[World, np.random.Generator], Iterator[str]],
) -> Callable[[World, np.random.Generator], list[Documents]]:
    return lambda world, rng: _as_much(world, texts(world, rng))


#: Name to what an attacker submits, one list of documents for each of its identities.
ATTACKS: dict[str, Callable[[World, np.random.Generator], list[Documents]]] = {
    "real new text": lambda world, _: _as_much(world, (d.text for d in world.real)),
    "random characters": _padding(_random_characters),
    "noise in a fifth of the letters": _padding(_noise),
    "boilerplate": _padding(_boilerplate),
    "bag of words": _padding(_bag),
    "bag of words of the held-out set": _padding(_bag_of("held_out")),
    "word salad in title case": _padding(_salad),
    "bag of words as code": _padding(_code),
    "Markov text of order 2": _padding(_chain(2)),
    "Markov text of order 3": _padding(_chain(3)),
    "Mad-Libs": _padding(_mad_libs),
    "text without its longer words": _padding(_few_words),
    "sentences of a small grammar": _padding(_grammar),
    "chain of letters of order 5": _padding(_letter_chain),
    "two texts sentence by sentence": _padding(_in_turn),
    "victim's short words, others' long ones": _copies_of("victim", _skeleton),
    "victim's words, each longer by a letter": _copies_of("victim", _lengthened),
    "victim's words, the longer ones misspelled": _copies_of("victim", _misspelled),
    "victim, translated by a dictionary": _copies_of("victim", _dictionary),
    "victim, every 3rd word replaced": _copies_of("victim", _every(3)),
    "victim, every 8th word replaced": _copies_of("victim", _every(8)),
    "victim, digits glued": _copies_of("victim", _digits),
    "victim, invisible characters": _copies_of("victim", _invisible),
    "victim, 7-word chunks shuffled": _copies_of("victim", _chunks(7)),
    "victim, 3-word chunks shuffled": _copies_of("victim", _chunks(3)),
    "victim, 3 words of two documents in turn": _padding(_words_in_turn),
    "own text, neighbours joined and words inserted": _copies_of("honest", _joined),
    "held-out set, neighbours joined and words inserted": _copies_of("held_out", _joined),
    "held-out set, endings and words inserted": _copies_of("held_out", _endings),
    "victim, sentences shuffled": _copies_of("victim", _sentences),
    "victim, neighbours glued": _copies_of("victim", _glued),
    "seed corpus, every 8th word replaced": _copies_of("seed", _every(8)),
    "held-out set, every 8th word replaced": _copies_of("held_out", _every(8)),
    "victim in documents of 7 words, one altered": _pieces_of("victim", 7),
    "victim in documents of 4 words, one altered": _pieces_of("victim", 4),
    "own text in documents of 7 words, one altered": _pieces_of("honest", 7),
    "own text in documents of 3 words, one altered": _pieces_of("honest", 3),
    "own text, 7-word pieces shuffled, one altered": _pieces_of("honest", 7, joined=True),
    "held-out set in documents of 7 words, one altered": _pieces_of("held_out", 7),
    "victim, every 5th word replaced, after nine copies": _after_copies,
    "own text five times": lambda world, _: [
        [Document(f"Version {k}. {d.text}") for d in world.honest for k in range(5)]
    ],
    "three identities": lambda world, _: [list(world.honest[k::3]) for k in range(3)],
}

#: No attack: what all others are held against.
YARDSTICK = "real new text"
#: Attacks on the attacker's own text: nothing is added that could be valued by itself.
WITHOUT_MATERIAL = ("own text five times", "three identities")


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
