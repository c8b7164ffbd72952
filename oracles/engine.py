"""How work on many items is spread: this process, local processes, or a Ray cluster.

Each is an ordered map with a bounded number of batches under way, so memory stays bounded and the
result is the same whichever is used.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from oracles.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")
#: Items sent at once, unless each is a long piece of work.
BATCH: Final = 32
#: Batches under way for each worker.
_AHEAD = 3


class Mapper(Protocol):
    """An ordered map: the built-in one, or one over processes or a cluster."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """Results of the function on the items, in their order."""
        ...


@contextmanager
def open_map(
    processes: int = 1, *, cluster: str | None = None, batch: int = BATCH
) -> Iterator[Mapper]:
    """A map over this machine, or over a cluster where one is named.

    Args:
        processes: of this machine; one is plain `map`.
        cluster: address of a Ray cluster, or "local" to start one on this machine.
        batch: items sent at once; 1 for long pieces of work.

    Raises:
        ConfigError: Ray is not installed, or does not answer.
    """
    if cluster is not None:
        with _ray_map(None if cluster == "local" else cluster, batch) as mapper:
            yield mapper
    elif processes == 1:
        yield map
    else:
        with _process_map(processes, batch) as mapper:
            yield mapper


def _apply(function: Callable[[T], R], batch: Sequence[T]) -> list[R]:
    return [function(item) for item in batch]


def _windowed(
    submit: Callable[[Callable[[T], R], Sequence[T]], Any],
    wait: Callable[[Any], list[R]],
    window: int,
    batch: int,
    function: Callable[[T], R],
    items: Iterable[T],
) -> Iterator[R]:
    """Results in order, with at most `window` batches submitted and not yet taken."""
    source, pending = iter(items), deque[Any]()
    while True:
        while len(pending) < window and (taken := list(islice(source, batch))):
            pending.append(submit(function, taken))
        if not pending:
            return
        yield from wait(pending.popleft())


@contextmanager
def _process_map(processes: int, batch: int) -> Iterator[Mapper]:
    with ProcessPoolExecutor(processes, get_context("spawn")) as executor:

        def spread(function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
            return _windowed(
                lambda f, taken: executor.submit(_apply, f, taken),
                lambda future: future.result(),
                _AHEAD * processes,
                batch,
                function,
                items,
            )

        yield spread


@contextmanager
def _ray_map(address: str | None, batch: int) -> Iterator[Mapper]:
    try:
        import ray
    except ImportError as error:
        raise ConfigError("Ray is not installed; pip install 'qmia[cluster]'") from error
    started = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address, logging_level="ERROR", **started)
    except ConnectionError as error:
        raise ConfigError(f"no Ray cluster answers at {address}: {error}") from error
    try:
        task = ray.remote(_apply)
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

        def spread(function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
            shared = ray.put(function)
            return _windowed(
                lambda _, taken: task.remote(shared, taken),
                ray.get,
                _AHEAD * workers,
                batch,
                function,
                items,
            )

        yield spread
    finally:
        ray.shutdown()
