"""Commands that serve until they are stopped: where they listen, and what if they cannot."""

from __future__ import annotations

import socket
from typing import Any

from oracles.errors import InputError


def address(listen: str) -> tuple[str, int]:
    """Host and port of `host:port`; without a host it is this machine alone.

    Raises:
        InputError: it is none.
    """
    host, _, port = listen.rpartition(":")
    if not (port.isdecimal() and int(port) < 1 << 16):
        raise InputError(f"--listen takes an address and a port, as 127.0.0.1:8080; not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def listening(listen: str) -> socket.socket:
    """A socket that listens there, before anything else is opened or said.

    Raises:
        InputError: it is no address, or not free.
    """
    host, port = address(listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"cannot listen on {listen}: {reason}; choose another --listen") from error


def serve(app: Any, here: socket.socket, **options: Any) -> None:
    """Answer until Ctrl-C or SIGTERM.

    Args:
        app: an ASGI application.
        here: where it listens.
        options: of uvicorn.
    """
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", **options)
    uvicorn.Server(config).run(sockets=[here])
