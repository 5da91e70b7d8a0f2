"""Coroutines that seldom wait, without a task of their own."""

from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """The rest of a coroutine that has run up to its first wait, for a task to go on with."""

    def __init__(self, rest: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._rest = rest
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001  # also a cancellation is its matter
                step = partial(self._rest.throw, error)
            else:
                step = partial(self._rest.send, None)
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


def begun(coroutine: Coroutine[Any, Any, T]) -> T | Begun[T]:
    """What it returns, if it has to wait for nothing; else what is left of it, to be awaited."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    return Begun(coroutine, waits_for)
