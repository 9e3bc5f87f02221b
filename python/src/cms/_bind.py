"""Dataclasses that follow the store. This module is loaded on first use."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Callable, Generic, Optional, Type, TypeVar

from ._errors import Error, Stale
from ._fields import packages_of

if TYPE_CHECKING:
    from types import TracebackType

    from ._history import Entry
    from ._store import Store

_T = TypeVar("_T")


class Binding(Generic[_T]):
    """An instance of a dataclass that is loaded anew with each change of the store: `value`.

    Any number of threads may read it. A state whose values do not fit is not taken up: `value` stays as it was."""

    def __init__(
        self,
        store: Store,
        cls: Type[_T],
        key: str,
        on_change: Optional[Callable[[_T], object]],
        on_error: Optional[Callable[[Error], object]],
    ) -> None:
        self._store, self._cls, self._key = store, cls, key
        self._on_change, self._on_error = on_change, on_error
        self._lock = Lock()
        pattern = " ".join(packages_of(cls, key)) or "*"
        with self._lock:
            # Before the first load, so that no change is missed.
            self._subscription = store.subscribe(pattern, self._changed, on_error=self._failed)
            try:
                self.value: _T = store.load(cls, key)
            except BaseException:
                self._subscription.close()
                raise

    def __repr__(self) -> str:
        return f"<cms.Binding {self.value!r}>"

    def _changed(self, _: Entry) -> None:
        self._load()

    def _failed(self, error: Error) -> None:
        if isinstance(error, Stale):  # the log has dropped changes, so all is read again
            self._load()
        else:
            self._tell(error)

    def _load(self) -> None:
        with self._lock:
            try:
                found = self._store.load(self._cls, self._key)
            except Error as error:
                return self._tell(error)
            if found == self.value:
                return None
            self.value = found
        if self._on_change is not None:
            self._on_change(found)
        return None

    def _tell(self, error: Error) -> None:
        if self._on_error is None:
            raise error  # to sys.unraisablehook, like all exceptions of a callback
        self._on_error(error)

    def close(self) -> None:
        """Ends it: `value` changes no more."""
        self._subscription.close()

    def __enter__(self) -> Binding[_T]:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()
