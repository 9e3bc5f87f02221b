"""Stores whose transactions are of another author, and finding the transaction of a request. This module is loaded with
the first use of either."""

from __future__ import annotations

from typing import Any, Optional

from . import _ffi, _library
from ._errors import check
from ._ffi import CMS_ERR_NOT_FOUND
from ._keys import encode
from ._store import Store


class Attributed(Store):
    """A handle of an open store, see `Store.attributed`."""

    __slots__ = ("_base", "_by")

    def __init__(
        self,
        base: Store,
        author: Optional[str],
        source: Optional[str],
        message: Optional[str],
        request: Optional[str],
    ) -> None:
        self._base, self._by = base, _ffi.cms_attribution()
        given = {"author": author, "source": source, "message": message, "request": request}
        for name, said in given.items():
            if said is not None:
                setattr(self._by, name, encode(said, name))
        super().__init__(base._options)

    def _open(self) -> Any:
        status, ref = _library.own(_ffi.cms_store, self._lib.cms_store_open_as, self._base._use(), self._by)
        check(status)
        self._ref = ref
        return ref


def find_request(lib: Any, store_ref: Any, request: str) -> Optional[int]:
    """Returns the revision of the transaction of a request; None if there is none."""
    revision = _ffi.c_uint64()
    status = lib.cms_find_request(store_ref, encode(request, "request"), revision)
    if status == CMS_ERR_NOT_FOUND:
        return None
    check(status)
    return revision.value
