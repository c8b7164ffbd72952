"""Three auctions of different make-up, from the corpora that any machine can install."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.impact import corpora
from oracles.dataset import Document
from scripts import demo_data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: Providers of the pool in which sizes vary ten times, and of the one with damaged providers.
ENGLISH = (
    "brown-fiction",
    "brown-government",
    "brown-learned",
    "brown-news",
    "foldoc",
    "hpo",
    "linux-doc",
    "moby-dick",
    "python-code",
    "python-doc",
    "sotu-1946-2020",
    "spdx",
)
#: Characters of their evaluation set: with 60,000, retrainings judged on its two halves rank single
#: providers of the first pool in orders that agree at 0.08 only.
HELD_OUT = 240_000
LANGUAGES = (
    "de-DE",
    "en-US",
    "es-ES",
    "fr-FR",
    "id-ID",
    "it-IT",
    "ja-JP",
    "nb-NO",
    "nl-NL",
    "pt-BR",
    "ru-RU",
    "zh-CN",
)
#: The buyer of the multilingual pool wants these, in equal shares.
WANTED = ("de-DE", "fr-FR", "ja-JP", "ru-RU")


def noise(text: str, rng: np.random.Generator) -> str:
    """Every fifth letter at random is another one."""
    letters = np.array(list(text))
    hit = rng.random(len(letters)) < 0.2
    letters[hit] = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), int(hit.sum()))
    return "".join(letters)


def shuffled(text: str, rng: np.random.Generator) -> str:
    """All words in random order."""
    return " ".join(rng.permutation(text.split()))


def random_letters(text: str, rng: np.random.Generator) -> str:
    """As many random letters, digits and spaces."""
    return "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789   "), len(text)))


def form_letter(text: str, rng: np.random.Generator) -> str:
    """A form of which only some words change."""
    words = rng.choice(text.split(), 12)
    return "".join(
        f"Dear {word}, thank you for your order no. {rng.integers(10**6)}, sent on its way. "
        for word in words
    )


def hyphenated(text: str, rng: np.random.Generator) -> str:
    """Scanned columns: lines cut at 12 to 30 letters, words broken."""
    parts, start = [], 0
    while start < len(text):
        end = start + int(rng.integers(12, 30))
        parts.append(text[start:end])
        start = end
    return "-\n".join(parts)


def swapped(text: str, rng: np.random.Generator) -> str:
    """Misread letters: common confusions of optical character recognition, one in ten words."""
    pairs = {"m": "rn", "l": "1", "o": "0", "e": "c", "h": "b"}
    return " ".join(
        "".join(pairs.get(letter, letter) for letter in word) if rng.random() < 0.5 else word
        for word in text.split()
    )


DAMAGE: dict[str, Callable[[str, np.random.Generator], str]] = {
    "brown-fiction": noise,
    "foldoc": shuffled,
    "hpo": swapped,
    "linux-doc": random_letters,
    "moby-dick": form_letter,
    "spdx": hyphenated,
}


def _sourced(documents: list[Document], source: str) -> list[Document]:
    return [replace(document, metadata={"source": source}) for document in documents]


def _damaged(
    found: corpora.Corpora, damage: Mapping[str, Callable[[str, np.random.Generator], str]]
) -> corpora.Corpora:
    """The same with every document of some providers damaged."""
    rng = np.random.default_rng(0)
    submissions = {
        name: [
            Document(damage[name](document.text, rng) if name in damage else document.text)
            for document in documents
        ]
        for name, documents in found.submissions.items()
    }
    return replace(found, submissions=submissions)


def sizes(cache: Path) -> corpora.Corpora:
    """Twelve English providers, the largest ten times the smallest."""
    return corpora.load(
        cache, provider=6000, seed=20_000, evaluation=HELD_OUT, spread=10**0.5, names=ENGLISH
    )


def damaged(cache: Path, times: int = 1) -> corpora.Corpora:
    """The same sources at equal sizes, every other one damaged; `times` as much of each."""
    found = corpora.load(
        cache, provider=6000 * times, seed=20_000, evaluation=HELD_OUT, spread=1.2, names=ENGLISH
    )
    return _damaged(found, DAMAGE)


def languages(cache: Path, times: int = 1) -> corpora.Corpora:
    """Translations of one manual, different parts for each provider; four are wanted.

    `times` as much of each provider, with the same seed corpus and evaluation set.
    """
    root = corpora.fetch(cache) / "debian-handbook/usr/share/doc/debian-handbook/html"
    queues: dict[str, list[str]] = {}
    for language in LANGUAGES:
        texts = [
            part
            for path in sorted((root / language).glob("*.html"))
            for part in re.findall(r"(?s).{1,1500}", corpora.html_text(path))
            if len(part) > 400
        ]
        queues[language] = sorted(
            set(texts), key=lambda text: hashlib.sha256(text.encode()).digest()
        )
    evaluation = [
        document
        for language in WANTED
        for document in _sourced(corpora.take(queues[language], 15_000), language)
    ]
    seed = corpora.take(queues["en-US"], 14_000) + [
        document for language in WANTED for document in corpora.take(queues[language], 3000)
    ]
    submissions = {
        language: corpora.take(queues[language], times * 4000 * 1.6 ** (number * 5 % 12 / 5.5))
        for number, language in enumerate(LANGUAGES)
    }
    return corpora.Corpora(seed, submissions, evaluation)


def pairs(cache: Path) -> corpora.Corpora:
    """Two providers from each of six corpora, of which four are wanted."""
    names = ("debian-handbook", "fortunes", "ham", "perl-doc", "postgresql-doc", "sotu-1790-1899")
    wanted = {"fortunes": 0.2, "ham": 0.2, "postgresql-doc": 0.3, "sotu-1790-1899": 0.3}
    return corpora.load(
        cache,
        provider=5000,
        seed=20_000,
        evaluation=HELD_OUT,
        spread=1.5,
        names=names * 2,
        wanted=wanted,
    )


def crowded(cache: Path) -> corpora.Corpora:
    """Eighteen small providers, four, three, two or one from each of seven corpora."""
    counts = {
        "brown-religion": 3,
        "debian-policy": 2,
        "gcide": 4,
        "icd-10-cm": 1,
        "perl-doc": 4,
        "sotu-1790-1899": 3,
        "spam": 1,
    }
    wanted = {
        "brown-religion": 0.15,
        "debian-policy": 0.15,
        "gcide": 0.25,
        "perl-doc": 0.25,
        "sotu-1790-1899": 0.2,
    }
    return corpora.load(
        cache,
        provider=3000,
        seed=16_000,
        evaluation=HELD_OUT,
        spread=1.2,
        names=[name for name, count in counts.items() for _ in range(count)],
        wanted=wanted,
    )


def mixed(cache: Path) -> corpora.Corpora:
    """Twelve other corpora, the largest eight times the smallest, a third of them damaged."""
    names = (
        "brown-government",
        "brown-religion",
        "debian-handbook",
        "debian-policy",
        "fortunes",
        "gcide",
        "ham",
        "icd-10-cm",
        "perl-doc",
        "postgresql-doc",
        "sotu-1790-1899",
        "spam",
    )
    wanted = {
        "brown-religion": 0.1,
        "debian-handbook": 0.2,
        "gcide": 0.2,
        "ham": 0.15,
        "postgresql-doc": 0.2,
        "sotu-1790-1899": 0.15,
    }
    found = corpora.load(
        cache,
        provider=6000,
        seed=20_000,
        evaluation=HELD_OUT,
        spread=8**0.5,
        names=names,
        wanted=wanted,
    )
    damage = {
        "debian-handbook": shuffled,
        "fortunes": noise,
        "perl-doc": hyphenated,
        "spam": random_letters,
    }
    return _damaged(found, damage)


def small(cache: Path) -> corpora.Corpora:
    """Four providers only."""
    names = ("brown-government", "hpo", "python-doc", "spdx")
    return corpora.load(
        cache, provider=6000, seed=20_000, evaluation=60_000, spread=1.2, names=names
    )


def large(cache: Path) -> corpora.Corpora:
    """All sources, most of them off the buyer's domains."""
    return corpora.load(cache, provider=4000, seed=20_000, evaluation=60_000, spread=1.5)


def demo(_: Path) -> corpora.Corpora:
    """The demo's eleven providers, as `make demo` writes them."""

    def documents(records: list[dict[str, str]]) -> list[Document]:
        return [
            Document(record["text"], {k: v for k, v in record.items() if k != "text"})
            for record in records
        ]

    return corpora.Corpora(
        documents(demo_data.seed_corpus()),
        {provider.name: documents(provider.records) for provider in demo_data.providers()},
        documents(demo_data.evaluation()),
    )


POOLS: dict[str, Callable[[Path], corpora.Corpora]] = {
    "sizes": sizes,
    "damaged": damaged,
    "languages": languages,
}
#: Pools on which estimators were chosen, before they were measured on the others.
CHOICE_POOLS: dict[str, Callable[[Path], corpora.Corpora]] = {
    "pairs": pairs,
    "crowded": crowded,
    "mixed": mixed,
}
#: Further pools, on which only who is left out is measured.
ELIGIBILITY_POOLS = {"small": small, **POOLS, "large": large, "demo": demo}
