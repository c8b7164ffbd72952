from __future__ import annotations

import json
from importlib import resources

import pytest

from oracles.dataset import Document
from oracles.quality.damage import CachedEmbedder
from oracles.quality.embed import Embedder

GOOD_METADATA = {
    "title": "Annual report",
    "date": "2025-03-01",
    "license": "CC-BY-4.0",
    "language": "en",
    "source": "https://data.europa.eu/report",
}


@pytest.fixture(scope="session")
def embedder() -> CachedEmbedder:
    return CachedEmbedder(Embedder(threads=1))


@pytest.fixture(scope="session")
def golden_documents() -> list[Document]:
    lines = (resources.files("oracles.quality") / "data" / "golden.jsonl").read_text("utf-8")
    return [Document(**json.loads(line)) for line in lines.splitlines()]
