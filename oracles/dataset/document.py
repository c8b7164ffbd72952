"""One document: the unit that is hashed, scored and delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """A text and what its provider says about it.

    Attributes:
        text: Unicode text, as submitted (not normalised).
        metadata: JSON-compatible fields: title, date, licence, language, source, …

    Example:
        >>> import qmia
        >>> qmia.Document("The patient slept well.", {"language": "en"}).text
        'The patient slept well.'
    """

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Continuation(Document):
    """The rest of a document that begins on an earlier page, where its metadata are."""
