"""How many tokens left: the server's word where it can be true, else our own count.

A server's `usage` is taken where it is possible for the text that passed: a token is at least one
byte, and rarely more than 32. With a tokenizer of the model the server's number must be within a
tenth of our own. Of the request it may say up to what all of it would be, because a template can
use any part, and pictures are in no text. What was aborted has no `usage`, so it is counted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from oracles.meter.events import Basis

#: Bytes of text to a token where no tokenizer is known: that of English in common vocabularies.
_BYTES_A_TOKEN: Final = 4
_LONGEST_TOKEN: Final = 32
#: Tokens that templates add, which are in no text that passes here.
_TEMPLATE: Final = 64
_SHARE: Final = 10
#: Tokens by which a short text may be cut otherwise than by our tokenizer.
_OTHERWISE: Final = 4
#: Fields of a choice, its message or its delta that hold text.
_TEXTS: Final = ("content", "text", "thinking", "reasoning", "reasoning_content", "refusal")


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


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as far as tokens are counted of it.

    Attributes:
        text: of prompt, input or messages, of tools, and of what they were called with.
        ids: tokens of the prompt that are given as numbers.
        whole: the request itself.
        echoed: prompts that the answer repeats, which is no answer.
    """

    text: str
    ids: int = 0
    whole: str = ""
    echoed: tuple[str, ...] = ()


@dataclass(slots=True)
class Passed:
    """Text of one request and its answer, as far as it left.

    Attributes:
        asked: the request.
        said: parts of the answer that left.
        usage: the server's last word on tokens, if any.
    """

    asked: Asked
    said: list[str] = field(default_factory=list)
    usage: Any = None

    def tokens(self, count: Counter | None) -> tuple[int, int, Basis]:
        """Tokens in and out, and whose count it is."""
        own, asked = count or estimate, self.asked
        question, answer = _whole(asked.text), "".join(self.said)
        for prompt in asked.echoed:
            answer = answer.replace(prompt, "")
        answer = _whole(answer)
        ours = (own(question) + asked.ids, own(answer))
        theirs = _usage(self.usage)
        if theirs is None:
            return (*ours, "counted")
        if count is None:
            least = _fewest(question) + asked.ids
            most = max(len(_whole(asked.whole).encode()), len(question.encode())) + _TEMPLATE
            possible = (
                least <= theirs[0] <= most
                and _fewest(answer) <= theirs[1] <= len(answer.encode()) + _TEMPLATE
            )
        else:
            possible = _near(theirs[1], ours[1]) and (
                _near(theirs[0], ours[0])
                # Looked at last: it is long.
                or ours[0] < theirs[0] <= _most(own(_whole(asked.whole)) + asked.ids)
            )
        return (*theirs, "usage") if possible else (*ours, "counted")


def _most(tokens: int) -> int:
    return tokens + tokens // _SHARE + _TEMPLATE


def _near(theirs: int, ours: int) -> bool:
    # Templates only add. A text may be cut into tokens in more than one way, but never into none.
    least = max(min(ours, 1), ours - ours // _SHARE - _OTHERWISE)
    return least <= theirs <= ours + ours // _SHARE + _TEMPLATE


def _fewest(text: str) -> int:
    """Tokens that a text has at least, whatever the tokenizer."""
    return -(-len(text.encode()) // _LONGEST_TOKEN)


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


def asked(body: Mapping[str, Any]) -> Asked:
    """What of a request is counted."""
    parts: list[str] = []
    _texts(body.get("messages"), parts)
    ids = 0
    for name in ("prompt", "input", "instructions"):
        _texts(body.get(name), parts)
        ids += _numbers(body.get(name))
    tools = (body.get(name) for name in ("tools", "functions"))
    parts += [json.dumps(each) for each in tools if each]
    echoed: list[str] = []
    if body.get("echo"):
        _texts(body.get("prompt"), echoed)
    whole = json.dumps(body, ensure_ascii=False)
    return Asked("\n".join(parts), ids, whole, tuple(filter(None, echoed)))


def _texts(value: Any, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(value)
    elif isinstance(value, list):
        for each in value:
            _texts(each, parts)
    elif isinstance(value, dict):
        for name in _TEXTS:
            _texts(value.get(name), parts)
        parts += _calls(value)


def _numbers(value: Any) -> int:
    """Numbers in a list, or in lists in it: tokens by their place in the vocabulary."""
    if not isinstance(value, list):
        return 0
    return sum(_numbers(each) if isinstance(each, list) else type(each) is int for each in value)


def _calls(place: Mapping[str, Any]) -> list[str]:
    """Names and arguments of the tools that a message, or a piece of one, calls.

    Only these are written by the model. What stands around them in each piece of a stream is many
    times as long.
    """
    found = place.get("tool_calls")
    calls = [call for call in found if isinstance(call, dict)] if isinstance(found, list) else []
    called = [call.get(kind) for call in calls for kind in ("function", "custom")]
    return [
        text
        for each in (*called, place.get("function_call"))
        if isinstance(each, dict)
        for name in ("name", "arguments", "input")
        if isinstance(text := each.get(name), str)
    ]


def said(answer: Any) -> str:
    """Text of an answer, or of one piece of a stream: of all its choices."""
    parts: list[str] = []
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if not isinstance(choice, dict):
            continue
        for place in (choice, choice.get("delta"), choice.get("message")):
            if isinstance(place, dict):
                _texts(place, parts)
    return "".join(parts)
