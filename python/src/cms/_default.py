"""Reads without an explicit store."""

from __future__ import annotations

import os

from ._store import Store, open as open_store
from ._typing import overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple, Type, TypeVar, Union

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
def get(key: str, default: object) -> Any: ...
@overload
def get(key: str, *, type: Type[List[Any]]) -> Optional[List[str]]: ...
@overload
def get(key: str, default: _D, *, type: Type[List[Any]]) -> Union[List[str], _D]: ...
@overload
def get(key: str, *, type: Callable[[str], _T]) -> Optional[_T]: ...
@overload
def get(key: str, default: _D, *, type: Callable[[str], _T]) -> Union[_T, _D]: ...
def get(key: str, default: Any = None, *, type: Any = None) -> Any:
    """Reads the newest value of a key, edits made by hand included, as `Store.get` does."""
    store = default_store()
    store.refresh()
    return store.get(key, default, type=type)
