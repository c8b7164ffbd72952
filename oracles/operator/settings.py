"""All settings of an operator, typed: flags, then environment (QMIA_…), then a TOML file.

A secret `x` may be given by the name of a file that holds it, `x_file`; secrets are never printed.
Relative paths in the file are relative to the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import structlog
from eth_utils.address import is_hex_address, to_checksum_address
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from oracles.chain.keystore import read_secret
from oracles.config import read_toml, settings_error
from oracles.errors import ConfigError, InputError
from oracles.evidence.store import is_node
from oracles.operator.policy import ServicePolicy
from oracles.scoring import GIB, Scoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Name under which `load` hands the file to the settings' sources.
_FILE: Final = "settings_file"


def _listed(value: Any) -> Any:
    """A list from a variable: JSON, or plain values with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [each.strip() for each in value.split(",") if each.strip()]


def _store(name: str) -> str:
    try:
        if not name.startswith(("https://", "http://")):
            is_node(name)
    except InputError as error:
        raise ValueError(f"{name}_file: {error}") from error
    return name


def _node(name: str) -> str:
    if name.startswith("http") or not is_node(_store(name)):
        raise ValueError(f"{name} is no IPFS node: write ipfs:/ip4/127.0.0.1/tcp/5001/http")
    return name


def _address(text: str) -> str:
    if not is_hex_address(text):
        raise ValueError(f"{text} is no address")
    return to_checksum_address(text)


#: A folder, an IPFS node or a gateway: see `oracles.evidence.open_store`.
StoreName = Annotated[str, AfterValidator(_store)]
#: An IPFS node.
NodeName = Annotated[str, AfterValidator(_node)]


class Stores(BaseModel, extra="forbid"):
    """Where data sets come from and evidence goes to.

    Attributes:
        data: folders, IPFS nodes (`ipfs:/ip4/…/tcp/5001/http`) or gateways (`https://…`), in the
            order of asking; the servers of `exchange.peers` are asked after them.
        pins: IPFS nodes that pin evidence besides the local directory.
        pin_quorum: of these, how many must have a bundle before it counts as pinned.
        evidence_days: evidence of closed auctions is kept this long.
        evidence_bytes: older evidence is kept too while the total stays below this.
        cache_bytes: while the total is larger than this, fetched files older than a month are
            deleted, the oldest first.
    """

    data: list[StoreName] = Field(default_factory=list, json_schema_extra={"stores": True})
    pins: list[NodeName] = Field(default_factory=list)
    pin_quorum: int = Field(default=1, ge=1)
    evidence_days: float = Field(default=365, ge=0)
    evidence_bytes: int = Field(default=10 * GIB, ge=0)
    cache_bytes: int = Field(default=20 * GIB, ge=0)


class Exchange(BaseModel, extra="forbid"):
    """How signed reports travel between operators.

    Attributes:
        directory: shared folder; every operator writes to its own subfolder only.
        listen: `host:port` of this operator's HTTP server; empty for none.
        peers: base URLs of other operators' servers.
        public_url: where others reach this server; announced on chain if `announce` is set.
        ipfs: IPFS node to publish on, and to read announced `ipfs://` locations with.
        announce: send an announcement transaction a round (costs gas).
        follow: fetch from locations that members of the set announced on chain.
        private_networks: announced locations may be on private or loopback addresses.
        timeout: seconds until one download is given up.
    """

    directory: Path | None = None
    listen: str = "127.0.0.1:9464"
    peers: list[str] = Field(default_factory=list)
    public_url: str | None = None
    ipfs: NodeName | None = None
    announce: bool = False
    follow: bool = True
    private_networks: bool = False
    timeout: float = Field(default=20, gt=0)


class Settings(BaseSettings):
    """Everything that `qmia operator` can be told.

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
        roll_share: share of the roll window after which this operator says what it holds, though
            some samples are not here yet.
        publish_share: share of the open window left when an incomplete round makes this operator
            publish its vector on chain.
        slash: prove other operators' offences (costs gas).
        housekeeping: count the roll, resolve challenges, take scores over, abort failed auctions
            (costs gas).
        policy: which auctions are served.
        log: `json` or `console`.
    """

    model_config = SettingsConfigDict(
        env_prefix="QMIA_", env_nested_delimiter="__", extra="forbid", env_ignore_empty=True
    )

    rpc: Annotated[list[str], NoDecode, BeforeValidator(_listed)] = Field(min_length=1)
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
    address: Annotated[str, AfterValidator(_address)] | None = None
    encryption_keystore: Path | None = None
    encryption_key: SecretStr | None = None
    encryption_key_file: Path | None = None
    old_encryption_keystores: list[Path] = Field(default_factory=list)

    max_fee_gwei: float = Field(default=100, gt=0)
    replace_seconds: float = Field(default=60, gt=0)
    turn_seconds: float = Field(default=60, ge=0)
    roll_share: float = Field(default=0.6, gt=0, lt=1)
    publish_share: float = Field(default=0.35, gt=0, lt=1)
    slash: bool = True
    housekeeping: bool = True
    log: Literal["json", "console"] = "json"

    stores: Stores = Field(default_factory=Stores)
    exchange: Exchange = Field(default_factory=Exchange)
    scoring: Scoring = Field(default_factory=Scoring)
    policy: ServicePolicy = Field(default_factory=ServicePolicy)

    @model_validator(mode="after")
    def _secrets_from_files(self) -> Settings:
        for name in ("passphrase", "private_key", "encryption_key"):
            file: Path | None = getattr(self, f"{name}_file")
            if file is None:
                continue
            if getattr(self, name) is not None:
                raise ValueError(f"give {name} or {name}_file, not both")
            try:
                setattr(self, name, SecretStr(read_secret(file)))
            except ConfigError as error:
                raise ValueError(f"{name}_file: {error}") from error
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
        """Flags, then environment, then the file that `load` names among the flags."""
        del dotenv_settings, file_secret_settings
        flags: dict[str, Any] = init_settings.init_kwargs  # type: ignore[attr-defined]
        path = flags.pop(_FILE, None)
        values = {} if path is None else read_toml(path, settings_cls)
        for name in _replaced(values, env_settings()):
            variable = f"QMIA_{name.replace('.', '__').upper()}"
            log.warning("the environment replaces a setting of the file", variable=variable)
        return init_settings, env_settings, InitSettingsSource(settings_cls, values)

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


def _replaced(file: Mapping[str, Any], environment: Mapping[str, Any]) -> Iterator[str]:
    """Settings, with their sections, that both name with different values."""
    for name in file.keys() & environment.keys():
        ours, theirs = file[name], environment[name]
        if isinstance(ours, dict) and isinstance(theirs, dict):
            yield from (f"{name}.{inner}" for inner in _replaced(ours, theirs))
        elif str(ours) != str(theirs):
            yield name


def load(path: Path | None = None, **flags: Any) -> Settings:
    """Read the settings; warn where the environment replaces what the file says.

    Args:
        path: TOML file.
        flags: what was given on the command line; None is not given.

    Raises:
        ConfigError: the file cannot be read, or a setting is missing or wrong.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    given[_FILE] = path
    try:
        return Settings(**given)
    except SettingsError as error:
        raise ConfigError(f"{error}; lists in sections are JSON there") from error
    except ValidationError as error:
        raise settings_error(error) from error
