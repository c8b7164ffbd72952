"""The running meter: the proxy, what other commands add, and periods that end by the clock."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Final

import structlog

from oracles.errors import ConfigError, InputError, QmiaError
from oracles.files import write_file
from oracles.meter.inbox import refuse, taken
from oracles.meter.posting import post

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from oracles.chain.client import Sender
    from oracles.chain.deployment import Deployment
    from oracles.meter.proxy import Proxy, Writer

log: structlog.stdlib.BoundLogger = structlog.get_logger()

#: Seconds between two looks at what other commands left.
_LOOK: Final = 1.0
#: Seconds after which a period that could not be posted is tried again.
_AGAIN: Final = 60.0
_SALT: Final = "salt"


class Service:
    """The meter as an ASGI application.

    Args:
        proxy: serves requests.
        writer: of the log.
        sender: posts periods.
        deployment: where the contracts are.
        mut: whom periods pay.
        every: seconds between two ends of periods; None for none.
    """

    def __init__(
        self,
        proxy: Proxy,
        writer: Writer,
        sender: Sender,
        deployment: Deployment,
        mut: str,
        *,
        every: int | None,
    ) -> None:
        self._proxy, self._writer = proxy, writer
        self._sender, self._deployment, self._mut = sender, deployment, mut
        self._every = every

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or the program's life (ASGI 3)."""
        if scope["type"] != "lifespan":
            await self._proxy(scope, receive, send)
            return
        work = [asyncio.create_task(self._take())]
        if self._every is not None:
            work.append(asyncio.create_task(self._end_periods(self._every)))
        try:
            await self._proxy(scope, receive, send)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _take(self) -> None:
        """Write what other commands left."""
        while True:
            try:
                for path, kind, data in list(taken(self._writer.usage.folder)):
                    # A meter that was killed between the two lines below finds it in the log.
                    if data.get("ref") not in self._writer.usage.refs:
                        try:
                            await self._writer.append(kind, data)
                        except InputError as error:
                            log.error("an entry is refused", file=path.name, error=str(error))
                            refuse(path)
                            continue
                    path.unlink()
            except (QmiaError, OSError) as error:
                log.error("an entry of another command waits", error=str(error))
            await asyncio.sleep(_LOOK)

    async def _end_periods(self, every: int) -> None:
        """Close a period every so often, and post it; what cannot be posted is tried again.

        Counted from the end of the last period, so that starting again puts nothing off.
        """
        usage = self._writer.usage
        started = time.time()
        while True:
            try:
                last = usage.periods[-1].end if usage.periods else started
                if time.time() >= last + every:
                    period = await self._writer.close_period()
                    log.info("period closed", number=period.number, revenue=period.revenue)
                if any(each.transaction is None for each in usage.periods):
                    await asyncio.to_thread(post, usage, self._sender, self._deployment, self._mut)
            except QmiaError as error:
                log.error("a period is not on chain yet", error=str(error))
                await asyncio.sleep(_AGAIN)
            await asyncio.sleep(_LOOK)


def salt(folder: Path) -> bytes:
    """What customers of a log are hashed with, made once: 32 bytes that stay private.

    Raises:
        ConfigError: it cannot be written or read.
    """
    path = folder / _SALT
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_file(path, secrets.token_hex(32) + "\n", private=True)
        return bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the salt {path}: {error}") from error
