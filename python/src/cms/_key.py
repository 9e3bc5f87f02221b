"""Prepared keys."""

from __future__ import annotations

from . import _ffi, _keys, _library
from ._convert import READERS
from ._errors import NotFound, check, fail, text as decode
from ._ffi import CMS_ERR_NOT_FOUND, CMS_ERR_TYPE, byref
from ._reader import typed
from ._typing import overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Tuple, Type, TypeVar, Union

    from ._store import Store
    from ._typing import Known

    _T = TypeVar("_T")
    _D = TypeVar("_D")


class Key:
    """A key that is read again and again, the fastest way to the newest value. Any number of threads may use one."""

    __slots__ = ("__weakref__", "_idle", "_read", "_store", "text")

    def __init__(self, store: Store, text: str) -> None:
        self._store = store
        self.text = text
        # Only one thread at a time may use a handle, so each read takes one that no other read uses.
        self._idle: List[Tuple[Any, Any, Any]] = []
        self._read = _library.untyped("cms_key_get")
        self._idle.append(self._another())
        _library.tell_of_forks(self)

    def __repr__(self) -> str:
        return f"<cms.Key {self.text}>"

    def _forked(self) -> None:
        self._idle = []

    def _another(self) -> Tuple[Any, Any, Any]:
        lib = _library.library()
        status, ref = _library.own(_ffi.cms_key, lib.cms_key_open, self._store._use(), _keys.encode(self.text))
        check(status, self.text)
        place = _ffi.cms_bytes()
        return ref, byref(place), place

    @property
    def value(self) -> Any:
        """The newest value. Raises NotFound if the key does not exist."""
        try:
            handle = self._idle.pop()
        except IndexError:
            handle = self._another()
        ref, place, out = handle
        status = self._read(ref, place)
        value = out.data
        self._idle.append(handle)
        if status:
            return self._explain(status)
        try:
            return value.decode()
        except UnicodeDecodeError:
            return decode(value)

    def _explain(self, status: int) -> Any:
        # Lists are not read through a handle; and this raises an error without details at once.
        if status == CMS_ERR_TYPE:
            return self._store[self.text]
        if status == CMS_ERR_NOT_FOUND:
            raise NotFound(f"{self.text}: not found", key=self.text)
        return fail(status, self.text)

    @overload
    def get(self) -> Any: ...
    @overload
    def get(self, default: None) -> Any: ...
    @overload
    def get(self, default: Known) -> Known: ...
    @overload
    def get(self, default: List[_T]) -> List[_T]: ...
    @overload
    def get(self, default: object) -> Any: ...
    @overload
    def get(self, *, type: Type[_T]) -> Optional[_T]: ...
    @overload
    def get(self, default: _D, *, type: Type[_T]) -> Union[_T, _D]: ...
    @overload
    def get(self, *, type: Callable[[str], _T]) -> Optional[_T]: ...
    @overload
    def get(self, default: _D, *, type: Callable[[str], _T]) -> Union[_T, _D]: ...
    @overload
    def get(self, default: object = ..., *, type: object) -> Any: ...
    def get(self, default: Any = None, *, type: Any = None) -> Any:
        """Reads the newest value as `Store.get` does."""
        try:
            value = self.value
        except NotFound:
            return default
        if type is default is None:
            return value
        if value.__class__ is str:
            try:
                return READERS[default.__class__ if type is None else type](value)
            except (LookupError, TypeError, ValueError):
                pass
        return typed(value, default, type, self.text, self._store._place)
