"""Snapshots that are kept. It is not loaded before it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, NamedTuple

from . import _ffi
from ._errors import check, text
from ._ffi import CMS_ERR_END
from ._history import utc

if TYPE_CHECKING:
    from datetime import datetime


class ArchiveInfo(NamedTuple):
    """What a snapshot that is kept says of itself."""

    # For `restore`, `find_revision`, `delete_label`.
    label: str
    # Microseconds since 1970, UTC.
    time_us: int
    # The transaction whose state it holds.
    revision: int
    # Of its file, in bytes.
    size: int
    # Through what: the name a program gave itself.
    source: str
    # Whether it was made without being asked for, and may go when others come.
    automatic: bool

    @property
    def time(self) -> datetime:
        """When it was made, in UTC."""
        return utc(self.time_us)


def snapshots(lib: Any, store_ref: Any) -> List[ArchiveInfo]:
    """Returns the snapshots that are kept."""
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
