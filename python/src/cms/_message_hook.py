"""The calls of a `on_message`. This module is loaded with the first store that has one."""

from __future__ import annotations

import atexit
import weakref
from itertools import count
from typing import TYPE_CHECKING, Any, Callable, Dict

from . import _ffi

if TYPE_CHECKING:
    from ._store import Store

# The hooks of open stores, by the number that the library gets as `message_data`. The C function lives as long as the
# process, since transactions may outlive their store; a hook that was removed from this dict is not called.
_hooks: Dict[int, Callable[[int, str], object]] = {}
_numbers = count(1)
_stores: weakref.WeakSet[Store] = weakref.WeakSet()

# The levels of syslog, as levels of the module `logging`.
_LEVELS = (50, 50, 50, 40, 30, 20, 20, 10)


def _call(level: int, message: bytes, number: int) -> None:
    hook = _hooks.get(number)
    if hook is not None:
        hook(_LEVELS[max(0, min(level, 7))], message.decode("utf-8", "replace"))


_tell = _ffi.cms_message_callback(_call)


def give(options: Any, hook: Callable[[int, str], object]) -> int:
    """Puts a hook into the options of a store, and returns its number."""
    number = next(_numbers)
    _hooks[number] = hook
    options.on_message, options.message_data = _tell, number
    return number


def keep(store: Store, number: int) -> None:
    """Removes the hook of a store that is closed."""
    _stores.add(store)
    weakref.finalize(store, _hooks.pop, number, None)


@atexit.register
def _at_exit() -> None:
    """When the interpreter ends, no thread of the library may call into it."""
    for store in list(_stores):
        store.close()
    _hooks.clear()
