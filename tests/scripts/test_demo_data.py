"""The demo's text: real, of the size it says, and the evaluation set kept apart."""

from __future__ import annotations

from scripts import demo_data


def test_providers__text_of_each__has_its_size_and_its_own_words() -> None:
    people = demo_data.providers()
    assert len({person.name for person in people}) == len(people) >= 6
    assert len({person.domain for person in people}) >= 6
    for person in people:
        size = sum(len(record["text"]) for record in person.records)
        assert 0.9 * demo_data.SIZE < size < 1.1 * demo_data.SIZE, person.name
    clean = [person for person in people if not person.damage]
    seen: set[str] = set()
    for person in clean:
        texts = {record["text"] for record in person.records}
        assert len(texts) == len(person.records)
        assert not texts & seen
        seen |= texts


def test_evaluation__held_out__no_passage_is_sold_by_anybody() -> None:
    sold = "\n".join(record["text"] for p in demo_data.providers() for record in p.records)
    seed = "\n".join(record["text"] for record in demo_data.seed_corpus())
    held_out = [record["text"] for record in demo_data.evaluation()]
    assert len(held_out) > 100
    shared = [text for text in held_out if text[:120] in sold or text[:120] in seed]
    assert shared == []
