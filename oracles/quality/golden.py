"""Known scores of the documents that come with the package: does this machine compute alike?"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from oracles.dataset import Document
from oracles.quality.embed import Embedder
from oracles.quality.parameters import QualityParameters
from oracles.quality.score import score

_DATA = resources.files("oracles.quality") / "data"


def documents() -> list[Document]:
    """The golden documents."""
    lines = (_DATA / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    return [Document(**json.loads(line)) for line in lines]


def expected() -> dict[str, dict[str, Any]]:
    """Their known scores, by form of the metrics."""
    loaded: dict[str, dict[str, Any]] = json.loads(
        (_DATA / "golden.json").read_text(encoding="utf-8")
    )
    return loaded


#: The defaults, and every literal form of the paper at once.
FORMS = {
    "default": QualityParameters(),
    "literal": QualityParameters(
        error_factor=50,
        recency_weight=3000,
        diversity="simpson",
        codebook="fitted",
        novelty="cosine",
        clusters=8,
    ),
}


def compute(embedder: Embedder) -> dict[str, dict[str, Any]]:
    """The scores as this machine computes them."""
    texts = documents()
    return {
        name: score(texts, parameters, embedder=embedder).to_json()
        for name, parameters in FORMS.items()
    }


def check(threads: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """Known and computed scores, flat: `form.metric` to value."""
    return _flat(expected()), _flat(compute(Embedder(threads)))


def _flat(forms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        f"{form}.{key}": value
        for form, scores in forms.items()
        for key, value in scores.items()
        if key != "findings"
    }
