from __future__ import annotations

import pytest

from oracles.dataset import Document
from oracles.quality import personal, score


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to anna.lind@clinic.example.org soon.", "mail_addresses"),
        ("Call +44 20 7946 0018 before noon.", "telephone_numbers"),
        ("Call (212) 736-5000 before noon.", "telephone_numbers"),
        ("Pay to GB82 WEST 1234 5698 7654 32 please.", "account_numbers"),
        ("The card 4111 1111 1111 1111 was charged.", "card_numbers"),
    ],
)
def test_count__when_there_is_one__then_one_of_its_kind(text, kind):
    assert personal.count(text) == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "In 1914-1918 and 1939-1945 there were 31,536,000 seconds a year.",
        "GB83 WEST 1234 5698 7654 32 and 4111 1111 1111 1112 have wrong digits.",
        "Version 1.2.3.4567 of 2026-11-26 12:30:00, 3.14159265358979, ISBN 978-3-16-148410-0.",
        "a@b and @handle are no addresses",
    ],
)
def test_count__when_numbers_are_something_else__then_none(text):
    assert personal.count(text) == {}


def test_count__when_a_text_is_nothing_but_digits__then_it_ends_soon():
    assert sum(personal.count("12345 " * 200_000).values()) >= 0


def test_score__when_there_is_personal_data__then_it_is_said_and_adds_no_volume(embedder):
    text = "The committee met on Tuesday to consider the budget for the coming year. "
    contact = "\nanna.lind@clinic.example.org, +44 20 7946 0018\n"
    plain, told = (score([Document(t)], embedder=embedder) for t in (text, text + contact))
    assert plain.volume == told.volume
    assert told.evidence["tally"]["personal"] == {"mail_addresses": 1, "telephone_numbers": 1}
    assert any("mail addresses: 1" in finding for finding in told.findings)
    assert plain.cleanliness == told.cleanliness
