"""How many tokens left: the server's word where it can be true, else our own count.

A server's `usage` is taken where it is possible for the text that passed: a token is at least one
byte, and rarely more than 32. With a tokenizer of the model the server's number must be within a
tenth of our own. What was aborted has no `usage`, so it is counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from oracles.meter.events import Basis

#: Bytes of text to a token where no tokenizer is known: that of English in common vocabularies.
_BYTES_A_TOKEN: Final = 4
_LONGEST_TOKEN: Final = 32
#: Tokens that templates add, which are in no text that passes here.
_TEMPLATE: Final = 64
_SHARE: Final = 10
#: Fields of a choice, its message or its delta that hold text.
_TEXTS: Final = ("content", "text", "reasoning", "reasoning_content", "refusal")


class Counter(Protocol):
    """Counts the tokens of a text."""

    def __call__(self, text: str) -> int:
        """Number of tokens."""


def estimate(text: str) -> int:
    """Tokens of a text where no tokenizer is known."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def tokenizer(path: Path) -> Counter:
    """The counter of a model's `tokenizer.json`.

    Raises:
        InputError: it cannot be read, or the library is missing.
    """
    from oracles.errors import InputError

    try:
        from tokenizers import Tokenizer

        made = Tokenizer.from_file(str(path))
    except ImportError as error:
        raise InputError("a tokenizer needs one more package: pip install tokenizers") from error
    except Exception as error:
        # The library raises plain exceptions.
        raise InputError(f"cannot read the tokenizer {path}: {error}") from error
    return lambda text: len(made.encode(text, add_special_tokens=False).ids)


@dataclass(slots=True)
class Passed:
    """Text of one request and its answer, as far as it left.

    Attributes:
        asked: text of the request.
        said: parts of the answer that left.
        usage: the server's last word on tokens, if any.
    """

    asked: str
    said: list[str] = field(default_factory=list)
    usage: Any = None

    def tokens(self, count: Counter | None) -> tuple[int, int, Basis]:
        """Tokens in and out, and whose count it is."""
        asked, answer = _whole(self.asked), _whole("".join(self.said))
        own = count or estimate
        ours = (own(asked), own(answer))
        theirs = _usage(self.usage)
        if theirs is None:
            return (*ours, "counted")
        texts = (asked, answer)
        possible = all(
            _possible(t, o, len(text.encode()), exact=count is not None)
            for t, o, text in zip(theirs, ours, texts, strict=True)
        )
        return (*theirs, "usage") if possible else (*ours, "counted")


def _whole(text: str) -> str:
    """A text without halves of characters, which JSON can hold and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode()


def _usage(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, dict):
        return None
    tokens_in, tokens_out = value.get("prompt_tokens"), value.get("completion_tokens", 0)
    if type(tokens_in) is int and type(tokens_out) is int and min(tokens_in, tokens_out) >= 0:
        return tokens_in, tokens_out
    return None


def _possible(theirs: int, ours: int, size: int, *, exact: bool) -> bool:
    if exact:
        return abs(theirs - ours) <= ours // _SHARE + _TEMPLATE
    return size // _LONGEST_TOKEN <= theirs <= size + _TEMPLATE


def asked(body: Any) -> str:
    """Text of a request: prompt, input, or all messages."""
    parts: list[str] = []
    _texts(body.get("messages"), parts)
    for name in ("prompt", "input", "instructions"):
        _texts(body.get(name), parts)
    if tools := body.get("tools"):
        parts.append(json.dumps(tools))
    return "\n".join(parts)


def _texts(value: Any, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(value)
    elif isinstance(value, list):
        for each in value:
            _texts(each, parts)
    elif isinstance(value, dict):
        for name in _TEXTS:
            _texts(value.get(name), parts)


def said(answer: Any) -> str:
    """Text of an answer, or of one piece of a stream: of all its choices."""
    parts: list[str] = []
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if not isinstance(choice, dict):
            continue
        for place in (choice, choice.get("delta"), choice.get("message")):
            if isinstance(place, dict):
                parts += [text for name in _TEXTS if isinstance(text := place.get(name), str)]
                if calls := place.get("tool_calls"):
                    parts.append(json.dumps(calls))
    return "".join(parts)
