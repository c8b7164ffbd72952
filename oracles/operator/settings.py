"""All settings of an operator, typed: flags, then environment (QMIA_…), then a TOML file.

A secret `x` may be given by the name of a file that holds it, `x_file`; secrets are never printed.
Relative paths in the file are relative to the file.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from oracles.errors import ConfigError

MIB = 1 << 20
GIB = 1 << 30


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Stores(_Section):
    """Where data sets come from and evidence goes to.

    Attributes:
        data: directories, or multiaddrs of IPFS nodes (`/ip4/…/tcp/5001/http`), in order.
        pins: IPFS nodes that pin evidence besides the local directory.
        pin_quorum: of these, how many must have a bundle before it counts as pinned.
        evidence_days: evidence of closed auctions is kept this long.
        evidence_bytes: and beyond that as long as all of it is smaller than this.
        cache_bytes: fetched files older than a month go beyond this.
    """

    data: list[str] = Field(default_factory=list, json_schema_extra={"paths": True})
    pins: list[str] = Field(default_factory=list)
    pin_quorum: int = Field(default=1, ge=1)
    evidence_days: float = Field(default=365, ge=0)
    evidence_bytes: int = Field(default=10 * GIB, ge=0)
    cache_bytes: int = Field(default=20 * GIB, ge=0)


class Exchange(_Section):
    """How signed reports travel between operators.

    Attributes:
        directory: shared folder; every operator writes to its own subfolder only.
        listen: `host:port` of this operator's HTTP server; empty for none.
        peers: base URLs of other operators' servers.
        public_url: where others reach this server; announced on chain if `announce` is set.
        ipfs: multiaddr of a node, to publish on and to read announced `ipfs://` locations with.
        announce: send an announcement transaction a round (costs gas).
        follow: fetch from locations that members of the set announced on chain.
        private_networks: announced locations may be on private or loopback addresses.
        timeout: seconds until one download is given up.
    """

    directory: Path | None = None
    listen: str = "127.0.0.1:9464"
    peers: list[str] = Field(default_factory=list)
    public_url: str | None = None
    ipfs: str | None = None
    announce: bool = False
    follow: bool = True
    private_networks: bool = False
    timeout: float = Field(default=20, gt=0)


class Scoring(_Section):
    """How data sets are scored. What is marked (m) is part of the metric version.

    Attributes:
        metric: (m) `full`, or `package.module:function` for another scorer, which must be allowed
            by setting `allow_foreign` too.
        allow_foreign: load scorers from outside this package.
        seed_corpus: (m) documents that the base model is trained on.
        evaluations: folder of held-out sets, each named `<digest>.jsonl`.
        q_min: (m) least q of an eligible provider, in 1e-4.
        max_archive_bytes: (m) larger archives are not accepted.
        max_plain_bytes: (m) nor such as decompress to more.
        memory_bytes: address space of the scoring process.
        workers: processes that a scorer may use.
        fetch_share: share of the commit window after which a data set that cannot be fetched is
            scored as missing.
    """

    metric: str = "full"
    allow_foreign: bool = False
    seed_corpus: Path | None = None
    evaluations: Path | None = None
    q_min: int = Field(default=1000, ge=0, le=10_000)
    max_archive_bytes: int = Field(default=8 * GIB, gt=0)
    max_plain_bytes: int = Field(default=64 * GIB, gt=0)
    memory_bytes: int = Field(default=16 * GIB, gt=0)
    workers: int = Field(default=1, ge=1)
    fetch_share: float = Field(default=0.4, gt=0, lt=1)


class Settings(BaseSettings):
    """Everything that `qmia oracle` can be told.

    Attributes:
        rpc: JSON-RPC addresses; the first that answers is used.
        deployment: file that says where the contracts are.
        state: folder of the journal, evidence and caches. One a key; never share or restore it.
        block: the newest block that may be built on: `finalized`, `safe`, or `latest` (local nets).
        poll_seconds: pause between cycles.
        keystore, passphrase: encrypted signing key.
        private_key: signing key in the clear, for local nets.
        remote_signer, address: JSON-RPC of a signer that holds the key, and the key's address.
        encryption_keystore: encrypted encryption key, same passphrase.
        encryption_key: encryption key in the clear (hexadecimal), for local nets.
        old_encryption_keystores: earlier encryption keys, still good for opening data sets.
        max_fee_gwei: never pay more for a unit of gas.
        replace_seconds: replace a transaction that is not mined after this time.
        turn_seconds: how long each operator waits for the one whose turn is before.
        publish_share: share of the open window left when an incomplete round makes this operator
            publish its vector on chain.
        slash: prove other operators' offences (costs gas).
        housekeeping: resolve challenges and abort failed auctions (costs gas).
        log: `json` or `console`.
    """

    model_config = SettingsConfigDict(
        env_prefix="QMIA_", env_nested_delimiter="__", extra="forbid", env_ignore_empty=True
    )

    rpc: list[str] = Field(min_length=1)
    deployment: Path
    state: Path
    block: Literal["finalized", "safe", "latest"] = "finalized"
    poll_seconds: float = Field(default=6, gt=0)

    keystore: Path | None = None
    passphrase: SecretStr | None = None
    passphrase_file: Path | None = None
    private_key: SecretStr | None = None
    private_key_file: Path | None = None
    remote_signer: str | None = None
    address: str | None = None
    encryption_keystore: Path | None = None
    encryption_key: SecretStr | None = None
    encryption_key_file: Path | None = None
    old_encryption_keystores: list[Path] = Field(default_factory=list)

    max_fee_gwei: float = Field(default=100, gt=0)
    replace_seconds: float = Field(default=60, gt=0)
    turn_seconds: float = Field(default=60, ge=0)
    publish_share: float = Field(default=0.35, gt=0, lt=1)
    slash: bool = True
    housekeeping: bool = True
    log: Literal["json", "console"] = "json"

    stores: Stores = Field(default_factory=Stores)
    exchange: Exchange = Field(default_factory=Exchange)
    scoring: Scoring = Field(default_factory=Scoring)

    @model_validator(mode="after")
    def _secrets_from_files(self) -> Settings:
        for name in ("passphrase", "private_key", "encryption_key"):
            file: Path | None = getattr(self, f"{name}_file")
            if file is None:
                continue
            if getattr(self, name) is not None:
                raise ValueError(f"give {name} or {name}_file, not both")
            try:
                setattr(self, name, SecretStr(file.read_text().strip()))
            except OSError as error:
                raise ValueError(f"cannot read {name}_file: {error.strerror}") from error
        ways = [self.keystore, self.private_key, self.remote_signer]
        if sum(way is not None for way in ways) > 1:
            raise ValueError("keystore, private_key and remote_signer exclude each other")
        if self.remote_signer is not None and self.address is None:
            raise ValueError("a remote signer needs the address of its key")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment; the file is added by `load`."""
        del settings_cls, dotenv_settings, file_secret_settings
        return init_settings, env_settings

    def public(self) -> dict[str, Any]:
        """All settings without secrets, for the log; credentials in URLs are left out."""
        values: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        for key in ("passphrase", "private_key", "encryption_key"):
            values.pop(key, None)
        values["rpc"] = [_without_credentials(url) for url in self.rpc]
        values["exchange"]["peers"] = [_without_credentials(url) for url in self.exchange.peers]
        if self.remote_signer:
            values["remote_signer"] = _without_credentials(self.remote_signer)
        return values


