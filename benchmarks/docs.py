"""Tables in Markdown, and where in `docs/` they go."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def markdown(header: list[str], rows: list[list[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def publish(name: str, text: str, page: str = "impact") -> None:
    """Put what was measured between its two marks in a page of `docs/`."""
    path = ROOT / "docs" / f"{page}.md"
    pattern = rf"(?s)(<!-- measured: {name} -->\n).*?(<!-- /measured -->)"
    before = path.read_text()
    path.write_text(re.sub(pattern, lambda marks: f"{marks[1]}\n{text}\n\n{marks[2]}", before))
