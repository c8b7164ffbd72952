"""Write the real texts of `corpora.py` as files: `python -m benchmarks.impact.texts FOLDER`.

One JSONL file for each provider in `FOLDER/providers`, and `seed.jsonl` and `evaluation.jsonl`
beside them, as `qmia study run` and `qmia impact evaluate` read them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.impact import corpora
from oracles.files import write_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracles.dataset import Document

#: Not offered by providers: the seed corpus has them, or their licence is unclear.
LEFT_OUT = ("manpages", "spam", "ham", "fortunes")


def lines(documents: Sequence[Document]) -> str:
    """Documents as JSONL."""
    return "".join(
        json.dumps({"text": document.text, **document.metadata}) + "\n" for document in documents
    )


def main() -> None:
    """Fetch what is missing, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "qmia")
    options = parser.parse_args()
    drawn = corpora.load(
        options.cache / "corpora",
        provider=48_000,
        seed=30_000,
        evaluation=60_000,
        spread=1.0,
        names=[name for name in corpora.SOURCES if name not in LEFT_OUT],
    )
    (options.folder / "providers").mkdir(parents=True, exist_ok=True)
    write_file(options.folder / "seed.jsonl", lines(drawn.seed))
    write_file(options.folder / "evaluation.jsonl", lines(drawn.evaluation))
    for name, documents in drawn.submissions.items():
        write_file(options.folder / "providers" / f"{name}.jsonl", lines(documents))


if __name__ == "__main__":
    main()
