"""Data sets: documents, content digests, encrypted archives and the keys to them."""

from oracles.dataset.document import Document
from oracles.dataset.findings import Finding, FindingKind
from oracles.dataset.read import TEXT_FIELDS, Limits, read_documents

__all__ = ["TEXT_FIELDS", "Document", "Finding", "FindingKind", "Limits", "read_documents"]
