"""Make and measure the tables of neighbouring word classes of languages other than English.

    python -m benchmarks.quality.neighbours --train      # writes data/neighbours.safetensors
    python -m benchmarks.quality.neighbours [--json]     # the table in docs/quality.md

Made of translated manuals: the help of LibreOffice or GNOME, the Debian handbook, manual pages.
Measured on a fifth of them that was held out, on sayings and the Universal Declaration of Human
Rights, which were not learnt from, and on words of these in no order: shuffled, drawn at random,
and those that have the ranks of the words of an English text.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import random
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.common import show, translations
from benchmarks.quality.common import texts as english_texts
from oracles.quality import disguise, neighbours, texts
from oracles.quality.embed import cache_directory
from oracles.quality.lexicon import frequent, is_known
from oracles.quality.sources import Source, fetch, from_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
TABLES = ROOT / "oracles" / "quality" / "data" / "neighbours.safetensors"
#: Languages with a word list and enough translated manuals: translation of the UDHR, of the
#: handbook, and of the manual pages.
LANGUAGES = {
    "ar": ("arb", "ar-MA", ""), "ca": ("cat", "ca-ES", ""), "cs": ("ces", "cs-CZ", "cs"),
    "da": ("dan", "da-DK", "da"), "de": ("deu_1996", "de-DE", "de"),
    "el": ("ell_monotonic", "el-GR", "el"), "es": ("spa", "es-ES", "es"),
    "fa": ("pes_1", "fa-IR", ""), "fi": ("fin", "", "fi"), "fr": ("fra", "fr-FR", "fr"),
    "hi": ("hin", "", ""), "hu": ("hun", "", "hu"), "id": ("ind", "id-ID", "id"),
    "it": ("ita", "it-IT", "it"), "nl": ("nld", "nl-NL", "nl"), "no": ("nob", "nb-NO", "nb"),
    "pl": ("pol", "pl-PL", "pl"), "pt": ("por_PT", "pt-BR", "pt-br"),
    "ru": ("rus", "ru-RU", "ru"), "sl": ("slv", "", ""), "sv": ("swe", "sv-SE", "sv"),
    "tr": ("tur", "tr-TR", "tr"), "uk": ("ukr", "", "uk"), "vi": ("vie", "vi-VN", "vi"),
}  # fmt: skip
#: Those without a translation of the help of LibreOffice; their users' help of GNOME is taken.
DESKTOP = ("ar", "fa", "no", "uk")
SAYINGS = ("cs", "de", "es", "it", "pl", "ru")
#: Words of a text that is measured, and texts of each kind at most.
WORDS, TEXTS = 320, 60
#: Documents of so many words without which those of a kind are put in a row.
LONG = 4
LEARNT = ("help", "handbook", "manual pages")
NONSENSE = ("shuffled", "drawn at random", "English, each word as the one of its rank")


def roff(page: str) -> str:
    """Paragraphs of a manual page, without its commands."""
    parts = []
    for line in page.split("\n"):
        if re.match(r"\.(?:PP|P|SH|TP|IP|LP|SS|br)\b", line):
            parts.append("\n\n")
        elif found := re.match(r"\.(?:B|I|BR|IR|RB|RI|BI|IB)\s+(.*)", line):
            parts.append(found[1].replace('"', ""))
        elif not line.startswith((".", "'")):
            parts.append(line)
    page = re.sub(r"\\f[A-Z]|\\f\(..|\\[&|/]|\\\[[^\]]*\]|\\\(..", "", " ".join(parts))
    return "\n\n".join(" ".join(part.split()) for part in page.split("\n\n") if part.strip())


def read_words(text: str) -> list[str]:
    """Words of a text as the score reads them, case folded."""
    return [word.casefold() for word in disguise.words(texts.normalise(text))]


def documents(language: str) -> Iterator[tuple[str, list[str]]]:
    """Texts by kind; only paragraphs that are recognised as the language, since much is left."""
    folder = cache_directory() / "sources"
    translation, handbook, manuals = LANGUAGES[language]

    def kept(kind: str, pages: Iterable[str]) -> tuple[str, list[str]]:
        found = [
            [p for p in texts.normalise(page).split("\n\n") if texts.language(p) == language]
            for page in pages
        ]
        return kind, sorted({"\n\n".join(parts) for parts in found if parts})

    package, pattern = f"libreoffice-help-{language}", "libreoffice/help/*/text/**/*.html"
    if language in DESKTOP:
        package, pattern = "gnome-user-docs", f"help/{language}/*/*.page"
    source = Source("help", "debian", package, "MPL-2.0 or CC-BY-SA-3.0", "", 0, from_html)
    files = fetch(source, folder).glob(f"usr/share/{pattern}")
    yield kept("help", (from_html(page.read_text("utf-8")) for page in files))
    if handbook:
        source = Source("handbook", "debian", "debian-handbook", "CC-BY-SA-3.0", "", 0, from_html)
        files = fetch(source, folder).glob(f"usr/share/doc/debian-handbook/html/{handbook}/*.html")
        yield kept("handbook", (from_html(page.read_text("utf-8")) for page in files))
    if manuals:
        package = f"manpages-{manuals}"
        source = Source("manuals", "debian", package, "GPL-3.0-or-later", "", 0, roff)
        files = fetch(source, folder).glob("usr/share/man/*/man*/*.gz")
        packed = (gzip.decompress(page.read_bytes()) for page in files if page.is_file())
        yield kept("manual pages", (roff(page.decode("utf-8", "replace")) for page in packed))
    if language in SAYINGS:
        source = Source("sayings", "debian", f"fortunes-{language}", "various", "", 0, str)
        files = fetch(source, folder).glob("usr/share/games/fortunes/**/*")
        named = [page for page in files if page.is_file() and not page.suffix]
        read = (page.read_bytes().decode("utf-8", "replace") for page in named)
        yield kept("sayings", (re.sub(r"\n%+\n", "\n\n", page) for page in read))
    yield kept("declaration", [translations()[translation]])


def is_held_out(text: str) -> bool:
    """Whether a document is measured on, and not learnt from: a fifth."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] < 51


