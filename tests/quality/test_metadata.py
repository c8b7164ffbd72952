from __future__ import annotations

import datetime
import json
from pathlib import Path

import jsonschema
import pytest

from oracles.errors import InputError
from oracles.quality import metadata as m

TODAY = datetime.date(2026, 11, 21)
REQUIRED = ("title", "date", "license", "language", "source")


def valid(field, value, text="", detected="und"):
    return m.valid_fields({field: value}, (field,), TODAY, text, detected) == (field,)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("title", ["Annual report", "戦争と平和"], ["", "n/a", "Untitled", "x", "???", 7, None]),
        (
            "date",
            ["2024-02-29", "2024-05-01T10:00:00Z", "1851", "2020-07", datetime.date(2020, 1, 1)],
            ["2023-02-29", "31/12/2020", "2026-11-22", "0500-01-01", "soon", 20200101, ""],
        ),
        (
            "license",
            ["MIT", "CC-BY-4.0", "MIT OR Apache-2.0"],
            ["free", "proprietary", "MIT OR", ""],
        ),
        ("language", ["en", "pt-BR", "zh-Hant-TW", ["de", "fr"]], ["english", "xx-yy", "und", []]),
        (
            "source",
            ["https://data.gov/a?b=c", "urn:isbn:9780192810892", "doi:10.1000/182"],
            ["data.gov/a", "http://localhost/a", "https://example.com/a", "scanner 3", "http://"],
        ),
    ],
)
def test_valid_fields__when_values_are_checked__then_only_the_meaningful_count(field, good, bad):
    assert [value for value in good if not valid(field, value)] == []
    assert [value for value in bad if valid(field, value)] == []


def test_valid_fields__when_the_language_is_another_than_the_texts__then_it_is_invalid():
    text = "x" * 300
    assert valid("language", "en", text, "en")
    assert not valid("language", "en", text, "ru")
    assert valid("language", "en", "short", "ru")
    assert valid("language", "quz", text, "qu")
    assert valid("language", "nb", text, "no")


def test_valid_fields__when_a_field_has_another_name__then_it_is_found():
    aliased = {"name": "Report", "licence": "MIT", "lang": "en", "url": "https://a.org/b"}
    assert m.valid_fields(aliased, REQUIRED, TODAY, "", "und") == (
        "title",
        "license",
        "language",
        "source",
    )


def test_schema__when_checked_by_the_library__then_it_is_a_schema_and_agrees():
    jsonschema.Draft202012Validator.check_schema(m.schema())
    validator = m.validator(TODAY)
    good = {"title": "Report", "date": "2024-01-01", "license": "MIT", "language": "en"}
    assert list(validator.iter_errors(good)) == []
    bad = {"title": "n/a", "date": "2031-01-01", "license": "free", "source": "nowhere"}
    assert {error.path[0] for error in validator.iter_errors(bad)} == set(bad)


CARD = {
    "@context": {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "conformsTo": "dct:conformsTo",
        "citeAs": "cr:citeAs",
    },
    "@type": "sc:Dataset",
    "conformsTo": "http://mlcommons.org/croissant/1.0",
    "name": "reports",
    "description": "Annual reports of a public office.",
    "license": "https://spdx.org/licenses/CC-BY-4.0.html",
    "url": "https://data.europa.eu/reports",
    "inLanguage": "en",
    "datePublished": "2025-01-01",
    "version": "1.0.0",
    "citeAs": "none",
}


@pytest.mark.filterwarnings("ignore")
def test_read_card__when_valid__then_it_states_fields_for_all_documents(tmp_path):
    path = tmp_path / "croissant.json"
    path.write_text(json.dumps(CARD))
    card = m.read_card(path)
    assert card == {
        "license": "CC-BY-4.0",
        "language": "en",
        "source": "https://data.europa.eu/reports",
    }
    own = m.inherit({"title": "A report", "licence": "MIT", "date": "2024-01-01"}, card)
    assert m.lookup(own, "license") == "MIT"
    assert m.valid_fields(own, REQUIRED, TODAY, "", "und") == REQUIRED


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("content", ["", "[]", '{"@type": "sc:Dataset"}'])
def test_read_card__when_invalid__then_it_is_refused(tmp_path, content):
    path = tmp_path / "croissant.json"
    path.write_text(content)
    with pytest.raises(InputError, match="Croissant"):
        m.read_card(path)


@pytest.mark.parametrize(
    ("page", "licence"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/deed.de", "CC-BY-NC-SA-3.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/legalcode", "CC0-1.0"),
        ("https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("https://opensource.org/license/mit", "MIT"),
        ("https://spdx.org/licenses/MIT.html", "MIT"),
        ("https://example.org/our-own", "https://example.org/our-own"),
    ],
)
def test_card__licence_by_its_page__is_the_licence(tmp_path: Path, page: str, licence: str) -> None:
    text = (Path(__file__).parent / "card-license-url.json").read_text()
    card = json.loads(text) | {"license": page}
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert m.read_card(tmp_path / "card.json")["license"] == licence
