"""Kept snapshots. This module is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, NamedTuple

from . import _ffi, _library
from ._errors import check, text
from ._ffi import CMS_ERR_END
from ._history import utc

if TYPE_CHECKING:
    from datetime import datetime


class Archive(NamedTuple):
    """The head of a kept snapshot."""

    # For `restore`, `find_revision`, `delete_archive`.
    label: str
    # Microseconds since 1970, UTC.
    time_us: int
    # The transaction whose state it holds.
    revision: int
    # The size of its file, in bytes.
    size: int
    # The name that the program gave itself.
    source: str
    # Whether it is an automatic snapshot, which newer ones replace.
    automatic: bool

    @property
    def time(self) -> datetime:
        """When it was made, in UTC."""
        return utc(self.time_us)


def archives(lib: Any, store_ref: Any) -> List[Archive]:
    """Returns the kept snapshots."""
    place, found = _ffi.cms_archive(), list[Archive]()
    status, ref = _library.own(_ffi.cms_archive_iter, lib.cms_archive_iter_open, store_ref)
    check(status)
    while True:
        status = lib.cms_archive_iter_next(ref, place)
        if status == CMS_ERR_END:
            return found
        check(status)
        made = place.time_us, place.revision, place.file_size
        found.append(Archive(text(place.label.data), *made, text(place.source.data), bool(place.automatic)))