def _without_credentials(url: str) -> str:
    """Scheme and host: paths and queries of RPC providers hold access keys."""
    scheme, _, rest = url.partition("://")
    host = rest.split("/")[0].split("?")[0].rpartition("@")[2]
    return f"{scheme}://{host}"


def load(path: Path | None = None, **flags: Any) -> Settings:
    """Read the settings.

    Args:
        path: TOML file.
        flags: what was given on the command line; None is not given.

    Raises:
        ConfigError: the file cannot be read, or a setting is missing or wrong.
    """
    values = {} if path is None else _read(path)

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            above = super().settings_customise_sources(settings_cls, *args, **sources)
            return *above, InitSettingsSource(settings_cls, values)

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return FromFile(**given)
    except ValidationError as error:
        raise _wrong(error) from error


def load_scoring(path: Path | None = None) -> Scoring:
    """Read the scoring settings alone, for who scores without being an operator.

    Raises:
        ConfigError: see `load`.
    """
    try:
        return Scoring(**({} if path is None else _read(path).get("scoring", {})))
    except ValidationError as error:
        raise _wrong(error) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the settings in {path}: {error}") from error
    _anchor(Settings, values, path.resolve().parent)
    return values


def _wrong(error: ValidationError) -> ConfigError:
    # Not `str(error)`: it repeats the input, which may be a secret.
    problems = "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}"
        for problem in error.errors(include_input=False, include_context=False)
    )
    return ConfigError(f"settings are wrong: {problems}")


def is_node(address: str) -> bool:
    """Whether a store's address is a node's multiaddr rather than a folder."""
    return address.split("/")[1:2] in (["ip4"], ["ip6"], ["dns"], ["dns4"], ["dns6"])


def _anchor(model: type[BaseModel], values: dict[str, Any], base: Path) -> None:
    """Make the relative paths in a file absolute."""
    for name, field in model.model_fields.items():
        value, kind = values.get(name), field.annotation
        extra = field.json_schema_extra
        paths = isinstance(extra, dict) and extra.get("paths")
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel):
            _anchor(kind, value, base)
        elif isinstance(value, str) and (kind is Path or Path in get_args(kind)):
            values[name] = str(base / value)
        elif isinstance(value, list) and (
            paths or (get_origin(kind) is list and Path in get_args(kind))
        ):
            values[name] = [
                each if paths and is_node(str(each)) else str(base / str(each)) for each in value
            ]
