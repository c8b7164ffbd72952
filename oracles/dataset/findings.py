"""What was wrong with a data set, said once per kind and place, never passed over in silence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from oracles.errors import InputError

FindingKind = Literal[
    "binary",  # not text at all; skipped
    "bomb",  # decompresses to more than its size can honestly hold; reading stopped
    "corrupt",  # a compressed file, archive or Parquet file is damaged; the rest is skipped
    "empty",  # nothing in it; skipped
    "encoding",  # text, but not UTF-8; skipped
    "invalid_text",  # some bytes or escapes are not Unicode; replaced by U+FFFD
    "malformed",  # a JSON line or CSV row does not parse; skipped
    "metadata",  # a metadata value has no JSON form; dropped
    "more",  # further findings, counted but not listed
    "no_text",  # no field of the record is the text; skipped
    "skipped",  # hidden files, links, devices, members with unsafe names
    "split",  # a long plain text was cut into several documents
    "too_deep",  # archives within archives within …; skipped
    "too_large",  # one record is longer than the limit; skipped
    "unreadable",  # the file cannot be opened, or is encrypted; skipped
]


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


class FindingLog:
    """Writes findings to a caller's list: one per kind and file, the list bounded by `limit`.

    Without a list there is nowhere to say it, so the first finding is raised as `InputError`.
    """

    def __init__(self, findings: list[Finding] | None, limit: int) -> None:
        self._findings = findings
        self._limit = limit
        self._place: dict[tuple[FindingKind, str], int] = {}

    def forget(self) -> None:
        """Count nothing up any more: what follows is listed anew."""
        self._place.clear()

    def add(
        self, kind: FindingKind, file: str, detail: str, *, line: int | None = None, count: int = 1
    ) -> None:
        """Record a finding, or count it up if this file has one of the kind already."""
        where = file if line is None else f"{file}:{line}"
        if self._findings is None:
            raise InputError(f"{where}: {detail}")
        place = self._place.get((kind, file))
        if place is None and len(self._findings) >= self._limit:
            last = self._findings[-1]
            if last.kind == "more":
                self._findings[-1] = replace(last, count=last.count + count)
            else:
                detail = "too many findings to list them all; mend those above first"
                self._findings.append(Finding("more", file, detail, count))
        elif place is None:
            self._place[kind, file] = len(self._findings)
            self._findings.append(Finding(kind, where, detail, count))
        else:
            seen = self._findings[place]
            self._findings[place] = replace(seen, count=seen.count + count)
