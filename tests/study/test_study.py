"""A study on a tiny world, from the plan to the page, stopped and damaged on its way."""

from __future__ import annotations

import errno
import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oracles.cli import main
from oracles.dataset import Document
from oracles.errors import InputError, IntegrityError
from oracles.study import PROFILES, page, run
from oracles.study.plan import RULES, SECONDARIES, Plan
from oracles.study.world import draw_world
from tests.study.worlds import PLAN, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The module; `oracles.study.run` is the function.
running = sys.modules["oracles.study.run"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, run(TEXTS, PLAN, folder)


def test_run__tiny_worlds__fills_every_table(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, result = finished
    assert result["hash"] == PLAN.digest()
    kept = json.loads((folder / "result.json").read_text())
    assert kept["tables"] == json.loads(json.dumps(result["tables"]))
    assert all(kept["tables"].values())
    assert all(kept["maps"].values())
    assert len(kept["worlds"]) == 2
    assert {row["rule"] for row in kept["tables"]["rules"]} == set(RULES)
    assert {row["key"] for row in kept["tables"]["secondaries"]} == set(SECONDARIES)
    for row in kept["markets"]:
        for rule, paid in row["paid"].items():
            assert sum(paid.values()) <= row["tokens_of_money"], rule
            assert row["loss"][rule] > 0
    lie, honest = (
        next(row for row in kept["attacks"] if row["attack"] == name)
        for name in ("three identities", "none")
    )
    assert lie["budget"] == honest["budget"]


def test_run__again__trains_nothing_and_gives_the_same(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = finished
    before = (folder / "outcomes.jsonl").read_bytes()
    again = run(TEXTS, PLAN, folder)
    assert (folder / "outcomes.jsonl").read_bytes() == before
    assert json.dumps(again) == json.dumps(result)


def test_run__after_a_crash__trains_only_what_is_missing(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder, result = finished
    path = folder / "outcomes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])  # the last line was cut short
    trained = []

    def counting(function: Any, jobs: Any) -> Iterator[Any]:
        for job in jobs:
            trained.append(job)
            yield function(job)

    assert run(TEXTS, PLAN, folder, mapper=counting)["tables"] == result["tables"]
    assert len(trained) == 1
    assert path.read_bytes() == whole


def test_run__stopped_in_the_second_world__reports_the_first(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, result = finished
    lines = (folder / "outcomes.jsonl").read_text().splitlines(keepends=True)
    for path in (folder / "simulations", *folder.glob("*-0*.json"), folder / "plan.json"):
        copy = tmp_path / path.relative_to(folder)
        if path.is_dir():
            copy.mkdir()
            for part in path.iterdir():
                (copy / part.name).write_bytes(part.read_bytes())
        else:
            copy.write_bytes(path.read_bytes())
    (tmp_path / "outcomes.jsonl").write_text("".join(x for x in lines if ' 0"' in x or " 0 " in x))

    def stopping(_: Any, jobs: Any) -> Iterator[Any]:
        for job in jobs:
            raise KeyboardInterrupt
            yield job

    with pytest.raises(KeyboardInterrupt):
        run(TEXTS, PLAN, tmp_path, mapper=stopping)
    partial = json.loads((tmp_path / "result.json").read_text())
    assert len(partial["worlds"]) == 1
    assert partial["markets"] == [r for r in result["markets"] if r["world"] == 0]
    assert "the first 1 of 2 planned worlds" in page.markdown(partial)
    assert "all 2 planned worlds" in page.markdown(result)


def test_run__another_plan_or_changed_files__is_refused(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = finished
    with pytest.raises(InputError, match="another plan"):
        run(TEXTS, replace(PLAN, seed=2), folder)

    def spoiled(name: str, text: str, error: type[Exception], words: str) -> None:
        path = folder / name
        kept = path.read_text()
        path.write_text(text if text else kept.replace('"qmia": {', '"qmia": {"99": 1, ', 1))
        try:
            with pytest.raises(error, match=words):
                run(TEXTS, PLAN, folder)
        finally:
            path.write_text(kept)

    spoiled("purchases-0.json", "", IntegrityError, "purchases")
    spoiled("scores-0.json", "{", InputError, "delete it")
    spoiled("outcomes.jsonl", '["world 0"]\n', InputError, "line 1 of")


@pytest.mark.slow
def test_purchases__other_texts_in_part_b__are_the_same(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = finished

    def other(texts: Any, plan: Plan, number: int) -> Any:
        world = draw_world(texts, plan, number)
        return replace(world, part_b=[Document("never seen " * 40), Document("nor this one " * 30)])

    def stop(*_: Any, **__: Any) -> None:
        raise StopAsyncIteration  # purchases are frozen: what follows is not asked here

    monkeypatch.setattr(running, "draw_world", other)
    monkeypatch.setattr(running, "fit_surface", stop)
    with pytest.raises(StopAsyncIteration):
        run(TEXTS, replace(PLAN, attack_worlds=0), tmp_path)
    here, there = (
        json.loads((where / "purchases-0.json").read_text()) for where in (folder, tmp_path)
    )
    assert here["markets"] == there["markets"]
    assert here["games"] == there["games"]


def test_page__is_whole_and_its_pictures_are_vectors(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    _, result = finished
    made = page.pictures(result)
    assert len(made) >= 8
    for picture in made:
        assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314 (our own)
        assert "nan" not in picture
    html = page.html(result)
    assert "src=" not in html
    assert "href=" not in html
    assert "What would change our mind" in html
    text = page.markdown(result)
    for title, header, rows in page.tables(result):
        assert title in text
        assert all(len(row) == len(header) for row in rows), title
        assert all(" | ".join(row) in text for row in rows)
    for line in page.summary(result):
        assert line in text


def test_plan__of_the_standard_study__is_as_registered() -> None:
    # Whoever changes a hypothesis or a size starts another study: say so where results are shown.
    assert PROFILES["standard"].digest() == (
        "e60dc813de2c375053a57e3c4635586e9eacfae7292770c680ebf4ff3e068824"
    )
    for plan in PROFILES.values():
        assert Plan.from_json(plan.to_json()) == plan


def test_command_plan__prints_it_with_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["study", "plan", "quick"])
    assert json.loads(capsys.readouterr().out)["hash"] == PROFILES["quick"].digest()


def test_command_report__writes_page_and_markdown_with_its_notes(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [str(tmp_path / name) for name in ("page.html", "page.md")]
    with pytest.raises(SystemExit) as done:
        main(
            ["study", "report", "--folder", str(finished[0]), "--note", "Only a test.", "--json"]
            + [f"--{kind}={path}" for kind, path in zip(("page", "markdown"), out, strict=True)]
        )
    assert done.value.code == 0
    assert all("Only a test." in Path(name).read_text() for name in out)
    printed = json.loads(capsys.readouterr().out)
    assert printed["tables"] == json.loads(json.dumps(finished[1]["tables"]))


def test_command_report__tables_alone__make_the_same_page(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    kept, first, again = (tmp_path / name for name in ("result.json", "first.md", "again.md"))
    for folder, out in ((finished[0], first), (tmp_path, again)):
        with pytest.raises(SystemExit):
            main(
                [
                    *["study", "report", "--folder", str(folder)],
                    *["--markdown", str(out), "--tables", str(kept)],
                ]
            )
    assert first.read_text() == again.read_text()
    assert not {"markets", "games", "attacks"} & json.loads(kept.read_text()).keys()


REPOSITORY = Path(__file__).parents[2]


def test_page_in_the_repository__is_made_from_the_result_beside_the_benchmarks() -> None:
    # After a change of the page:
    # qmia study report --folder benchmarks/study --markdown docs/study.md
    result = json.loads((REPOSITORY / "benchmarks/study/result.json").read_text())
    assert (REPOSITORY / "docs/study.md").read_text() == page.markdown(result)
    assert result["hash"] == replace(PROFILES["standard"], seed=2).digest()


@pytest.mark.parametrize("name", ["README.md", "docs/quality.md"])
def test_claims_about_value__are_figures_of_the_study_page(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    study = (REPOSITORY / "docs/study.md").read_text()
    claims = re.findall(r"[+-]?\d\.\d+ \([+-]?\d\.\d+ to [+-]?\d\.\d+\)", text)
    assert claims
    for claim in claims:
        assert claim in study, claim


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Four providers, a seed corpus and a held-out set, as files."""
    found = {}
    texts = {**TEXTS.providers, "seed": TEXTS.seed, "evaluation": TEXTS.evaluation}
    for name, documents in texts.items():
        found[name] = tmp_path / f"{name.replace(' ', '-')}.jsonl"
        found[name].write_text("".join(json.dumps({"text": d.text}) + "\n" for d in documents))
    return found


def arguments(files: dict[str, Path], *providers: str) -> list[str]:
    return [
        *["study", "run", *(str(files[name]) for name in providers)],
        *["--seed-corpus", str(files["seed"]), "--evaluation", str(files["evaluation"])],
        *["--folder", str(files["seed"].parent / "study"), "--profile", "quick"],
        *["--processes", "1"],
    ]


FOUR = tuple(f"provider {k}" for k in range(4))


def test_command_run__bad_input__one_clear_sentence_and_code_2(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(words: str, given: list[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(given)
        assert stopped.value.code == 2
        shown = capsys.readouterr().err
        assert words in shown
        assert "Traceback" not in shown

    refused("at least four", arguments(files, *FOUR[:3]))
    files["provider 3"].write_text('{"text": ""}\n')
    refused("no text", arguments(files, *FOUR))
    files["provider 3"].write_bytes(b"\x00\xff\xfe not JSON")
    refused("provider-3", arguments(files, *FOUR))
    files["provider 3"].unlink()
    refused("provider-3", arguments(files, *FOUR))
    files["evaluation"].write_text('{"text": "One document only."}\n')
    files["provider 3"].write_text('{"text": "Some words."}\n')
    refused("two different documents", arguments(files, *FOUR))
    refused("no profile", [*arguments(files, *FOUR), "--profile", "huge"])
    refused("finish a world", ["study", "report", "--folder", str(files["seed"].parent)])
    (files["seed"].parent / "result.json").write_text("{}")
    refused("run `qmia study run`", ["study", "report", "--folder", str(files["seed"].parent)])
    assert not (files["seed"].parent / "study").exists()


def test_command_run__full_disk__says_so_and_keeps_what_is_finished(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("oracles.study.bench.write_file", full)
    with pytest.raises(SystemExit) as stopped:
        main(arguments(files, *FOUR))
    assert stopped.value.code == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert "No space left on device" in shown
    assert "make room" in shown
