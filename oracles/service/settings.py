"""Settings that every long-running program has: flags, then environment (QMIA_…), then a TOML file.

A secret `x` may be given by the name of a file that holds it, `x_file`; secrets are never printed.
Relative paths in the file are relative to the file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar

import structlog
from eth_utils.address import is_hex_address, to_checksum_address
from pydantic import (
    AfterValidator,
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

from oracles.chain.keystore import keystore_address, read_secret
from oracles.chain.signers import LocalSigner, RemoteSigner
from oracles.config import read_toml, settings_error
from oracles.errors import ConfigError, InputError
from oracles.evidence.store import is_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oracles.chain.signers import Signer

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
#: A hexadecimal address, made checksummed.
Address = Annotated[str, AfterValidator(_address)]
#: An IPFS node.
NodeName = Annotated[str, AfterValidator(_node)]


class ServiceSettings(BaseSettings):
    """What a program needs that follows a chain and sends with one key.

    Attributes:
        rpc: JSON-RPC addresses; the first that answers is used.
        deployment: file that says where the contracts are.
        state: folder of the journal. One for each key; never share or restore it.
        block: the newest block that may be built on: `finalized`, `safe`, or `latest` (local nets).
        poll_seconds: pause between cycles.
        keystore, passphrase: encrypted signing key.
        private_key: signing key in the clear, for local nets.
        remote_signer, address: JSON-RPC of a signer that holds the key, and the key's address.
        max_fee_gwei: pay no more for a unit of gas, but where an operator's stake is at risk.
        replace_seconds: replace a transaction that is not mined after this time.
        log: `json` or `console`.
    """

    model_config = SettingsConfigDict(
        env_prefix="QMIA_", env_nested_delimiter="__", extra="forbid", env_ignore_empty=True
    )
    #: Settings that are never shown, and may be given as a file each.
    SECRETS: ClassVar[tuple[str, ...]] = ("passphrase", "private_key")

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
    address: Address | None = None

    max_fee_gwei: float = Field(default=100, gt=0)
    replace_seconds: float = Field(default=60, gt=0)
    log: Literal["json", "console"] = "json"

    @model_validator(mode="after")
    def _secrets_from_files(self) -> ServiceSettings:
        for name in self.SECRETS:
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
        for key in self.SECRETS:
            values.pop(key, None)
        values["rpc"] = [without_credentials(url) for url in self.rpc]
        if self.remote_signer:
            values["remote_signer"] = without_credentials(self.remote_signer)
        return values

    def signer(self) -> Signer | None:
        """The signing key that the settings name; None means dry run.

        Raises:
            ConfigError: it cannot be opened.
        """
        if self.private_key is not None:
            try:
                return LocalSigner.from_secret(self.private_key.get_secret_value())
            except Exception as error:
                raise ConfigError("private_key is not 32 bytes in hexadecimal") from error
        if self.keystore is not None:
            return LocalSigner.from_keystore(self.keystore, self.opened_passphrase())
        if self.remote_signer is not None and self.address is not None:
            return RemoteSigner(self.remote_signer, self.address)
        return None

    def named_address(self) -> str | None:
        """The address that is meant, by the settings or by a keystore that need not be opened.

        Raises:
            ConfigError: a keystore does not say its address.
        """
        if self.address is not None:
            return self.address
        if self.keystore is not None:
            if stated := keystore_address(self.keystore):
                return stated
            raise ConfigError(f"{self.keystore} does not say its address; set `address`")
        signer = self.signer()
        return None if signer is None else signer.address

    def opened_passphrase(self) -> str:
        """The passphrase of keystores.

        Raises:
            ConfigError: none is set.
        """
        if self.passphrase is None:
            raise ConfigError("a keystore needs passphrase_file (or QMIA_PASSPHRASE_FILE)")
        return self.passphrase.get_secret_value()


def without_credentials(url: str) -> str:
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


S = TypeVar("S", bound=ServiceSettings)


def load(model: type[S], path: Path | None = None, **flags: Any) -> S:
    """Read the settings; warn where the environment replaces what the file says.

    Args:
        model: which settings.
        path: TOML file.
        flags: what was given on the command line; None is not given.

    Raises:
        ConfigError: the file cannot be read, or a setting is missing or wrong.
    """
    given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    given[_FILE] = path
    try:
        return model(**given)
    except SettingsError as error:
        raise ConfigError(f"{error}; lists in sections are JSON there") from error
    except ValidationError as error:
        raise settings_error(error) from error
