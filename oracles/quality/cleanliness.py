"""Cleanliness: 1 − min(1, k · error rate), paper §7.3 and Appendix C.

Errors are counted by kind, per document, in integers; the rate is taken over the whole set. The
default rate is errors per character: with the paper's errors per word and k = 50, one unknown
word in fifty already gives 0, and clean text scores 0 (docs/quality.md has the figures).

A word is checked only where the language of the text was detected and its words are known here,
and only if it is no name, acronym, number or part of code. In English an unknown word is an error.
In other languages, whose lists here cannot hold every inflection, it must also contain a letter
trigram that the language does not have. Languages without a list are judged by their characters:
which ones there are, and whether they follow each other as in a language (`chance`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice, pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from oracles.quality import chance
from oracles.quality import text as texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS: Final = (
    "broken_words",
    "word_order",
    "random_characters",
    "ocr",
    "mojibake",
    "nonstandard",
    "stop_words",
    "repetition",
    "boilerplate",
    "markup",
)
Per = Literal["character", "word"]

# Controls, replacement and private-use characters, lone surrogates, soft hyphens. Joiners stay:
# Persian, Hindi and emoji need them. Zero-width spaces, which Khmer needs, count in Latin text.
_NONSTANDARD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u2060\u2028\u2029\ufeff\ufff0-\uffff"
    "\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]|(?<=[A-Za-z ])\u200b"
)
_OCR = re.compile(
    r"[ﬀ-ﬆ]"  # ligatures left by a PDF
    r"|\b[a-zA-Z]+[\u0400-\u04ff]+\w*|\b[\u0400-\u04ff]+[a-zA-Z]+\w*"  # two alphabets in one word
)
# What only an orthography without tone digits and click letters can call an artefact.
_OCR_LATIN = re.compile(
    r"\b[a-z]+[01356]+[a-z]{2,}\b|\b[a-z]{2,}[01356][a-z]+\b"  # digits for letters
    r"|(?<=[a-z]{2})[~^|\\*#$%!?;:¦§¬»«°]+[a-z]{2,}"  # specks inside words
)
_DIGIT_INSIDE = re.compile(r"(?<=[^\W\d_A-Z])\d+(?=[^\W\d_A-Z])")
_MARKUP = re.compile(
    r"</?(?:a|b|i|p|u|br|hr|em|li|ol|td|th|tr|ul|div|img|pre|sub|sup|body|code|font|form|head|html"
    r"|link|meta|span|input|style|table|tbody|script|strong|center|blockquote|h[1-6])(?:\s[^<>]{0,2000})?/?>"
    r"|&(?:nbsp|amp|lt|gt|quot|apos|mdash|ndash|rsquo|lsquo|ldquo|rdquo|hellip|copy|#\d+|#x[\da-f]+);"
    r"|\[\[|\]\]|\{\{|\}\}|\[/?(?:b|i|url|img|quote)\b[^\]]{0,200}\]|<!--|-->|<!\[CDATA\[|<\?xml|<!DOCTYPE",
    re.IGNORECASE,
)
_BOILERPLATE = re.compile(
    r"all rights reserved|terms (?:of (?:use|service)|and conditions) appl|privacy policy"
    r"|(?:we|this (?:web)?site) uses? cookies|accept (?:all )?cookies|cookie (?:policy|settings)"
    r"|click (?:here|below)|read more\b|sign up (?:now|for|to)|subscribe (?:to|now)|log ?in to"
    r"|share (?:this|on)|follow us on|(?:enable|requires?) javascript|skip to (?:main )?content"
    r"|lorem ipsum|powered by|unsubscribe|back to top|add to cart|page \d+ of \d+"
    r"|this (?:e-?mail|message) (?:is|may be) confidential|do not reply to this",
    re.IGNORECASE,
)
_NOT_PROSE = re.compile(  # addresses, quoted code, paths and dotted names
    r"https?://\S+|www\.\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,253}|`[^`\n]{0,200}`"
    r"|(?<![\w-])[\w-]{0,64}[_/\\.][\w/\\._-]{0,253}\w"
)
#: Stands for what was taken out: a letter that is no word, so that its neighbours do not look like
#: neighbours of each other.
_GAP = " ʘ "
# Longer than any word of scripts that put spaces between words, which were lost here.
_GLUED = re.compile(r"[A-Za-zÀ-ɏͰ-ϿЀ-ӿ]{46,}")
_GLUED_WORD = 5
_LINE_BREAK = re.compile(r"([^\W\d_]{2,})-[ \t]*\n[ \t]*([^\W\d_]{2,})")
_CAPITAL_INSIDE = re.compile(r"[a-z][A-Z]")
_CLOSING = ".,;:!?)\"'”’"
_STOP = re.compile(r"[.!?…]+\s")
_LETTER_RUN = re.compile(r"([^\W\d_])\1{4,}")

#: Share of stop words above which they are padding; running English has 0.40 to 0.50.
_STOP_SHARE = Fraction(65, 100)
#: Share of repeated word 5-grams that verse, law and refrains reach.
_REPEAT_SHARE = Fraction(30, 100)
_GRAM = 5
_STOP_WORDS = 120
#: Words of the frequency list, from the top, whose letter trigrams are taken for the language's.
_COMMON_WORDS = 30_000
#: Words in a row without a stop word or a mark that running text has.
_LONGEST_RUN = 12
#: Shares that clean text reaches: words of two that make another one ("any one"), and common words
#: with a capital inside ("JavaScript"); other such words are identifiers.
_SPLIT_SHARE, _CAPITAL_SHARE = Fraction(1, 100), Fraction(3, 100)
#: Below this many words shares mean nothing.
_FEW_WORDS = 20
#: Digits between small letters, by words, that shorthand ("q6h") and tone digits reach.
_DIGITS_INSIDE_SHARE = Fraction(5, 100)
#: Scripts without spaces are compared in runs of characters instead.
_UNSPACED_GRAM = 16
#: A text with more unknown words than this is either damaged or another variety (Scots, Pidgin,
#: Asturian). Vocabulary recurs and damage hardly does, so it is a variety if enough of its unknown
#: words recur or look like the language; figures in docs/quality.md.
_VARIETY_SHARE = Fraction(8, 100)
_RECURRING_SHARE = Fraction(2, 5)
_PLAUSIBLE_SHARE = Fraction(1, 3)
_SURELY_PLAUSIBLE_SHARE = Fraction(85, 100)
#: Recurrence grows with length; this many unknown words are looked at.
_RECURRENCE_WINDOW = 1000
#: A paragraph with more unknown words than this may be a quotation in another language.
_QUOTATION_SHARE = Fraction(1, 3)
#: Words rarer than 1e-7 do not count as known: misspellings are among them. In hundredths of a
#: power of ten, as the frequency lists have it.
_RAREST = 700
#: Language codes of the detector that the frequency lists name otherwise.
_ALIAS = {"no": "nb"}
#: Longer runs of letters are no words, and take a dictionary long.
_LONGEST_WORD = 45
#: Latin words in these are names and terms.
_NOT_LATIN = frozenset({"bg", "el", "mk", "ru", "uk"})
#: Compared without accents, which polytonic, monotonic and capital spelling set differently.
_ACCENTLESS = frozenset({"el"})
#: Written without spaces or without vowels: letter trigrams mean little.
_NO_TRIGRAMS = frozenset({"ar", "bn", "fa", "he", "hi", "ja", "ko", "ta", "th", "ur", "zh"})


class Counts(NamedTuple):
    """Errors of one document, or of a set: characters and words read, and errors by kind."""

    characters: int
    words: int
    errors: Mapping[str, int]

    @property
    def total(self) -> int:
        """Errors of all kinds."""
        return sum(self.errors.values())


def cleanliness(counts: Counts, k: int = 50, per: Per = "character") -> Fraction:
    """Appendix C: 1 − min(1, k · errors / size), exactly; an empty text is not clean but 0."""
    size = counts.characters if per == "character" else counts.words
    if size == 0:
        return Fraction(0)
    return 1 - min(Fraction(1), Fraction(k * counts.total, size))


class Lexicon(NamedTuple):
    """Words of a language, common and most frequent ones, and the letter trigrams that occur."""

    known: frozenset[str]
    common: frozenset[str]
    stop: frozenset[str]
    trigrams: frozenset[str]

    def plausible(self, word: str) -> bool:
        """Whether every letter trigram of a word occurs in the language."""
        return all(gram in self.trigrams for gram in _trigrams(word))


def _trigrams(word: str) -> list[str]:
    padded = f"^{word}$"
    return [padded[i : i + 3] for i in range(len(padded) - 2)]


@lru_cache(maxsize=32)
def lexicon(language: str) -> Lexicon | None:
    """The lexicon of a language, from its word-frequency list; `None` where there is none."""
    import wordfreq

    language = _ALIAS.get(language, language)
    if language in _NO_TRIGRAMS or language not in wordfreq.available_languages("best"):
        return None
    # Words come in classes of equal frequency, 10^(-n/100) for the n-th class.
    classes = wordfreq.get_frequency_list(language, wordlist="best")[: _RAREST + 1]
    if language in _ACCENTLESS:
        classes = [[_without_accents(word) for word in words] for words in classes]
    words = list(islice((w for words in classes for w in words if w.isalpha()), _COMMON_WORDS))
    seen = Counter(gram for word in words for gram in _trigrams(word))
    return Lexicon(
        frozenset(chain.from_iterable(classes)),
        frozenset(words),
        frozenset(words[:_STOP_WORDS]),
        frozenset(gram for gram, times in seen.items() if times > 1),
    )


def _without_accents(word: str) -> str:
    parts = unicodedata.normalize("NFD", word)
    return "".join(part for part in parts if not unicodedata.combining(part))


@lru_cache(maxsize=1)
def _speller() -> Any:
    from hunspell import Hunspell

    return Hunspell("en_US")


@lru_cache(maxsize=1 << 18)
def is_known(word: str, language: str) -> bool:
    """Whether a case-folded word is in a language's list or, for English, in its dictionary."""
    words = lexicon(language)
    if words is None:
        return True
    if language != "en":
        return word in words.known
    if len(word) > _LONGEST_WORD:
        return False
    word = word.replace("’", "'")
    stem = word.removesuffix("'s").removesuffix("'")
    if word in words.known or stem in words.known:
        return True
    if not stem.isascii():
        return False  # the dictionary has no such word
    spell = _speller().spell
    return bool(spell(stem) or spell(stem.capitalize()))


