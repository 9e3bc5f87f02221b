"""Reads and changes without an explicit store."""

from __future__ import annotations

import os

from ._errors import NotFound
from ._reader import MISSING, typed
from ._store import Store, open as open_store
from ._typing import overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple, Type, TypeVar, Union

    from ._typing import Known

    _T = TypeVar("_T")
    _D = TypeVar("_D")


_VARIABLES = ("CMS_CONFIG_DIR", "CMS_SAVE_DIR", "CMS_RUN_DIR", "CMS_STATE_DIR")
_stores: Dict[Tuple[Optional[str], ...], Store] = {}


def default_store() -> Store:
    """Returns the store of the directories in the environment; each process opens it once."""
    where = tuple(map(os.environ.get, _VARIABLES))
    try:
        return _stores[where]
    except KeyError:
        return _stores.setdefault(where, open_store())


@overload
def get(key: str) -> Any: ...
@overload
def get(key: str, default: None) -> Any: ...
@overload
def get(key: str, default: Known) -> Known: ...
@overload
def get(key: str, default: List[_T]) -> List[_T]: ...
@overload
def get(key: str, default: object) -> Any: ...
@overload
def get(key: str, *, type: Type[_T]) -> Optional[_T]: ...
@overload
def get(key: str, default: _D, *, type: Type[_T]) -> Union[_T, _D]: ...
@overload
def get(key: str, *, type: Callable[[str], _T]) -> Optional[_T]: ...
@overload
def get(key: str, default: _D, *, type: Callable[[str], _T]) -> Union[_T, _D]: ...
@overload
def get(key: str, default: object = ..., *, type: object) -> Any: ...
def get(key: str, default: Any = None, *, type: Any = None) -> Any:
    """Reads the newest value of a key, edits made by hand included, as `Store.get` does.

    A key whose package or configuration directory does not exist does not exist either."""
    try:
        store = default_store()
        store.refresh()
        value = store._find(key)
    except NotFound:  # the configuration directory
        return default
    if value is MISSING:
        return default
    return value if type is default is None else typed(value, default, type, key, store._place)


def set(key: str, value: object) -> int:
    """Sets one option, in a transaction of its own, as `Store.set` does; returns its revision.

    It is durable when this returns."""
    return default_store().set(key, value)


def delete(key: str) -> int:
    """Deletes one option, section or package, in a transaction of its own; returns its revision."""
    return default_store().delete(key)
