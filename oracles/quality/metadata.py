"""Metadata: the share of required fields that hold something valid, paper §7.3 and Appendix C.

Valid is more than filled in: dates exist and are not in the future, licences are SPDX expressions,
language tags are BCP 47 and agree with the text, sources are absolute URIs, and placeholders are
nothing. A data-set card (MLCommons Croissant) may state licence, language and source once for all
documents.
"""

from __future__ import annotations

import datetime
import json
import re
from functools import lru_cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from oracles.errors import InputError
from oracles.quality import texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: Names under which a field is also found.
ALIASES = {
    "license": ("licence", "rights", "license_id"),
    "language": ("lang", "inLanguage"),
    "source": ("url", "uri", "source_url"),
    "date": ("published", "datePublished", "created", "timestamp"),
    "title": ("name", "headline"),
    "author": ("creator", "authors"),
}
#: Formats of the schema, and the field whose rule each one is.
_FORMATS = {
    "name": "title",
    "day": "date",
    "spdx": "license",
    "bcp47": "language",
    "source": "source",
}
#: What a valid field holds, in words.
MEANT: Final = {
    "title": "words, no placeholder",
    "date": "a day as in 2024-05-31, not in the future",
    "license": "an SPDX expression, as CC-BY-4.0",
    "language": "a BCP 47 tag that agrees with the text, as en-GB",
    "source": "a URL or another absolute URI, as https://host/page",
    "author": "words, no placeholder",
}
#: Fields that a card may state for every document.
INHERITED = ("license", "language", "source")
_PLACEHOLDER = re.compile(
    r"(?:n/?a|none|null|nil|unknown|untitled|undefined|tbd|todo|test|title|author|string|foo|bar|x+|\W*)",
    re.IGNORECASE,
)
_SCHEMES = frozenset(
    {"http", "https", "ftp", "ipfs", "urn", "doi", "ark", "file", "git", "s3", "gs"}
)
_RESERVED_HOSTS = re.compile(r"(?:^|\.)(?:example(?:\.(?:com|org|net))?|invalid|test|localhost)$")
_HOST = re.compile(
    r"(?=.{1,253}$)(?:[\w](?:[\w-]{0,61}[\w])?\.)+[\w-]{2,63}|\[[\da-f:.]+\]", re.IGNORECASE
)
_EARLIEST = datetime.date(1000, 1, 1)
#: Texts below this length do not decide about a language tag.
_ENOUGH = 200
#: Tags that the detector cannot be trusted to tell apart.
_CLOSE = (
    {"no", "nb", "nn", "da", "sv"},
    {"hr", "sr", "bs", "sh"},
    {"id", "ms"},
    {"cs", "sk"},
    {"es", "gl", "ca", "pt", "ast", "lad"},
    {"hi", "mr", "ne", "mai", "bho"},
    {"af", "nl"},
)


def schema() -> dict[str, Any]:
    """The JSON Schema of a document's metadata, as shipped."""
    source = resources.files("oracles.quality") / "data" / "document.schema.json"
    loaded: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return loaded


def validator(today: datetime.date) -> Any:
    """A JSON Schema validator of document metadata with the rules of this module as formats.

    It says where a record is wrong; the score itself calls the same rules directly.
    """
    from jsonschema import Draft202012Validator, FormatChecker

    formats = FormatChecker(formats=())
    for name, field in _FORMATS.items():
        formats.checks(name)(partial(_accepts, field, today))
    return Draft202012Validator(schema(), format_checker=formats)


def _accepts(field: str, today: datetime.date, value: Any) -> bool:
    return not isinstance(value, str) or _is_valid(field, value, today, (texts.UNKNOWN,))


def lookup(metadata: Mapping[str, Any], field: str) -> Any:
    """Value of a field under its own name or an alias; `None` if absent."""
    for name in (field, *ALIASES.get(field, ())):
        if (value := metadata.get(name)) is not None:
            return value
    return None


