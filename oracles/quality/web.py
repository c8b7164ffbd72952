"""How much of the web is in each language: what counts as under-served.

Source: Common Crawl, statistics of the crawl CC-MAIN-2025-26 (June 2025, 2,386 million pages), file
`plots/languages.csv` of github.com/commoncrawl/cc-crawl-statistics: share of pages by primary
language, which Common Crawl detects with CLD2, as this package does. Rounded to 0.01 %; a language
with less than 0.1 % is not listed.
"""

from __future__ import annotations

from typing import Final

#: Share, in 1e-4, below which a language is not listed.
LEAST: Final = 10
#: ISO 639 code to share of pages, in 1e-4.
SHARES: Final = {
    "en": 4527, "ru": 598, "de": 553, "zh": 535, "ja": 502, "es": 421, "fr": 412, "pt": 220,
    "it": 219, "nl": 174, "pl": 171, "tr": 112, "cs": 101, "vi": 100, "id": 99, "ko": 76,
    "ar": 68, "uk": 67, "sv": 61, "fa": 52, "el": 50, "ro": 50, "hu": 48, "da": 43, "sk": 38,
    "th": 38, "fi": 33, "no": 31, "bg": 26, "he": 23, "sr": 21, "hi": 21, "hr": 20, "ca": 18,
    "lt": 17, "et": 13, "sl": 13, "bn": 11,
}  # fmt: skip
_ALIAS = {"zh-Hant": "zh", "nb": "no", "nn": "no", "iw": "he"}


def share(language: str) -> int:
    """Share of the web, in 1e-4, that is in a detected language; 0 where it is not listed."""
    return SHARES.get(_ALIAS.get(language, language), 0)
