"""Events as Parquet: every log is in it, and no digit is lost in any reader."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from oracles.audit import write_archive
from oracles.audit.export import export
from oracles.audit.records import Log
from oracles.cli.audit import app
from oracles.errors import InputError
from tests.audit.stories import everything

DOCS = Path(__file__).resolve().parents[2] / "docs" / "auditors.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "events"
    export(everything(), out)
    return out


def read(path: Path) -> Any:
    return importlib.import_module("pyarrow.parquet").read_table(path)


def test_export__has_a_row_for_each_log_and_a_file_for_each_kind(folder: Path) -> None:
    logs = [record for record in everything().records() if isinstance(record, Log)]
    tables = {path.stem: read(path) for path in folder.glob("*.parquet")}
    rows = {name: table.num_rows for name, table in tables.items() if name != "blocks"}
    assert sum(rows.values()) == len(logs)
    assert rows["AuctionCreated"] == 10
    # What never happened has an empty file.
    assert rows["PeriodClosed"] >= 0
    about = tables["Settled"].schema.metadata
    assert about[b"qmia.schema"] == b"qmia/events/1"
    assert about[b"qmia.to_block"] == str(everything().header.to_block).encode()


def test_export__amounts_are_digits_and_structs_are_structs(folder: Path) -> None:
    from oracles.chain.events import decode_log
    from oracles.chain.typed_events import Settled

    rows = read(folder / "Settled.parquet").to_pylist()
    logs = [record for record in everything().records() if isinstance(record, Log)]
    bodies = [
        event.body for log in logs if (event := decode_log(log.address, log.topics, log.data))
    ]
    settled = [body for body in bodies if isinstance(body, Settled)]
    assert [row["auction_id"] for row in rows] == [str(body.auction_id) for body in settled]
    for row, body in zip(rows, settled, strict=True):
        assert int(row["outcome"]["mut_supply"]) == body.outcome.mut_supply
        assert isinstance(row["outcome"]["mut_supply"], str)


def test_export__again_into_the_same_folder__is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="exists"):
        export(everything(), folder)


def test_export__interrupted__leaves_nothing(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(everything(), tmp_path / "events", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_export__as_a_command__reads_an_archive(tmp_path: Path) -> None:
    write_archive(tmp_path / "market.qmia-archive", everything())
    words = ["export", str(tmp_path / "market.qmia-archive"), "--parquet", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "Settled" in done.output
    assert (tmp_path / "out/Settled.parquet").exists()


def _queries(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)


def test_queries__of_the_docs__run_in_duckdb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(folder)
    queries = _queries("sql")
    assert len(queries) == 3
    for query in queries:
        assert duckdb.sql(query).fetchall(), query


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_sums__are_the_same_to_the_last_digit(folder: Path, library: str) -> None:
    module: Any = pytest.importorskip(library)
    column = module.read_parquet(folder / "Claimed.parquet")["mut"]
    exact = sum(int(row["mut"]) for row in read(folder / "Claimed.parquet").to_pylist())
    assert sum(map(int, column)) == exact > 0
