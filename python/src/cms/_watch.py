"""Changes as they happen. This module is loaded on first use."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any, Callable, List, Optional, TypeVar

from . import _ffi, _library
from ._errors import Error, Refused, check, exception
from ._ffi import CMS_ERR_END, CMS_SINCE_NOW
from ._history import Entry, event
from ._keys import encode

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

    from ._store import Store


_Decide = TypeVar("_Decide", bound="Callable[[Entry], object]")


class _Handle:
    """The base of watches and subscriptions, which can be closed."""

    _ref: Any
    _why = "is closed"

    def _use(self) -> Any:
        ref = self._ref
        if ref is None:
            raise ValueError(f"the {type(self).__name__.lower()} {self._why}")
        return ref

    def _forked(self) -> None:
        self._ref, self._why = None, "belongs to the process that opened it"

    def close(self) -> None:
        raise NotImplementedError

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()


class Watch(_Handle):
    """The transactions that change watched keys: each once, in order, when its data can be read.

    Iterating waits for the next one, with `for` as with `async for`, until any thread or task closes the watch. One
    thread or task iterates at a time. Pending transactions stay in the log and cost writers nothing. Stale means that
    the log has dropped some of them: read everything again; the watch continues from there."""

    def __init__(self, store: Store, pattern: str, since: Optional[int], merge: bool) -> None:
        self._lib = lib = _library.library()
        raw, first = encode(pattern, "pattern"), CMS_SINCE_NOW if since is None else since
        status, self._ref = _library.own(_ffi.cms_watch, lib.cms_watch_open, store._use(), raw, first)
        check(status, pattern)
        check(lib.cms_watch_set_merge(self._ref, merge))
        number = _ffi.c_int32()
        check(lib.cms_watch_fd(self._ref, number))
        self._fd = number.value
        # `close` wakes waiting threads through it.
        self._closing = _Pipe()
        _library.tell_of_forks(self)

    def __enter__(self) -> Watch:
        self._use()
        return self

    async def __aenter__(self) -> Watch:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the watch, and the loops over it."""
        self._ref = None
        self._closing.write()

    def fileno(self) -> int:
        """The descriptor that is readable when there may be an event, for selectors and event loops: see `next`."""
        self._use()
        return self._fd

    @property
    def revision(self) -> int:
        """The last transaction that the watch has reached: pass it as `since` after a restart."""
        number = _ffi.c_uint64()
        check(self._lib.cms_watch_revision(self._use(), number))
        return number.value

    def _take(self, ref: Any) -> Optional[Entry]:
        found = _ffi.POINTER(_ffi.cms_event)()
        status = self._lib.cms_watch_next(ref, 0, _ffi.byref(found))
        if status == CMS_ERR_END:
            return None
        check(status)
        return event(self._lib, found)

    def next(self, timeout: Optional[float] = None) -> Optional[Entry]:
        """Returns the next transaction, or None if none comes within `timeout` seconds, or the watch is closed.

        With 0 it does not wait: after `fileno` has become readable, call it with 0 until it returns None."""
        from time import monotonic

        ref, deadline = self._use(), None if timeout is None else monotonic() + timeout
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        waiting.register(self._closing.fd, select.POLLIN)
        while self._ref is not None:
            # The timeout of cms_watch_next is not used: Python could not handle signals meanwhile.
            found = self._take(ref)
            left = None if deadline is None else deadline - monotonic()
            if found is not None or (left is not None and left <= 0):
                return found
            waiting.poll(None if left is None else left * 1000 + 1)
        return None

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Entry:
        found = self.next() if self._ref is not None else None
        if found is None:
            raise StopIteration
        return found

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Entry:
        from asyncio import get_running_loop

        loop, ref = get_running_loop(), self._ref
        while ref is not None and self._ref is not None:
            found = self._take(ref)
            if found is not None:
                return found
            readable = loop.create_future()
            for fd in (self._fd, self._closing.fd):
                loop.add_reader(fd, _wake, readable)
            try:
                await readable
            finally:
                for fd in (self._fd, self._closing.fd):
                    loop.remove_reader(fd)
        raise StopAsyncIteration


def _wake(readable: Any) -> None:
    if not readable.done():
        readable.set_result(None)


class _Pipe:
    """A descriptor that becomes readable once it is written to; its last reference closes it."""

    def __init__(self) -> None:
        self.fd, self._other = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def write(self) -> None:
        os.write(self._other, b".")

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)
        close(self._other)


_called: List[_Callback] = []


def _at_exit() -> None:
    """When the interpreter ends, no callback may run."""
    for handle in list(_called):
        handle.close()


class _Callback(_Handle):
    """The base of objects that call back on a thread of the library."""

    def _keep(self, function: Any) -> None:
        # The function must live until the library does not call it any more.
        self._ref._obj.function = function
        if not _called:
            import atexit

            atexit.unregister(_at_exit)
            atexit.register(_at_exit)
        _called.append(self)
        _library.tell_of_forks(self)

    def _forked(self) -> None:
        super()._forked()
        _called.clear()

    def close(self) -> None:
        """Ends it. The callback is not called again, and it is not running any more, unless it called this itself."""
        self._ref = None
        if self in _called:
            _called.remove(self)


class Subscription(_Callback):
    """Calls back with each transaction, in order, on a thread of the library, until it is closed."""

    def __init__(
        self,
        store: Store,
        pattern: str,
        callback: Callable[[Entry], object],
        since: Optional[int],
        on_error: Optional[Callable[[Error], object]],
    ) -> None:
        lib = _library.library()

        def call(found: Any, status: int, _: Any, /) -> None:
            # If the callback closes the subscription, only this reference keeps the running function alive.
            running = function  # noqa: F841
            if status == 0:
                callback(event(lib, found))
            elif on_error:
                on_error(exception(status))
            else:
                # Errors go to sys.unraisablehook, like exceptions of a callback.
                raise exception(status)

        function = _ffi.cms_event_callback(call)
        raw, first = encode(pattern, "pattern"), CMS_SINCE_NOW if since is None else since
        make = lib.cms_subscription_open
        status, self._ref = _library.own(_ffi.cms_subscription, make, store._use(), raw, first, function, None)
        check(status, pattern)
        self._keep(function)

    def __enter__(self) -> Subscription:
        self._use()
        return self


class Verifier(_Callback):
    """Decides on transactions before they are made, on a thread of the library, until it is closed."""

    def __init__(self, store: Store, pattern: str, decide: Optional[Callable[[Entry], object]]) -> None:
        self._store, self._pattern, self._ref = store, pattern, None
        if decide is not None:
            self(decide)

    def __call__(self, decide: _Decide) -> _Decide:
        """Sets the function to call, so that a verifier can be used as a decorator."""
        lib = _library.library()

        def call(found: Any, reason: Any, size: int, _: Any, /) -> int:
            # If the function closes the verifier, only this reference keeps the running function alive.
            running = function  # noqa: F841
            try:
                said = decide(event(lib, found))
            except Refused as error:
                said = str(error)
            except BaseException as error:  # any exception refuses: only a yes accepts
                said = f"{type(error).__name__}: {error}"
            if said is None or said is True:
                return 0
            _ffi.put(reason, size, str(said or "").encode("utf-8", "replace"))
            return 1

        function = _ffi.cms_verifier_callback(call)
        raw = encode(self._pattern, "pattern")
        status, ref = _library.own(_ffi.cms_verifier, lib.cms_verifier_open, self._store._use(), raw, function, None)
        check(status, self._pattern)
        self.close()
        self._ref = ref
        self._keep(function)
        return decide

    def __enter__(self) -> Verifier:
        return self
