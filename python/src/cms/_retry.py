"""Repeats a transaction that conflicts with others. This module is loaded on first use."""

from __future__ import annotations

from functools import wraps
from random import random
from time import sleep
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

from ._errors import Conflict
from ._txn import Transaction

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Concatenate, ParamSpec, Type, TypeVar

    from ._store import Store

    _P = ParamSpec("_P")
    _R = TypeVar("_R")

# How many seconds to wait before the second attempt, at most; each further wait is twice as long, up to the last.
_FIRST_WAIT, _LONGEST_WAIT = 0.001, 0.2


class Attempt(Transaction):
    """A transaction of a loop: its block goes on behind a Conflict, and the loop begins another one."""

    __slots__ = ("_is_last", "ended")

    def __init__(self, store: Store, is_last: bool) -> None:
        super().__init__(store)
        self._is_last = is_last
        # Whether its block was left without a conflict.
        self.ended = False

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> bool:
        try:
            super().__exit__(kind, error, trace)
        except Conflict:
            if self._is_last:
                raise
            return True
        if isinstance(error, Conflict) and not self._is_last:
            return True
        self.ended = True
        return False


class Retry:
    """Transactions until one is committed without a conflict: a loop or a decorator. See `Store.retry`."""

    def __init__(self, store: Store, attempts: int, message: Optional[str]) -> None:
        if attempts < 1:
            raise ValueError("there is at least one attempt")
        self._store, self._attempts, self._message = store, attempts, message

    def __iter__(self) -> Iterator[Transaction]:
        wait = _FIRST_WAIT
        for left in range(self._attempts - 1, -1, -1):
            attempt = Attempt(self._store, left == 0)
            attempt.prepare(self._message, None, False)
            yield attempt
            if attempt.is_open:
                attempt.rollback()
                raise RuntimeError("the transaction of a retry loop is used in a block: with txn:")
            if attempt.ended:
                return
            # At random, so that programs that conflict do not begin again together.
            sleep(random() * wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    def __call__(self, function: Callable[Concatenate[Transaction, _P], _R]) -> Callable[_P, _R]:
        """Makes a function of a transaction one that begins and commits it, as often as needed."""

        @wraps(function)
        def call(*arguments: _P.args, **named: _P.kwargs) -> _R:
            result: Any = None
            for txn in self:
                with txn:
                    result = function(txn, *arguments, **named)
            return result  # type: ignore[no-any-return]

        return call
