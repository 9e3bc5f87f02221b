"""Kept snapshots. This module is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, NamedTuple

from . import _ffi
from ._errors import check, text
from ._ffi import CMS_ERR_END
from ._history import utc

if TYPE_CHECKING:
    from datetime import datetime


class ArchiveInfo(NamedTuple):
    """The head of a kept snapshot."""

    # For `restore`, `find_revision`, `delete_label`.
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


def snapshots(lib: Any, store_ref: Any) -> List[ArchiveInfo]:
    """Returns the kept snapshots."""
    place, found = _ffi.cms_archive_info(), list[ArchiveInfo]()
    status, ref = _ffi.own(_ffi.cms_labels, lib.cms_labels_open, store_ref)
    check(status)
    while True:
        status = lib.cms_labels_next(ref, place)
        if status == CMS_ERR_END:
            return found
        check(status)
        made = place.time, place.revision, place.file_size
        found.append(ArchiveInfo(text(place.label.data), *made, text(place.source.data), bool(place.automatic)))
