"""Text of strangers as it may be shown: nothing in it moves a cursor, renames a window or hides."""

from __future__ import annotations

import re
from typing import Final

#: Control characters but line ends and tabs, and marks that turn the direction of what follows
#: (Unicode standard annex 9): a terminal obeys them.
OBEYED: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    r"""The text with what a terminal would obey written as an escape, as `\x1b` or `\u202e`."""
    return OBEYED.sub(lambda match: ascii(match[0])[1:-1], text)