def _checked(text: str, language: str) -> list[str]:
    """Words that a lexicon may judge, case folded: no names, acronyms or initials."""
    found = texts.WORD.findall(text)
    if language != "en":  # elsewhere an apostrophe joins two words
        found = [part for word in found for part in re.split("['’]", word)]
    if language in _NOT_LATIN:
        found = [word for word in found if not word.isascii()]
    if language in _ACCENTLESS:
        found = [_without_accents(word) for word in found]
    return [
        word.casefold()
        for word in found
        if len(word) > 2 and (word.islower() or (word.isupper() and len(word) > 5))
    ]


def count(text: str, language: str, unlikely_pairs: frozenset[tuple[str, str]]) -> Counts:
    """Count the errors of one normalised text.

    Args:
        text: See `text.normalise`.
        language: See `text.language`.
        unlikely_pairs: Pairs of frequent words that do not follow each other (see `reference`).
    """
    from ftfy.badness import BADNESS_RE

    errors = dict.fromkeys(KINDS, 0)
    errors["random_characters"] = chance.errors(
        chance.readable(text), recognised=language != texts.UNKNOWN
    )
    errors["nonstandard"] = len(_NONSTANDARD.findall(text))
    body = _NONSTANDARD.sub(_GAP, text) if errors["nonstandard"] else text
    body = texts.prose(body)
    errors["markup"] = len(_MARKUP.findall(body))
    body = _MARKUP.sub(_GAP, body)
    if not body.isascii():
        errors["mojibake"] = len(BADNESS_RE.findall(body))
        body = BADNESS_RE.sub(_GAP, body)
    errors["boilerplate"] = len(_BOILERPLATE.findall(body))
    errors["broken_words"] = sum(len(run) // _GLUED_WORD for run in _GLUED.findall(body))
    body = _NOT_PROSE.sub(_GAP, body)
    if texts.unspaced(body):
        errors["repetition"] = _repeated("".join(body.split()), _UNSPACED_GRAM)
        return _counts(text, errors)

    errors["ocr"] = len(_OCR.findall(body))
    body = _OCR.sub(_GAP, body)
    words = lexicon(language)
    if words is not None:
        errors["ocr"] += len(_OCR_LATIN.findall(body))
        body = _OCR_LATIN.sub(_GAP, body)
        body, hyphens = _without_hyphenation(body, language)
        errors["ocr"] += hyphens
    elif language == texts.UNKNOWN:
        inside = len(_DIGIT_INSIDE.findall(body))
        errors["ocr"] += inside if inside > _DIGITS_INSIDE_SHARE * len(body.split()) else 0
    errors["repetition"] = _repeated(body.casefold().split(), _GRAM)
    errors["repetition"] += len(_LETTER_RUN.findall(body))
    found = texts.WORD.findall(_STOP.sub(_GAP, body))
    if words is not None:
        errors["broken_words"] += _broken(body, language, words)
        errors["stop_words"] = _stop_excess([word.casefold() for word in found], words)
        capitals = sum(
            _CAPITAL_INSIDE.search(word) is not None and word.casefold() in words.common
            for word in found
        )
        errors["broken_words"] += max(0, int(capitals - _CAPITAL_SHARE * len(found)))
    if words is not None and language == "en":
        running = [w if w.isupper() else w.casefold() for w in found]  # WHO is not "who"
        errors["word_order"] = sum(pair in unlikely_pairs for pair in pairwise(running))
        errors["word_order"] += _salad(body, words)
        errors["broken_words"] += _split(body.split(), words)
    return _counts(text, errors)


def _counts(text: str, errors: Mapping[str, int]) -> Counts:
    words = text.split()
    return Counts(sum(map(len, words)) + max(0, len(words) - 1), len(words), errors)


def _broken(body: str, language: str, words: Lexicon) -> int:
    """Unknown words of a text, without those of quotations and of close varieties."""
    checked, unknown = 0, list[str]()
    for paragraph in body.split("\n"):
        candidates = _checked(paragraph, language)
        missing = [word for word in candidates if not is_known(word, language)]
        if len(missing) > _QUOTATION_SHARE * len(candidates) and texts.language(paragraph) not in (
            language,
            texts.UNKNOWN,
        ):
            continue
        checked += len(candidates)
        unknown += missing
    implausible = sum(not words.plausible(word) for word in unknown)
    if len(unknown) > _VARIETY_SHARE * checked:
        window = unknown[:_RECURRENCE_WINDOW]
        recurring = sum(times for times in Counter(window).values() if times > 1)
        plausible = len(unknown) - implausible
        if plausible >= _SURELY_PLAUSIBLE_SHARE * len(unknown) or (
            plausible >= _PLAUSIBLE_SHARE * len(unknown)
            and recurring >= _RECURRING_SHARE * len(window)
        ):
            return 0
    return len(unknown) if language == "en" else implausible


def _repeated(units: Sequence[str], size: int) -> int:
    """Repeated n-grams beyond the share that ordinary text has."""
    grams = len(units) - size + 1
    if grams < _FEW_WORDS:
        return 0
    distinct = len(set(zip(*(units[i:] for i in range(size)), strict=False)))
    return max(0, int(grams - distinct - _REPEAT_SHARE * grams))


def _salad(body: str, words: Lexicon) -> int:
    """Words of runs without any stop word, mark, capital or digit: no sentence has long ones."""
    errors = run = 0
    for token in body.split():
        run = run + 1 if token.isalpha() and token.islower() and token not in words.stop else 0
        errors += run > _LONGEST_RUN
    return errors


def _without_hyphenation(body: str, language: str) -> tuple[str, int]:
    """A text whose words go on across lines without hyphens, and how many did not."""
    joined = 0

    def join(match: re.Match[str]) -> str:
        nonlocal joined
        if not is_known((match[1] + match[2]).casefold(), language):
            return match[0]  # a compound: well-known
        joined += 1
        return match[1] + match[2]

    return _LINE_BREAK.sub(join, body), joined


def _split(tokens: Sequence[str], words: Lexicon) -> int:
    """Neighbours that make a common word together, beyond the share that running text has."""
    errors = 0
    for first, second in pairwise(tokens):
        start, end = first.casefold(), second.rstrip(_CLOSING)
        if start + end in words.common and end.islower():
            errors += not words.stop.issuperset((start, end))
    return max(0, int(errors - _SPLIT_SHARE * len(tokens)))


def _stop_excess(lower: list[str], words: Lexicon) -> int:
    """Stop words beyond the share that running text has."""
    if len(lower) < _FEW_WORDS:
        return 0
    return max(0, int(sum(word in words.stop for word in lower) - _STOP_SHARE * len(lower)))


def total(counts: list[Counts]) -> Counts:
    """Sum of several counts."""
    errors: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
    for item in counts:
        errors.update(item.errors)
    return Counts(sum(c.characters for c in counts), sum(c.words for c in counts), dict(errors))
