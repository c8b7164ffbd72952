"""What was wrong with a data set: a closed list of kinds, each said with place and count."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

from oracles.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oracles.dataset.document import Document

#: Kinds that lose data.
LosingKind = Literal[
    "binary",  # not text; the file is skipped
    "bomb",  # decompresses to more than its size can honestly hold; the rest is skipped
    "corrupt",  # a file, archive or compressed stream is damaged; the rest is skipped
    "duplicate_key",  # a record has one key twice; the last value is kept
    "encoding",  # text, but not UTF-8; the file is skipped
    "ignored",  # bytes before, between or after the data that the format does not account for
    "invalid_text",  # some bytes or escapes are not Unicode; replaced by U+FFFD
    "malformed",  # a record does not parse; it is skipped
    "metadata",  # a metadata value has no JSON form; the value is dropped
    "more",  # further findings, counted but not listed
    "no_text",  # a record has fields, but none of them is a text; it is skipped
    "skipped",  # hidden files, links, devices, archive members with unsafe names
    "too_deep",  # archives within archives within …; skipped
    "too_large",  # a record is longer than the limit; it is skipped
    "unreadable",  # whole, but not read: no permission, encrypted, needs too much memory
    "unsupported",  # a form that is not read; the file is skipped
]
#: Kinds that lose nothing.
HarmlessKind = Literal[
    "ambiguous",  # kept as it is, but another reader may read it differently
    "empty",  # nothing in it
    "left_out",  # not part of the data: litter of file managers, requests in a WARC file
    "split",  # a long plain text was cut into several documents; all of it is kept
]
FindingKind = LosingKind | HarmlessKind

_LOSING: Final = frozenset(get_args(LosingKind))


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of trouble in one file.

    Attributes:
        kind: What it is.
        where: `folder/file`, `file:line` or `archive.zip/member:line` of the first occurrence.
        detail: One sentence: what is wrong and what to do.
        count: How often it occurs in that file.
    """

    kind: FindingKind
    where: str
    detail: str
    count: int = 1

    @property
    def loses_data(self) -> bool:
        """Whether something of the data set is missing from the documents because of it."""
        return self.kind in _LOSING


class FindingLog:
    """Writes findings to a caller's list: one per kind, file and subject, at most `limit` of them.

    Without a list there is nowhere to say it, so the first finding that loses data is raised as
    `InputError`.
    """

    def __init__(self, findings: list[Finding] | None, limit: int) -> None:
        self._findings = findings
        self._limit = limit
        self._place: dict[tuple[FindingKind, str, str], int] = {}

    def add(
        self,
        kind: FindingKind,
        file: str,
        detail: str,
        *,
        line: int | None = None,
        count: int = 1,
        about: str = "",
    ) -> None:
        """Record a finding, or count it up if the file has one of this kind about this already.

        Args:
            kind: What it is.
            file: The file, or archive and member.
            detail: One sentence; that of the first occurrence is kept.
            line: Line or record of the file, from 1.
            count: How often.
            about: What tells findings of one kind apart: the name of a field, for instance.

        Raises:
            InputError: it loses data, and there is no list.
        """
        finding = Finding(kind, file if line is None else f"{file}:{line}", detail, count)
        if self._findings is None:
            if finding.loses_data:
                raise InputError(f"{finding.where}: {detail}")
            return
        key = (kind, file, about)
        place = self._place.get(key)
        if place is not None:
            seen = self._findings[place]
            self._findings[place] = replace(seen, count=seen.count + count)
        elif len(self._findings) < self._limit:
            self._place[key] = len(self._findings)
            self._findings.append(finding)
        elif (last := self._findings[-1]).kind == "more":
            self._findings[-1] = replace(last, count=last.count + count)
        else:
            detail = "too many findings to list them all; mend those above first"
            self._findings.append(Finding("more", file, detail, count))


def refuse_losses(documents: Iterable[Document], findings: list[Finding]) -> Iterator[Document]:
    """Hand on all documents; then refuse them if reading them lost data.

    Args:
        documents: What `read_documents(…, findings=findings)` returns.
        findings: The same list.

    Raises:
        InputError: after the last document, if a finding loses data.
    """
    yield from documents
    losing = [finding for finding in findings if finding.loses_data]
    if losing:
        first = losing[0]
        count = sum(finding.count for finding in losing)
        raise InputError(
            f"{count} {'findings lose' if count > 1 else 'finding loses'} data, first "
            f"{first.where}: {first.detail}; mend the data, or accept what is lost"
        )
