"""Converts the items of lists from C."""

from __future__ import annotations

from . import _ffi, _library
from ._errors import check, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List


def items(key: str, lib: Any, make: Any, *arguments: object) -> List[str]:
    """Returns the items of the list that `make` opens."""
    status, ref = _library.own(_ffi.cms_list, make, *arguments)
    check(status, key)
    count, place = _ffi.c_size_t(), _ffi.cms_bytes()
    check(lib.cms_list_len(ref, count), key)
    found: List[str] = []
    for index in range(count.value):
        check(lib.cms_list_item(ref, index, place), key)
        found.append(text(place.data))
    return found
