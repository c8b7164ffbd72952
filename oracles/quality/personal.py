"""Personal data that can be told by its form and check digits: reported, never part of a score.

Telephone numbers are what `phonenumbers` (Google's libphonenumber) calls valid, account and card
numbers what `python-stdnum` finds the check digits right of. Names, addresses and dates of birth
need a reader and are not found. Numbers, addresses of mail and of pages have no letters that count,
so none of this is part of the volume.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: Final = ("mail_addresses", "telephone_numbers", "account_numbers", "card_numbers")

_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")
_ACCOUNT = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{2,4}){3,9}(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\d.,-])\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}(?![\d.,-])")
#: Where a telephone number could be: a stretch with eight digits in groups.
_NUMBER = re.compile(r"\+?\(?\d[\d ()/.-]{6,22}\d")
#: Countries that a number without its country's prefix is looked for in; `None` is any, with it.
_REGIONS: Final = (None, "US", "GB", "DE", "FR")
#: Characters around a candidate, which tell a number from a part of something else.
_AROUND = 12
#: Candidates that are looked at in one text.
_MOST = 2000


@lru_cache(1 << 14)
def _is_telephone(around: str) -> bool:
    import phonenumbers as library

    return any(
        library.PhoneNumberMatcher(around, region, library.Leniency.STRICT_GROUPING).has_next()
        for region in _REGIONS
    )


def count(text: str) -> dict[str, int]:
    """Items of personal data in a text, by kind; kinds that do not occur are left out."""
    from stdnum import iban, luhn

    found: Counter[str] = Counter()
    if "@" in text:
        found["mail_addresses"] = len(_MAIL.findall(text))
    for match in _first(_ACCOUNT, text):
        found["account_numbers"] += bool(iban.is_valid(match[0]))
    for match in _first(_CARD, text):
        digits = re.sub(r"\D", "", match[0])
        right = 13 <= len(digits) <= 19 and digits[0] in "3456" and luhn.is_valid(digits)
        found["card_numbers"] += bool(right)
    for match in _first(_NUMBER, text):
        around = text[max(0, match.start() - _AROUND) : match.end() + _AROUND]
        found["telephone_numbers"] += _is_telephone(around)
    return dict(+found)


def _first(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The first matches of a pattern."""
    return islice(pattern.finditer(text), _MOST)
