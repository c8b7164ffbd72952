"""All settings of an operator, typed; see `oracles.service.settings` for where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Field, SecretStr

from oracles.operator.policy import ServicePolicy
from oracles.scoring import GIB, Scoring
from oracles.service import settings as service
from oracles.service.settings import NodeName, ServiceSettings, StoreName, without_credentials


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
        reserve_bytes: nothing more is fetched while less room than this is on the disk, so that the
            daemon itself can always write.
    """

    data: list[StoreName] = Field(default_factory=list, json_schema_extra={"stores": True})
    pins: list[NodeName] = Field(default_factory=list)
    pin_quorum: int = Field(default=1, ge=1)
    evidence_days: float = Field(default=365, ge=0)
    evidence_bytes: int = Field(default=10 * GIB, ge=0)
    cache_bytes: int = Field(default=20 * GIB, ge=0)
    reserve_bytes: int = Field(default=GIB, ge=0)


class Exchange(BaseModel, extra="forbid"):
    """How signed reports travel between operators.

    Attributes:
        directory: shared folder; every operator writes to its own subfolder only.
        listen: `host:port` of this operator's HTTP server; empty for none.
        peers: base URLs of other operators' servers.
        public_url: where others reach this server; announced on chain if `announce` is set.
        ipfs: IPFS node to publish on, and to read announced `ipfs://` locations with.
        announce: send an announcement transaction in each round (costs gas).
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


class Settings(ServiceSettings):
    """Everything that `qmia operator` can be told, besides `ServiceSettings`.

    Attributes:
        state: also of evidence and caches.
        encryption_keystore: encrypted encryption key, same passphrase.
        encryption_key: encryption key in the clear (hexadecimal), for local nets.
        old_encryption_keystores: earlier encryption keys, still good for opening data sets.
        turn_seconds: how long each operator waits for the one whose turn is before.
        roll_share: share of the roll window after which this operator says what it holds, though
            some samples are not here yet.
        publish_share: share of the open window left when an incomplete round makes this operator
            publish its vector on chain.
        slash: prove other operators' offences (costs gas).
        housekeeping: count the roll, resolve challenges, take scores over, abort failed auctions
            (costs gas).
        policy: which auctions are served.
    """

    SECRETS: ClassVar[tuple[str, ...]] = (*ServiceSettings.SECRETS, "encryption_key")

    encryption_keystore: Path | None = None
    encryption_key: SecretStr | None = None
    encryption_key_file: Path | None = None
    old_encryption_keystores: list[Path] = Field(default_factory=list)

    turn_seconds: float = Field(default=60, ge=0)
    roll_share: float = Field(default=0.6, gt=0, lt=1)
    publish_share: float = Field(default=0.35, gt=0, lt=1)
    slash: bool = True
    housekeeping: bool = True

    stores: Stores = Field(default_factory=Stores)
    exchange: Exchange = Field(default_factory=Exchange)
    scoring: Scoring = Field(default_factory=Scoring)
    policy: ServicePolicy = Field(default_factory=ServicePolicy)

    def public(self) -> dict[str, Any]:
        """All settings without secrets, for the log; credentials in URLs are left out."""
        values = super().public()
        values["exchange"]["peers"] = [without_credentials(url) for url in self.exchange.peers]
        return values


def load(path: Path | None = None, **flags: Any) -> Settings:
    """Read the settings; warn where the environment replaces what the file says.

    Args:
        path: TOML file.
        flags: what was given on the command line; None is not given.

    Raises:
        ConfigError: the file cannot be read, or a setting is missing or wrong.
    """
    return service.load(Settings, path, **flags)
