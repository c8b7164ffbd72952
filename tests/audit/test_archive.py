"""The archive: round trip, and what is said about damaged ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from backports import zstd
from typer.testing import CliRunner

from oracles.audit import Archive, replay, write_archive
from oracles.cli.audit import app
from oracles.errors import ConfigError, InputError, IntegrityError
from tests.audit.stories import AGREEMENT, everything

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "market.qmia-archive"
    write_archive(target, everything())
    return target


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    content = zstd.decompress(path.read_bytes())
    assert old in content
    path.write_bytes(zstd.compress(content.replace(old, new, 1)))


def test_archive__written_and_read__is_the_same(path: Path) -> None:
    story, archive = everything(), Archive(path)
    assert archive.header.auctions == 10
    assert archive.header.currency(str(story.token)).format(1_500_000) == "1.5 USDC"
    assert archive.header == story.header
    assert list(archive.records()) == story.kept
    assert replay(archive).findings() == []
    assert not list(path.parent.glob("*.part"))


def test_archive__one_character_changed__is_refused(path: Path) -> None:
    rewrite(path, b'["block",', b'["block", ')
    with pytest.raises(IntegrityError, match="digest"):
        list(Archive(path).records())


def test_archive__cut_off__is_refused(path: Path) -> None:
    content = zstd.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(zstd.compress(b"".join(content[:-1])))
    with pytest.raises(IntegrityError, match="cut off"):
        list(Archive(path).records())


def test_archive__of_another_schema__is_refused(path: Path) -> None:
    rewrite(path, b"qmia/logs/2", b"qmia/logs/9")
    with pytest.raises(InputError, match="qmia/logs/9"):
        Archive(path)


@pytest.mark.parametrize("content", [b"", b"no archive at all"])
def test_archive__of_something_else__is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="no archive"):
        Archive(path)


def test_archive__missing__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        Archive(tmp_path / "none")


def test_require__another_deployment__is_refused_and_named(path: Path) -> None:
    own = everything().header.deployment
    archive = Archive(path)
    archive.require(replace(own, salt="0xaa"))  # says nothing about the contracts
    with pytest.raises(ConfigError, match="on chain 5"):
        archive.require(replace(own, chain_id=5))
    other = {**own.contracts, "DataAuction": own.contracts["DstFactory"]}
    with pytest.raises(ConfigError, match=own.address("DstFactory")):
        archive.require(replace(own, contracts=other))


def test_command__contract_text__must_be_the_one_in_the_terms(path: Path, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.txt", tmp_path / "wrong.txt"
    right.write_bytes(AGREEMENT)
    wrong.write_bytes(AGREEMENT + b"!")
    command = ["replay", str(path), "--auction", "1", "--agreement"]
    assert CliRunner().invoke(app, [*command, str(right)]).exit_code == 0
    done = CliRunner().invoke(app, [*command, str(wrong)])
    assert done.exit_code == 1
    assert "terms.agreement" in done.stdout
    done = CliRunner().invoke(app, [*command, str(tmp_path / "none")])
    assert isinstance(done.exception, InputError)
