"""A study on a tiny world, and its parts against answers that are known."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oracles.cli import main
from oracles.errors import InputError, IntegrityError
from oracles.study import PROFILES, page, run
from oracles.study.additive import cost_lies, large_markets, overspending
from oracles.study.effort import Game, equilibrium
from oracles.study.market import Market, Surrogate, purchase
from oracles.study.plan import RULES
from oracles.study.run import fit_surrogate
from oracles.study.statistics import holm, interval, p_value
from oracles.study.tables import multipliers
from oracles.study.world import Texts, draw_costs, draw_world
from tests.impact.worlds import EVALUATION, NORTH, SEED_CORPUS, SOUTH, write

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = replace(
    PROFILES["quick"],
    profile="tiny",
    draws=1,
    providers=4,
    characters=800,
    damaged=0.25,
    steps=16,
    budgets=(0.3, 0.6),
    phi_seeds=(0,),
    surrogate=0,
    effort_draws=1,
    markets=6,
    resamples=200,
    rules=tuple(RULES),
)
TEXTS = Texts(
    SEED_CORPUS,
    EVALUATION,
    {f"provider {k}": write(40 + k, (NORTH, SOUTH)[k % 2], 8) for k in range(4)},
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, run(TEXTS, PLAN, folder)


def test_run__tiny_world__fills_every_table(finished: tuple[Path, dict[str, Any]]) -> None:
    folder, result = finished
    assert result["hash"] == PLAN.digest()
    assert json.loads((folder / "result.json").read_text())["tables"].keys() == {
        "primaries",
        "rules",
        "budgets",
        "multipliers",
        "effort",
    }
    assert {row["rule"] for row in result["tables"]["rules"]} == set(RULES)
    for row in result["markets"]:
        for rule, paid in row["paid"].items():
            assert sum(paid.values()) <= row["tokens_of_money"], rule
            assert row["loss"][rule] > 0


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


def test_run__another_plan_or_changed_purchases__is_refused(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    folder, _ = finished
    with pytest.raises(InputError, match="another plan"):
        run(TEXTS, replace(PLAN, seed=2), folder)
    path = folder / "purchases.json"
    kept = path.read_text()
    frozen = json.loads(kept)
    frozen["markets"][0]["paid"]["qmia"] = {}
    path.write_text(json.dumps(frozen))
    with pytest.raises(IntegrityError, match="purchases"):
        run(TEXTS, PLAN, folder)
    path.write_text(kept)


def test_page__is_whole_and_its_pictures_are_vectors(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    _, result = finished
    made = page.pictures(result)
    assert len(made) >= 8
    for picture in made:
        assert ET.fromstring(picture).tag.endswith("svg")  # noqa: S314 (our own)
    html = page.html(result)
    assert "src=" not in html
    assert "href=" not in html
    assert "What would change our mind" in html
    text = page.markdown(result)
    for title, _, rows in page.tables(result):
        assert title in text
        assert all(" | ".join(row) in text for row in rows)


def test_plan__of_the_standard_study__is_as_registered() -> None:
    # Whoever changes a hypothesis or a size starts another study: say so where results are shown.
    assert PROFILES["standard"].digest() == (
        "90366fc7ca75e0b593d7b279f21dc8df3d507b6aec500fb7ec90b1e7c6097f6a"
    )


def test_commands__print_the_plan_and_refuse_what_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["study", "plan", "quick"])
    assert json.loads(capsys.readouterr().out)["hash"] == PROFILES["quick"].digest()
    for wrong in (["plan", "huge"], ["report", "--folder", str(tmp_path)]):
        with pytest.raises(SystemExit) as stopped:
            main(["study", *wrong])
        assert stopped.value.code == 2


def test_command_report__writes_page_and_markdown_with_its_notes(
    finished: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    out = [str(tmp_path / name) for name in ("page.html", "page.md")]
    with pytest.raises(SystemExit) as done:
        main(
            ["study", "report", "--folder", str(finished[0]), "--note", "Only a test."]
            + [f"--{kind}={path}" for kind, path in zip(("page", "markdown"), out, strict=True)]
        )
    assert done.value.code == 0
    assert all("Only a test." in Path(name).read_text() for name in out)


def test_world__same_seed_same_world__another_seed_another() -> None:
    first, again = (draw_world(TEXTS, PLAN, 0) for _ in range(2))
    assert first == again
    assert first != draw_world(TEXTS, replace(PLAN, seed=2), 0)
    assert len(first.damage) == 1
    assert draw_costs(first, PLAN, 0, 0) != draw_costs(first, PLAN, 0, 0, prior=True)
    held = {d.text for d in first.part_a} & {d.text for d in first.part_b}
    assert not held
    with pytest.raises(InputError, match="four"):
        draw_world(Texts(SEED_CORPUS, EVALUATION, {"a": NORTH_DOCS}), PLAN, 0)


NORTH_DOCS = write(1, NORTH, 2)


def test_surrogate__fitted_to_its_own_values__is_found_again() -> None:
    shares = [3.0, 2.0, -1.0, 5.0]
    truth = Surrogate(4e5, 10.0, (0.3, 0.2, 0.0, 0.5))
    sets = [(), (0,), (1, 2), (0, 3), (0, 1, 2, 3)]
    found, r2 = fit_surrogate(shares, sets, [truth(frozenset(s)) / 1e6 for s in sets])
    assert r2 == pytest.approx(1, abs=1e-6)
    assert found.scale == pytest.approx(4e5, rel=1e-3)
    assert found.bend == pytest.approx(10.0, rel=1e-6)


def test_interval__of_a_constant__is_the_constant_and_p_is_bounded_by_clusters() -> None:
    clusters = {(world, draw): [0.1, 0.1] for world in range(2) for draw in range(3)}
    assert interval(clusters, 100) == pytest.approx((0.1, 0.1, 0.1))
    assert p_value(clusters, 0.0, 1000) == 2.0**-6
    assert p_value({(0, 0): [-0.1]}, 0.0, 100) == 1.0
    assert p_value({(0, k): [-0.01] for k in range(9)}, 0.02, 1000) == 2.0**-9


def test_interval__worlds_that_disagree__is_wider_than_their_markets() -> None:
    clusters = {(world, draw): [float(world)] for world in range(2) for draw in range(50)}
    mean, low, high = interval(clusters, 500)
    assert (mean, low, high) == (0.5, 0.0, 1.0)


def test_holm__textbook_values() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_multipliers__straight_lines__by_hand() -> None:
    plan = replace(PLAN, budgets=(0.2, 0.4), rules=("qmia", "volume", "trust", "uniform"))
    losses = {"qmia": (5.0, 4.0), "volume": (6.0, 4.5), "trust": (6.0, 3.0), "uniform": (6.0, 5.5)}
    curves = [
        {"regime": regime, "rule": rule, "budget": budget, "loss": loss}
        for regime in ("fixed", "one pass")
        for rule, pair in losses.items()
        for budget, loss in zip((0.2, 0.4), pair, strict=True)
    ]
    found = {r["rule"]: r for r in multipliers(curves, plan) if r["regime"] == "fixed"}
    assert found["volume"]["share"] == pytest.approx(0.75)
    assert found["trust"]["share"] is None
    assert (found["uniform"]["share"], found["uniform"]["at_most"]) == (0.5, True)


def market(n: int = 4) -> Market:
    return Market(
        [10] * n, [10] * n, 20, [5000] * n, [5000] * n, [100] * n, [0.0] * n,
        Surrogate(1e6, 1.0, (1 / n,) * n),
    )  # fmt: skip


def test_game__q_pays_for_cleaning__volume_does_not() -> None:
    game = Game(
        base=[100, 100, 100, 100],
        q=[[1000] * 4, [3000] * 4, [9000] * 4],
        bounds=[[0.5] * 4, [0.8] * 4, [1.0] * 4],
        volume=[[100] * 4] * 3,
        market=replace(market(), budget=800),
    )
    clean, stable = equilibrium(game, "qmia")
    assert stable
    assert clean == [2, 2, 2, 2]
    assert equilibrium(game, "volume") == ([0, 0, 0, 0], True)


@pytest.mark.parametrize("rule", RULES)
def test_purchase__every_rule__pays_at_least_the_cost_within_the_budget(rule: str) -> None:
    found = replace(
        market(), costs=[3, 6, 9, 12], q=[9000, 5000, 7000, 1], phi=[9000, 8000, 0, 10_000]
    )
    paid = purchase(rule, found)
    assert paid or rule == "large", rule  # made for many small providers
    assert sum(paid.values()) <= found.budget
    assert all(paid[k] >= found.costs[k] for k in paid)


def test_simulations__clock_survives_what_others_do_not() -> None:
    plan = replace(PLAN, markets=40)
    rows = {row["rule"]: row for row in cost_lies(plan)}
    for truthful in ("clock", "prune-and-split", "large market"):
        assert rows[truthful]["with_a_profitable_lie"] == 0
    assert rows["pay as bid"]["with_a_profitable_lie"] > 0
    assert rows["pay by value"]["with_a_profitable_lie"] > 0
    assert all(row["overspent_markets"] == 0 for row in rows.values())
    over = overspending(replace(plan, markets=10))
    assert over["mean"] > 1
    assert max(over["clock"]) <= 1
    shares = [row for row in large_markets(replace(plan, markets=3)) if row["providers"] >= 50]
    assert all(0.3 < row["least"] <= row["mean"] <= 1 for row in shares)
