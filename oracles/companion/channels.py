"""How notices reach people: a webhook, and mail by SMTP."""

from __future__ import annotations

import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Protocol

import httpx

from oracles.errors import QmiaError

if TYPE_CHECKING:
    from oracles.companion.notices import Notice
    from oracles.companion.settings import Mail, Notify


class ChannelError(QmiaError):
    """A notice could not be sent; another try may succeed."""


class Channel(Protocol):
    """One way to people."""

    name: str

    def send(self, notice: Notice) -> None:
        """Send a notice once.

        Raises:
            ChannelError: it was not taken, as far as can be told.
        """


class Webhook:
    """POSTs a notice as a JSON object; its `id` stays the same if it is sent again.

    Args:
        url: address, never shown: it may hold a key.
        timeout: seconds.
    """

    name = "webhook"

    def __init__(self, url: str, timeout: float) -> None:
        self._url, self._timeout = url, timeout

    def send(self, notice: Notice) -> None:
        """POST it; any 2xx is a yes, whatever stands in the answer."""
        headers = {"Idempotency-Key": notice.id}
        try:
            # The answer's body is not read: it could be endless.
            with httpx.stream(
                "POST", self._url, json=notice.public(), headers=headers, timeout=self._timeout
            ) as reply:
                status = reply.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ChannelError(f"the webhook does not answer ({type(error).__name__})") from error
        if not 200 <= status < 300:
            raise ChannelError(f"the webhook answers HTTP {status}")


class Mailbox:
    """Sends a notice as mail. Its Message-ID stays the same if it is sent again.

    Args:
        settings: of the server, sender and recipients.
        timeout: seconds for each exchange.
    """

    name = "mail"

    def __init__(self, settings: Mail, timeout: float) -> None:
        self._settings, self._timeout = settings, timeout
        self._host, _, port = settings.server.rpartition(":")
        self._port = int(port)

    def send(self, notice: Notice) -> None:
        """Hand it to the server, for all recipients at once."""
        settings = self._settings
        mail = EmailMessage()
        mail["From"], mail["To"] = settings.sender, ", ".join(settings.to)
        mail["Subject"] = f"[qmia] {notice.title}"
        mail["Date"] = format_datetime(datetime.fromtimestamp(notice.made, UTC))
        mail["Message-ID"] = f"<{notice.id}@q-mia>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(f"{notice.text}\n")
        context = ssl.create_default_context()
        try:
            if settings.tls == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    self._host, self._port, timeout=self._timeout, context=context
                )
            else:
                server = smtplib.SMTP(self._host, self._port, timeout=self._timeout)
            with server:
                if settings.tls == "starttls":
                    server.starttls(context=context)
                if settings.user is not None and settings.password is not None:
                    server.login(settings.user, settings.password.get_secret_value())
                refused = server.send_message(mail)
        except (smtplib.SMTPException, OSError) as error:
            # The server's words may repeat what it was told, but no password.
            raise ChannelError(f"{settings.server} takes no mail: {_short(error)}") from error
        if refused:
            raise ChannelError(f"{settings.server} refuses {', '.join(refused)}")


def channels(settings: Notify) -> list[Channel]:
    """The ways that the settings name."""
    made: list[Channel] = []
    if settings.webhook:
        made.append(Webhook(settings.webhook, settings.timeout))
    if settings.mail:
        made.append(Mailbox(settings.mail, settings.timeout))
    return made


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
