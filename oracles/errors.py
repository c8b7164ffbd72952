"""The one exception tree of the project.

    QmiaError            anything that a user can mend; printed as one sentence, exit code 2
    ├── InputError       a file, argument or data set is not what it should be
    ├── ConfigError      settings are missing or contradict each other
    ├── ChainError       a transaction or contract said no
    │   ├── Reverted     a contract refuses a call, with the error that it names
    │   ├── Interrupted  Ctrl-C while a transaction was on its way; exit code 130
    │   └── NodeError    a node is silent, refuses, or answers nonsense; it may pass by itself
    │       └── GapError what a node gave is less than what the contracts hold
    └── IntegrityError   bytes do not match what was committed (digest, signature, key)

Packages may derive their own errors from these. A message says what is wrong and what to do.
"""

from __future__ import annotations

from typing import Any


class QmiaError(Exception):
    """Base of every error that is meant to be read by a user.

    Example:
        >>> import qmia
        >>> try:
        ...     list(qmia.read_documents("nothing-here.jsonl"))
        ... except qmia.QmiaError as error:
        ...     print(error)
        nothing-here.jsonl does not exist
    """

    exit_code = 2


class InputError(QmiaError):
    """A file, argument or data set is not what it should be."""


class ConfigError(QmiaError):
    """Settings are missing or contradict each other."""


class ChainError(QmiaError):
    """A node, a transaction or a contract refused."""


class Reverted(ChainError):  # noqa: N818 - what happened, not what is wrong with it
    """A contract refuses a call.

    Args:
        call: function that was called.
        error: name of the contract's error; `Error` and `Panic` are Solidity's own, and an empty
            name means that nothing was said.
        arguments: by name, as decoded from the ABI.
    """

    def __init__(self, call: str, error: str, arguments: dict[str, Any]) -> None:
        self.call, self.error, self.arguments = call, error, arguments
        super().__init__(f"{call} would revert: {self.reason}")

    @property
    def reason(self) -> str:
        """The error with its arguments, without the name of the call."""
        if not self.error:
            return "no reason is given"
        if self.error == "Error":
            return str(self.arguments["message"])
        named = ", ".join(f"{name}={_shown(value)}" for name, value in self.arguments.items())
        return f"{self.error}({named})"


class Interrupted(ChainError):  # noqa: N818 - what happened, not what is wrong with it
    """Whoever runs a command ended it while its transaction was on its way."""

    exit_code = 130


class NodeError(ChainError):
    """A node is silent, refuses, or contradicts itself; another try may succeed.

    Args:
        message: what happened.
        code: of the JSON-RPC error, or HTTP status, where there was one.
        final: the node read the request and says no, so asking again will not help.
    """

    def __init__(self, message: str, code: int | None = None, *, final: bool = False) -> None:
        super().__init__(message)
        self.code, self.final = code, final


class GapError(NodeError):
    """What a node gave has a gap: less than what the contracts hold, or out of its order."""


class IntegrityError(QmiaError):
    """Bytes do not match what was committed to: a digest, a signature or a key is wrong."""


def reason(error: Exception) -> str:
    """What an error of Python says of a file that is not what it should be, in words."""
    match error:
        case KeyError(args=(name,)):
            return f"it has no {name!r}"
        case _ if str(error):
            return str(error)
        case _:
            return type(error).__name__


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        # Solidity's short texts are bytes32, filled up with zeros.
        text = value.rstrip(b"\0")
        return text.decode() if text and text.isascii() and text[0] > 32 else "0x" + value.hex()
    return str(value)
