"""Data sets: documents, content digests, encrypted archives and the keys to them."""

from oracles.dataset.document import Document

__all__ = ["Document"]
