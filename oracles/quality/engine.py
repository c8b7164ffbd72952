"""How the first pass is spread: this process, local processes, or a Ray cluster.

Each is an ordered map with a bounded number of batches under way, so memory stays bounded and the
result is the same whichever is used.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

from oracles.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from oracles.quality.score import Mapper

T = TypeVar("T")
R = TypeVar("R")
_BATCH = 32
#: Batches under way for each worker.
_AHEAD = 3


def _apply(function: Callable[[T], R], batch: Sequence[T]) -> list[R]:
    return [function(item) for item in batch]


def _windowed(
    submit: Callable[[Callable[[T], R], Sequence[T]], Any],
    wait: Callable[[Any], list[R]],
    window: int,
    function: Callable[[T], R],
    items: Iterable[T],
) -> Iterator[R]:
    """Results in order, with at most `window` batches submitted and not yet taken."""
    source, pending = iter(items), deque[Any]()
    while True:
        while len(pending) < window and (batch := list(islice(source, _BATCH))):
            pending.append(submit(function, batch))
        if not pending:
            return
        yield from wait(pending.popleft())


@contextmanager
def local_map(processes: int) -> Iterator[Mapper]:
    """A map over processes of this machine; one process is plain `map`."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as executor:

        def spread(function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
            return _windowed(
                lambda f, batch: executor.submit(_apply, f, batch),
                lambda future: future.result(),
                _AHEAD * processes,
                function,
                items,
            )

        yield spread


@contextmanager
def ray_map(address: str | None = None) -> Iterator[Mapper]:
    """A map over a Ray cluster; without an address one is started on this machine.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError("Ray is not installed; pip install 'qmia[cluster]'") from error
    ray.init(address=address, logging_level="ERROR", include_dashboard=False)
    try:
        task = ray.remote(_apply)
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)))

        def spread(function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
            shared = ray.put(function)
            return _windowed(
                lambda _, batch: task.remote(shared, batch),
                ray.get,
                _AHEAD * workers,
                function,
                items,
            )

        yield spread
    finally:
        ray.shutdown()
