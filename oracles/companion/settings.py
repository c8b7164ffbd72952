"""All settings of a companion, typed; see `oracles.service.settings` for where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, model_validator

from oracles.chain.keystore import read_secret
from oracles.errors import ConfigError, InputError
from oracles.service import settings as service
from oracles.service.settings import ServiceSettings, StoreName, without_credentials
from oracles.when import duration


def _seconds(value: Any) -> Any:
    try:
        return duration(value) if isinstance(value, str) else value
    except InputError as error:
        raise ValueError(str(error)) from error


def _digest(value: Any) -> Any:
    text = str(value).lower()
    if len(text) != 66 or not text.startswith("0x"):
        raise ValueError(f"{value!r} is no digest: write 0x and 64 hexadecimal digits")
    return text


#: A length of time: seconds, or `90 min`, `12 h`, `7 d`.
Seconds = Annotated[int, BeforeValidator(_seconds), Field(gt=0)]
Digest = Annotated[str, BeforeValidator(_digest)]


class Automatic(BaseModel, extra="forbid"):
    """What is done without asking.

    Attributes:
        open, reveal, deliver: what a bid loses its bond by not doing.
        claim: take cash, MUT and bond, and the bonds of withdrawn bids.
        revenue: collect the revenue of MUT.
        dst: take participation tokens, once somebody has had them counted.
        housekeeping: abort an auction that failed, and strike out winners who delivered nothing,
            where nobody else does it and it keeps money back.
    """

    open: bool = True
    reveal: bool = True
    deliver: bool = True
    claim: bool = True
    revenue: bool = True
    dst: bool = True
    housekeeping: bool = True


class BidPolicy(BaseModel, extra="forbid"):
    """For which bids it is done; the others are left to people, who are told.

    Attributes:
        most_bond: ether at stake with one bid, at most.
        agreements: digests of the contract texts that bids may be under, besides none; any by
            default.
        least_cash: cash that a winner is paid, as a share of what it bid, at least. Below that no
            data key is handed over by itself. It matters where part of a reward is MUT.
    """

    most_bond: float | None = Field(default=None, gt=0)
    agreements: list[Digest] | None = None
    least_cash: float = Field(default=0, ge=0)


class Mail(BaseModel, extra="forbid"):
    """Where notices go by SMTP.

    Attributes:
        server: `host:port`.
        sender: address of the sender.
        to: addresses of the recipients.
        tls: `starttls` (port 587), `tls` (port 465), or `none` for a relay on this machine.
        user, password: where the server asks for them.
    """

    server: str = Field(pattern=r"^[^:\s]+:\d{1,5}$")
    sender: str = Field(min_length=3)
    to: list[str] = Field(min_length=1)
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _secret(self) -> Mail:
        for address in (self.sender, *self.to):
            if not address.isprintable() or " " in address:
                raise ValueError("an address of mail is one word")
        if self.password_file is not None:
            if self.password is not None:
                raise ValueError("give password or password_file, not both")
            try:
                self.password = SecretStr(read_secret(self.password_file))
            except ConfigError as error:
                raise ValueError(f"password_file: {error}") from error
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together")
        return self


class Notify(BaseModel, extra="forbid"):
    """What people are told, and how.

    Attributes:
        lead: how long before a deadline, while what is due is not done.
        done: tell also of what was done.
        webhook: address that takes a JSON object by POST.
        mail: by SMTP.
        timeout: seconds until one attempt is given up.
        keep: how long a notice that cannot be sent is tried again.
    """

    lead: list[Seconds] = Field(default_factory=lambda: [86_400, 7_200, 1_200])
    done: bool = True
    webhook: str | None = Field(default=None, pattern=r"^https?://[^/\s]+")
    mail: Mail | None = None
    timeout: float = Field(default=20, gt=0)
    keep: Seconds = 3 * 86_400


class Settings(ServiceSettings):
    """Everything that `qmia provider run` can be told, besides `ServiceSettings`.

    Attributes:
        book: the bid book; what it holds can be opened, revealed and delivered.
        shares: folder of shares (`qmia provider share`), for acting for others.
        store: where archives are, and where openings go.
        listen: `host:port` of /livez, /readyz and /metrics; empty for none.
        last_fee_gwei: most for a unit of gas in the last third of a window in which a bond is lost;
            `max_fee_gwei` by default.
        near: it is not ready while a deadline is this near, or half of its window is over, and
            nothing could be sent.
        least_balance: ether that the key should have for gas; below it people are told.
        revenue_days: revenue is collected at most once in so many days.
    """

    state: Path = Path("companion")
    deployment: Path = Path("deployment.json")

    book: Path | None = None
    shares: Path | None = None
    store: StoreName = Field(default="store", json_schema_extra={"stores": True})
    listen: str = "127.0.0.1:9465"
    last_fee_gwei: float | None = Field(default=None, gt=0)
    near: Seconds = 1800
    least_balance: float = Field(default=0.01, ge=0)
    revenue_days: float = Field(default=7, ge=0)

    automatic: Automatic = Field(default_factory=Automatic)
    policy: BidPolicy = Field(default_factory=BidPolicy)
    notify: Notify = Field(default_factory=Notify)

    @model_validator(mode="after")
    def _holdings(self) -> Settings:
        if self.book is None and self.shares is None:
            raise ValueError("name the bid book (`book`), or a folder of others' `shares`")
        return self

    def public(self) -> dict[str, Any]:
        """All settings without secrets, for the log; credentials in URLs are left out."""
        values = super().public()
        if self.notify.webhook:
            values["notify"]["webhook"] = without_credentials(self.notify.webhook)
        if self.notify.mail:
            values["notify"]["mail"].pop("password", None)
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