def train() -> None:
    """Write the tables, and print the digest to pin."""
    from safetensors.numpy import save

    made = {}
    for language in LANGUAGES:
        learnt = [
            read_words(text)
            for kind, found in documents(language)
            for text in found
            if kind in LEARNT and not is_held_out(text)
        ]
        made[language] = neighbours.learn(learnt, language)
        print(f"{language}: {sum(map(len, learnt))} words", file=sys.stderr)
    data = save(made)
    TABLES.write_bytes(data)
    print(f"TABLES_SHA256 = {hashlib.sha256(data).hexdigest()!r}")


def nonsense(language: str, bodies: Sequence[Sequence[str]], size: int) -> dict[str, list[Any]]:
    """Words in no order of the language, by kind, as many texts as given."""
    rng = random.Random(1)
    pool = [word for body in bodies for word in body]
    english = [read_words(text) for text in english_texts(3 * TEXTS)]
    flat = [word for body in english for word in body]
    ranks = {word: rank for rank, word in enumerate(frequent("en", 8000))}
    listed = frequent(language, 8000)
    return {
        "shuffled": [rng.sample(body, len(body)) for body in bodies],
        "drawn at random": [rng.choices(pool, k=size) for _ in bodies],
        "English, each word as the one of its rank": [
            [listed[ranks.get(w, rng.randrange(8000)) % len(listed)] for w in flat[a : a + size]]
            for a in range(0, min(len(bodies), len(flat) // size) * size, size)
        ],
    }


def texts_of(bodies: Iterable[Sequence[str]]) -> list[Sequence[str]]:
    """Runs of `WORDS` words of a document each, or of all in a row where documents are short."""
    bodies = list(bodies)
    long = [body for body in bodies if len(body) >= WORDS]
    if len(long) < LONG:
        long = [[word for body in bodies for word in body]]
    runs = [body[a : a + WORDS] for body in long for a in range(0, len(body) - WORDS + 1, WORDS)]
    return runs[:: max(1, len(runs) // TEXTS)][:TEXTS]


def measure() -> list[dict[str, Any]]:
    """What texts of each kind lose, over all languages."""
    found: defaultdict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for language in LANGUAGES:
        real: list[Sequence[str]] = []

        def read(kind: str, runs: Sequence[Sequence[str]], language: str = language) -> None:
            for words in runs:
                known = [is_known(word, language) for word in words]
                better, _ = neighbours.gain(words, known, language, neighbours.tables()[language])
                lost = float(neighbours.stray(words, known, language) or 0)
                found[kind].append((float(better), lost, language))

        for kind, documented in documents(language):
            learnt = kind in LEARNT
            bodies = [read_words(text) for text in documented if not learnt or is_held_out(text)]
            runs = texts_of(bodies)
            read(f"{kind}{' (held out)' * learnt}", runs)
            real += runs
        for kind, made in nonsense(language, real[::4], WORDS).items():
            read(kind, made)
    return [
        {
            "text": kind,
            "texts": len(values),
            "mean": float(np.mean([better for better, *_ in values])),
            "deviation": float(np.std([better for better, *_ in values])),
            "lost": float(np.mean([lost for _, lost, _ in values])),
            "most, and in which language": max(
                (float(np.mean([lost for _, lost, at in values if at == one])), one)
                for one in {at for *_, at in values}
            ),
        }
        for kind, values in found.items()
    ]


def main() -> int:
    """Make the tables, or print what they find; exit code 1 if real text loses more than 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--docs", action="store_true", help="write docs/quality.md")
    parser.add_argument("--train", action="store_true")
    options = parser.parse_args()
    if options.train:
        train()
        return 0
    rows = measure()
    for row in rows:
        share, language = row["most, and in which language"]
        row["most, and in which language"] = f"{share:.3f} ({language})"
    unfair = [r["text"] for r in rows if r["text"] not in NONSENSE and r["lost"] > 0.05]
    show(rows, {"unfair": unfair}, to_json=options.json, docs="neighbours" * options.docs)
    return 1 if unfair else 0


if __name__ == "__main__":
    sys.exit(main())
