"""A training set: every row has its winner, and only what was committed gets in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import mlcroissant
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from oracles.dataset import Document, content_digest, encode_document
from oracles.errors import InputError, IntegrityError
from oracles.training import Bought, Conversation, TrainingSet, build, forget, model_card, prove

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = "0x" + "11" * 20


def bought(folder: Path, index: int, documents: list[Document], *, auction: int = 1) -> Bought:
    """One winner's data set on disk."""
    path = folder / f"{auction}-{index}.jsonl"
    path.write_bytes(b"".join(encode_document(each) + b"\n" for each in documents))
    return Bought(
        path,
        31337,
        CONTRACT,
        auction,
        index,
        "0x" + f"{index:02x}" * 20,
        content_digest(documents),
        "0x" + "22" * 20,
        0.5,
        0.1 * (index + 1),
    )


def texts(name: str, count: int) -> list[Document]:
    """Documents that all differ."""
    meta = {"license": "CC-BY-4.0", "language": "en", "n": [1, {"deep": None}]}
    return [Document(f"{name} number {i}", meta | {"id": i}) for i in range(count)]


def rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of a set."""
    return [
        row
        for file in sorted((folder / "data").iterdir())
        for row in pq.read_table(file).to_pylist()
    ]


def test_build__every_row__says_where_it_is_from_in_a_fixed_order(tmp_path: Path) -> None:
    winners = [bought(tmp_path, 3, texts("c", 5)), bought(tmp_path, 0, texts("a", 4))]
    told = build(winners, tmp_path / "set", shard_bytes=100)
    found = rows(tmp_path / "set")
    assert [(r["qmia"]["index"], r["qmia"]["document"]) for r in found] == [
        *((0, i) for i in range(4)),
        *((3, i) for i in range(5)),
    ]
    assert [r["text"] for r in found] == [d.text for d in (*texts("a", 4), *texts("c", 5))]
    assert json.loads(found[0]["metadata"]) == texts("a", 1)[0].metadata
    assert told.rows == told.documents == 9
    assert len(told.shards) > 1
    assert "weight" not in found[0]
    assert not any(path.stat().st_mode & 0o77 for path in (tmp_path / "set").rglob("*"))


def test_build__check_sums__are_those_of_all_files(tmp_path: Path) -> None:
    build([bought(tmp_path, 0, texts("a", 4))], tmp_path / "set")
    listed = dict(
        reversed(line.split("  "))
        for line in (tmp_path / "set/SHA256SUMS").read_text().splitlines()
    )
    files = {
        path.relative_to(tmp_path / "set").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (tmp_path / "set").rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert listed == files


def test_build__cards__are_valid_and_say_what_was_bought(tmp_path: Path) -> None:
    same = [Document("the same text", {})]
    winners = [bought(tmp_path, i, texts(f"w{i}", 3) + same) for i in range(2)]
    told = build(winners, tmp_path / "set", weights=True)
    assert told.repeated == 1
    readme = (tmp_path / "set/README.md").read_text()
    front = yaml.safe_load(readme.split("---")[1])
    assert front["license"] == ["cc-by-4.0"]
    assert front["configs"][0]["data_files"] == "data/*.parquet"
    for winner in winners:
        assert winner.content_digest.hex() in readme
    assert "1 rows repeat" in readme
    assert "not stated: 2 documents" in readme
    card = mlcroissant.Dataset(jsonld=str(tmp_path / "set/croissant.json"))
    assert not card.metadata.ctx.issues.errors
    assert card.metadata.data_biases[1] == "1 rows repeat the text of another row."
    assert "2 of 8 documents state no licence" in str(card.metadata.data_collection_missing_data)
    read = [record["train-00000/text"].decode() for record in card.records("train-00000")]
    assert read == [row["text"] for row in rows(tmp_path / "set")]


def test_build__weights__are_in_proportion_to_quality_times_impact(tmp_path: Path) -> None:
    winners = [bought(tmp_path, 0, texts("a", 6)), bought(tmp_path, 1, texts("b", 2))]
    build(winners, tmp_path / "set", weights=True)
    weights = [row["weight"] for row in rows(tmp_path / "set")]
    assert sum(weights) == pytest.approx(8)
    assert weights[-1] / weights[0] == pytest.approx(2)
    with pytest.raises(InputError, match="weight above 0"):
        build([replace(each, impact=0) for each in winners], tmp_path / "none", weights=True)


def test_build__a_file_that_was_changed__never_becomes_a_set(tmp_path: Path) -> None:
    winner = bought(tmp_path, 0, texts("a", 3))
    winner.path.write_bytes(winner.path.read_bytes().replace(b"number 1", b"number 7"))
    with pytest.raises(IntegrityError, match="not what winner 1-0 committed to"):
        build([winner], tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-0.jsonl"]


def test_build__nothing_or_an_existing_folder__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="qmia buyer receive"):
        build([], tmp_path / "set")
    with pytest.raises(InputError, match="exists"):
        build([bought(tmp_path, 0, texts("a", 1))], tmp_path)


CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def test_chat__what_does_not_fit__is_left_out_and_counted(tmp_path: Path) -> None:
    documents = [
        Document("a", {"chat": CHAT}),
        Document("b", {"chat": [{"role": "narrator", "content": "x"}]}),
        Document("c", {"chat": CHAT[:1]}),
        Document("d", {"chat": "hi"}),
        Document("e", {}),
    ]
    told = build(
        [bought(tmp_path, 0, documents)], tmp_path / "set", conversation=Conversation("chat")
    )
    found = rows(tmp_path / "set")
    assert [row["messages"] for row in found] == [CHAT]
    assert "text" not in found[0]
    assert told.unfit == {"1-0": 4}
    assert (
        "4 documents of winner 1-0 are not in the set" in (tmp_path / "set/README.md").read_text()
    )


def test_preference__three_texts_that_differ__are_a_row(tmp_path: Path) -> None:
    documents = [
        Document("a", {"q": "?", "good": "yes", "bad": "no"}),
        Document("b", {"q": "?", "good": "yes", "bad": "yes"}),
        Document("c", {"q": "?", "good": "yes"}),
    ]
    kind = Conversation(preference=("q", "good", "bad"))
    build([bought(tmp_path, 0, documents)], tmp_path / "set", conversation=kind)
    row = rows(tmp_path / "set")[0]
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("?", "yes", "no")
    with pytest.raises(InputError, match="no document fits: none has"):
        build(
            [bought(tmp_path, 0, documents)],
            tmp_path / "other",
            conversation=Conversation(preference=("x", "y", "z")),
        )


def test_forget__one_winner__is_out_of_the_data_and_kept_apart(tmp_path: Path) -> None:
    winners = [bought(tmp_path, i, texts(f"w{i}", 3 + i)) for i in range(3)]
    build(winners, tmp_path / "set", shard_bytes=60)
    counted = forget(TrainingSet(tmp_path / "set"), 1, 1, tmp_path / "without")
    assert counted == {"kept": 8, "forgotten": 4, "repeated": 0}
    assert {row["qmia"]["index"] for row in rows(tmp_path / "without")} == {0, 2}
    gone = pq.read_table(tmp_path / "without/forget/1-1.parquet").to_pylist()
    assert [row["text"] for row in gone] == [d.text for d in texts("w1", 4)]
    assert "Winner 1-1 was taken out (4 rows" in (tmp_path / "without/README.md").read_text()
    again = TrainingSet(tmp_path / "without")
    assert [each["index"] for each in again.winners] == [0, 2]
    with pytest.raises(InputError, match="it has 1-0, 1-2"):
        forget(again, 1, 1, tmp_path / "more")


def test_forget__a_changed_file__is_found(tmp_path: Path) -> None:
    winners = [bought(tmp_path, i, texts(f"w{i}", 3)) for i in range(2)]
    build(winners, tmp_path / "set")
    file = next((tmp_path / "set/data").iterdir())
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="was changed"):
        forget(TrainingSet(tmp_path / "set"), 1, 1, tmp_path / "without")
    assert not (tmp_path / "without").exists()


@given(count=st.integers(1, 40), data=st.data())
def test_prove__any_row__leads_to_the_digest_and_no_other_row_does(
    tmp_path_factory: pytest.TempPathFactory, count: int, data: st.DataObject
) -> None:
    winner = bought(tmp_path_factory.mktemp("prove"), 0, texts("a", count))
    place = data.draw(st.integers(0, count - 1))
    proof = prove(winner, place)
    assert proof.holds()
    assert not replace(proof, leaf=bytes(32)).holds()
    if count > 1:
        other = (place + 1) % count
        assert not replace(proof, document=other).holds()
    with pytest.raises(InputError, match="there is no leaf"):
        prove(winner, count)


def test_model_card__names_auctions_digests_and_mut(tmp_path: Path) -> None:
    winners = [bought(tmp_path, i, texts(f"w{i}", 2), auction=1 + i) for i in range(2)]
    build(winners, tmp_path / "set")
    card = model_card(TrainingSet(tmp_path / "set"), name="tiny", base="gpt2")
    front = yaml.safe_load(card.split("---")[1])
    assert front["base_model"] == "gpt2"
    assert [(e["auction"], e["content_digest"]) for e in front["qmia"]] == [
        (w.auction, "0x" + w.content_digest.hex()) for w in winners
    ]
    assert card.count("revenue goes to its MUT") == 2


def test_training_set__that_is_none__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no training set"):
        TrainingSet(tmp_path)
    (tmp_path / "qmia.json").write_text('{"schema": "other"}')
    with pytest.raises(InputError, match="its schema is 'other'"):
        TrainingSet(tmp_path)


def test_forget__a_text_that_others_sold_too__is_said(tmp_path: Path) -> None:
    """Over several files: the same text under other metadata is the same text."""
    same = [Document(each.text, {"id": "mine"}) for each in texts("w0", 5)]
    winners = [bought(tmp_path, 0, texts("w0", 8)), bought(tmp_path, 1, [*same, *texts("w1", 9)])]
    build(winners, tmp_path / "set", shard_bytes=60)
    assert len(list((tmp_path / "set/data").iterdir())) > 3
    counted = forget(TrainingSet(tmp_path / "set"), 1, 0, tmp_path / "without")
    assert counted == {"kept": 14, "forgotten": 8, "repeated": 5}
    assert "5 rows of other winners have a text" in (tmp_path / "without/README.md").read_text()


def test_build__metadata_that_is_no_name__fills_no_card(tmp_path: Path) -> None:
    labels = ["a\n---\nevil: true\n", "L" * 200_000, "en\u2028x", "`|<script>`", {"a": 1}, ["en"]]
    documents = [
        *(Document(f"d{n}", {"license": x, "language": x}) for n, x in enumerate(labels)),
        *(Document(f"many {n}", {"language": f"lang{n}"}) for n in range(500)),
        Document("null \0 and a mark \ufeff, \u202e turned, \U0001f600", {"language": "en"}),
        Document("x" * (3 << 20), {}),
    ]
    told = build([bought(tmp_path, 0, documents)], tmp_path / "set")
    assert told.rows == len(documents)
    assert [row["text"] for row in rows(tmp_path / "set")] == [each.text for each in documents]
    card = (tmp_path / "set/README.md").read_text()
    front = yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))
    assert "evil" not in front
    assert front["license"] == ["`|<script>`"]
    assert len(card) < 20_000
    found = mlcroissant.Dataset(jsonld=str(tmp_path / "set/croissant.json"))
    assert not found.metadata.issues.errors


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": ["user"], "content": "x"}],
        [{"role": {"a": 1}, "content": "x"}, {"role": "assistant", "content": "y"}],
        [{"role": "user", "content": ["x"]}, {"role": "assistant", "content": "y"}],
        [{"role": "user"}, {"role": "assistant", "content": "y"}],
        [["user", "x"]],
        {"role": "assistant", "content": "y"},
    ],
)
def test_chat__that_is_malformed__is_left_out(tmp_path: Path, messages: Any) -> None:
    good = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    documents = [Document("a", {"m": messages}), Document("b", {"m": good})]
    told = build(
        [bought(tmp_path, 0, documents)], tmp_path / "set", conversation=Conversation(messages="m")
    )
    assert (told.rows, told.unfit) == (1, {"1-0": 1})
