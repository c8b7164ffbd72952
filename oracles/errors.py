"""The one exception tree of the project.

    QmiaError            anything that a user can mend; printed as one sentence, exit code 2
    ├── InputError       a file, argument or data set is not what it should be
    ├── ConfigError      settings are missing or contradict each other
    ├── ChainError       a node, transaction or contract said no
    └── IntegrityError   bytes do not match what was committed (digest, signature, key)

Packages may derive their own errors from these. A message says what is wrong and what to do.
"""


class QmiaError(Exception):
    """Base of every error that is meant to be read by a user."""

    exit_code = 2


class InputError(QmiaError):
    """A file, argument or data set is not what it should be."""


class ConfigError(QmiaError):
    """Settings are missing or contradict each other."""


class ChainError(QmiaError):
    """A node, a transaction or a contract refused."""


class IntegrityError(QmiaError):
    """Bytes do not match what was committed to: a digest, a signature or a key is wrong."""
