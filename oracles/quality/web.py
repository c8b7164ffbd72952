"""How much of the web is in each language: what counts as under-served.

Source: W3Techs, "Usage statistics of content languages for websites", November 2025, rounded to
0.01 % and cut at 0.1 %. A language that is not listed has less.
"""

from __future__ import annotations

from typing import Final

#: ISO 639 code to share of websites, in 1e-4.
SHARES: Final = {
    "en": 4920, "es": 600, "de": 590, "ja": 500, "fr": 450, "pt": 410, "ru": 380, "it": 280,
    "nl": 220, "pl": 180, "tr": 170, "fa": 120, "zh": 110, "vi": 110, "id": 110, "cs": 100,
    "ko": 80, "uk": 60, "ar": 60, "hu": 60, "sv": 50, "ro": 50, "el": 50, "da": 40, "he": 40,
    "fi": 40, "sk": 40, "th": 40, "bg": 30, "hr": 20, "sr": 20, "no": 20, "lt": 20, "sl": 10,
    "ca": 10, "et": 10, "lv": 10, "hi": 10,
}  # fmt: skip
_ALIAS = {"zh-Hant": "zh", "nb": "no", "nn": "no", "iw": "he"}


def share(language: str) -> int:
    """Share of the web, in 1e-4, that is in a detected language; 0 where it is not listed."""
    return SHARES.get(_ALIAS.get(language, language), 0)