def parse_date(value: Any) -> datetime.date | None:
    """The day of an ISO 8601 date or date-time, of a date object or a Unix time; else `None`."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    if not isinstance(value, str):
        return None
    value = value.strip()
    try:
        if re.fullmatch(r"\d{4}", value):
            return datetime.date(int(value), 1, 1)
        if re.fullmatch(r"\d{4}-\d{2}", value):
            return datetime.date.fromisoformat(value + "-01")
        return datetime.datetime.fromisoformat(value).date()
    except ValueError:
        return None


def is_spdx(value: str) -> bool:
    """Whether a text is an SPDX licence expression."""
    from license_expression import ExpressionError, ExpressionParseError

    try:
        return not _spdx().validate(value, strict=True).errors
    except (ExpressionError, ExpressionParseError, AttributeError):
        return False  # the library's own handling of "MIT OR" fails on a missing attribute


@lru_cache(maxsize=1)
def _spdx() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@lru_cache(maxsize=4096)
def is_language_tag(value: str) -> bool:
    """Whether a text is a valid BCP 47 tag that names a language."""
    import langcodes

    return bool(langcodes.tag_is_valid(value)) and not value.lower().startswith(
        ("und", "mul", "zxx")
    )


def is_source(value: str) -> bool:
    """Whether a text is a well-formed absolute URI that could name a real source."""
    if any(character.isspace() for character in value):
        return False
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if parts.scheme not in _SCHEMES:
        return False
    if parts.scheme in ("http", "https", "ftp"):
        return bool(host and _HOST.fullmatch(host) and not _RESERVED_HOSTS.search(host))
    return len(parts.netloc + parts.path) > 2


def agrees(tag: str, detected: str) -> bool:
    """Whether a language tag may be true of a text in the detected language."""
    claimed = tag.replace("_", "-").split("-")[0].lower()
    found = detected.split("-")[0].lower()
    alias = {"iw": "he", "in": "id", "tl": "fil"}
    claimed, found = alias.get(claimed, claimed), alias.get(found, found)
    return (
        found in (claimed, texts.UNKNOWN, "xx", "zxx")
        or len(claimed) == 3  # hardly any language with a three-letter tag is known to the detector
        or any({claimed, found} <= group for group in _CLOSE)
    )


def valid_fields(
    metadata: Mapping[str, Any],
    required: tuple[str, ...],
    today: datetime.date,
    text: str,
    *detected: str,
) -> tuple[str, ...]:
    """The required fields of a document that hold something valid, in order.

    Args:
        metadata: As submitted, after `inherit`.
        required: Names of the required fields.
        today: No date may lie after it.
        text: The document, against which the language tag is checked when long enough.
        detected: Its languages as detected.
    """
    return tuple(
        field
        for field in required
        if _is_valid(
            field,
            lookup(metadata, field),
            today,
            detected if len(text) >= _ENOUGH else (texts.UNKNOWN,),
        )
    )


def _is_valid(field: str, value: Any, today: datetime.date, detected: tuple[str, ...]) -> bool:
    if field == "date":
        date = parse_date(value)
        return date is not None and _EARLIEST <= date <= today
    if isinstance(value, list):
        return bool(value) and all(_is_valid(field, item, today, detected) for item in value)
    if not isinstance(value, str) or len(value) > 2000 or _PLACEHOLDER.fullmatch(value.strip()):
        return False
    match field:
        case "license":
            return is_spdx(value.strip())
        case "language":
            return is_language_tag(value.strip()) and any(
                agrees(value.strip(), language) for language in detected
            )
        case "source":
            return is_source(value.strip())
        case _:
            return sum(character.isalpha() for character in value) >= 2


def inherit(metadata: Mapping[str, Any], card: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A document's metadata with what only the card states."""
    if not card:
        return metadata
    extra = {
        field: card[field]
        for field in INHERITED
        if field in card and lookup(metadata, field) is None
    }
    return {**metadata, **extra}


def read_card(path: Path) -> dict[str, str]:
    """Licence, language and source of a data set from its Croissant file.

    Raises:
        InputError: The file is not valid Croissant; the message has the validator's findings.
    """
    import mlcroissant

    try:
        loaded = mlcroissant.Dataset(jsonld=json.loads(path.read_text(encoding="utf-8"))).metadata
    except (OSError, ValueError, TypeError, RecursionError, mlcroissant.ValidationError) as error:
        raise InputError(f"{path.name} is not a valid Croissant file: {error}") from error
    found = {
        "license": _first(loaded.license),
        "language": _first(loaded.in_language),
        "source": _first(loaded.url),
    }
    return {field: _spdx_of_url(value) for field, value in found.items() if value}


def _first(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        value = value[0] if value else ""
    return str(value) if isinstance(value, str) else ""


#: Pages that stand for a licence, without `https://` and `www.`; the group is what SPDX calls it.
_LICENCE_PAGES: Final = (
    (re.compile(r"spdx\.org/licenses/([\w.+-]+?)(?:\.html|\.json)?"), "{0}"),
    (re.compile(r"opensource\.org/licenses?/([\w.+-]+?)(?:\.php|\.html)?"), "{0}"),
    (re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)(?:/.*)?"), "CC-{0}-{1}"),
    (re.compile(r"creativecommons\.org/publicdomain/zero/(1\.0)(?:/.*)?"), "CC0-{0}"),
    (re.compile(r"apache\.org/licenses/license-(2\.0)(?:\.txt|\.html)?"), "Apache-{0}"),
    (re.compile(r"opendatacommons\.org/licenses/by(?:/.*)?"), "ODC-By-1.0"),
    (re.compile(r"opendatacommons\.org/licenses/odbl(?:/.*)?"), "ODbL-1.0"),
    (re.compile(r"opendatacommons\.org/licenses/pddl(?:/.*)?"), "PDDL-1.0"),
)


def _spdx_of_url(value: str) -> str:
    """The SPDX identifier that a licence's page stands for; other text as it is.

    Cards name licences by the pages of SPDX, Creative Commons and others.
    """
    page = re.sub(r"^https?://(?:www\.)?|/+$", "", value.strip(), flags=re.IGNORECASE)
    if page == value:
        return value
    for pattern, name in _LICENCE_PAGES:
        if match := pattern.fullmatch(page.lower()):
            return _canonical(name.format(*match.groups()))
    return value


def _canonical(identifier: str) -> str:
    """An SPDX identifier as SPDX writes it, as `CC-BY-4.0` for `CC-by-4.0`."""
    known = {each.lower(): each for each in map(str, _spdx().known_symbols)}
    return known.get(identifier.lower(), identifier)
