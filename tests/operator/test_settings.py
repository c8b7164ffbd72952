"""Settings: precedence, secrets, and what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from oracles.errors import ConfigError
from oracles.operator.settings import load

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = 'rpc = ["http://u:p@node/key"]\ndeployment = "d.json"\nstate = "s"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "operator.toml"
    path.write_text(MINIMAL)
    return path


def test_load__relative_paths_in_the_file__are_relative_to_it(config: Path) -> None:
    config.write_text(
        MINIMAL + 'old_encryption_keystores = ["o.json"]\n'
        '[stores]\ndata = ["data", "ipfs:/ip4/127.0.0.1/tcp/5001/http"]\n'
    )
    settings = load(config)
    assert settings.deployment == config.parent / "d.json"
    assert settings.old_encryption_keystores == [config.parent / "o.json"]
    assert settings.stores.data == [
        str(config.parent / "data"),
        "ipfs:/ip4/127.0.0.1/tcp/5001/http",
    ]


def test_load__flags_before_environment_before_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(MINIMAL + 'max_fee_gwei = 1\n[exchange]\nlisten = "a:1"\ntimeout = 3\n')
    monkeypatch.setenv("QMIA_MAX_FEE_GWEI", "2")
    monkeypatch.setenv("QMIA_EXCHANGE__LISTEN", "b:2")
    settings = load(config, rpc=None)
    assert settings.max_fee_gwei == 2
    assert (settings.exchange.listen, settings.exchange.timeout) == ("b:2", 3)
    assert load(config, max_fee_gwei=3).max_fee_gwei == 3
    assert load(config, rpc=["http://x"]).rpc == ["http://x"]


def test_load__secret_from_a_file__is_read_and_never_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = config.parent / "secret"
    secret.write_text("correct horse\n")
    monkeypatch.setenv("QMIA_PASSPHRASE_FILE", str(secret))
    settings = load(config)
    assert settings.passphrase is not None
    assert settings.passphrase.get_secret_value() == "correct horse"
    shown = f"{settings!r} {settings.public()}"
    assert "correct" not in shown
    assert settings.public()["rpc"] == ["http://node"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rpx = 1\n", "rpx"),
        ("[scoring]\nworker = 2\n", "scoring.worker"),
        ('[stores]\ndata = ["ftp://x.example"]\n', "stores.data.0: .* not a store"),
        ('[stores]\npins = ["folder"]\n', "stores.pins.0: .* no IPFS node"),
        ('block = "newest"\n', "block"),
        ("poll_seconds = 0\n", "poll_seconds"),
        ('keystore = "k"\nprivate_key = "hush"\n', "exclude"),
        ('remote_signer = "http://s"\n', "address"),
        ('passphrase = "hush"\npassphrase_file = "f"\n', "not both"),
        ('private_key_file = "nowhere"\n', "private_key_file"),
        ("= 1\n", "cannot read"),
    ],
)
def test_load__wrong_settings__said_without_secrets(
    config: Path, text: str, complaint: str
) -> None:
    config.write_text(MINIMAL + text)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load(config)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["http://a,http://b", " http://a , http://b", '["http://a", "http://b"]']
)
def test_load__rpc_in_the_environment__plain_with_commas_or_json(
    config: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("QMIA_RPC", value)
    assert load(config).rpc == ["http://a", "http://b"]
    monkeypatch.setenv("QMIA_RPC", "http://a")
    assert load(config).rpc == ["http://a"]


def test_load__variable_that_makes_no_sense__one_sentence(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QMIA_EXCHANGE__PEERS", "http://a")
    with pytest.raises(ConfigError, match="exchange"):
        load(config)
    monkeypatch.delenv("QMIA_EXCHANGE__PEERS")
    monkeypatch.setenv("QMIA_RPC", "[")
    with pytest.raises(ConfigError, match="rpc"):
        load(config)


def test_load__environment_replaces_what_the_file_says__warned_without_the_values(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        'keystore = "k.json"\nmax_fee_gwei = 7\n' + MINIMAL + '[exchange]\nlisten = "a:1"\n'
    )
    monkeypatch.setenv("QMIA_KEYSTORE", "/hush.json")
    monkeypatch.setenv("QMIA_MAX_FEE_GWEI", "7")
    monkeypatch.setenv("QMIA_EXCHANGE__LISTEN", "b:2")
    monkeypatch.setenv("QMIA_PASSPHRASE", "hush")
    with capture_logs() as said:
        load(config)
    warned = {line["variable"] for line in said}
    assert warned == {"QMIA_KEYSTORE", "QMIA_EXCHANGE__LISTEN"}
    assert "hush" not in str(said)


def test_load__missing_file_or_setting__said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="deployment"):
        load(rpc=["http://x"], state=tmp_path)
