"""The entries of the history. This module is loaded on first use."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, NamedTuple, Optional, Union

from . import _ffi, _library
from ._errors import check, fail, text
from ._ffi import CMS_ERR_END, CMS_ERR_NOT_FOUND
from ._keys import encode

if TYPE_CHECKING:
    from datetime import datetime


def utc(time_us: int) -> datetime:
    """Converts microseconds since 1970 into a time."""
    from datetime import datetime, timedelta, timezone

    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=time_us)


class By(IntEnum):
    """The origin of an entry of the history."""

    COMMIT = _ffi.CMS_BY_COMMIT
    EDIT = _ffi.CMS_BY_EDIT
    BASELINE = _ffi.CMS_BY_BASELINE
    UNDO = _ffi.CMS_BY_UNDO
    ROLLBACK = _ffi.CMS_BY_ROLLBACK
    CONFIRM = _ffi.CMS_BY_CONFIRM
    # BROKEN_TEXT: a text was saved that cannot be parsed; the message has the error and its position. MENDED_TEXT:
    # such a text was mended.
    BROKEN_TEXT = _ffi.CMS_BY_BROKEN_TEXT
    MENDED_TEXT = _ffi.CMS_BY_MENDED_TEXT
    # Decided elsewhere, by a backend for example, and adopted here.
    REMOTE = _ffi.CMS_BY_REMOTE
    # A transaction of another layer has changed effective values.
    LAYER = _ffi.CMS_BY_LAYER


class ChangeKind(IntEnum):
    """The kind of a change of a key."""

    ADDED = _ffi.CMS_CHANGE_ADDED
    DELETED = _ffi.CMS_CHANGE_DELETED
    SET = _ffi.CMS_CHANGE_SET
    MOVED = _ffi.CMS_CHANGE_MOVED


class Change(NamedTuple):
    """A change of one key. `old` and `new` are None if the key did not or does not exist; for a section they are its
    type."""

    key: str
    kind: ChangeKind
    old: Optional[Union[str, List[str]]]
    new: Optional[Union[str, List[str]]]
    # For a section that was moved: its old and its new position, from 0; else -1.
    old_position: int = -1
    new_position: int = -1


class Entry(NamedTuple):
    """A transaction of the history or of a watch, with its selected changes."""

    revision: int
    # Microseconds since 1970, UTC. It never goes back, even if the clock does.
    time_us: int
    by: By
    # Who: the number of the user, and of the process; 0 if it is not known.
    uid: int
    pid: int
    # The name that the program gave itself.
    source: str
    message: str
    # The transaction that was undone or confirmed, or the revision that was rolled back to; else 0.
    refers: int
    changes: List[Change]
    # For a commit that is rolled back unless it is confirmed: within how many seconds.
    confirm_within: Optional[float] = None
    # The author that the program named, "alice@192.168.7.20" for example; empty if it is the user.
    author: str = ""
    # The id of the request that it was made for: 32 hexadecimal digits.
    request: Optional[str] = None
    # If it was decided elsewhere, when that was, as far as it is known: microseconds since 1970, UTC.
    decided_us: Optional[int] = None

    @property
    def time(self) -> datetime:
        """When it was made, in UTC."""
        return utc(self.time_us)


class BlameLine(NamedTuple):
    """A line of a package, without its newline, and the transaction that wrote it, without its changes."""

    text: str
    # None if the line is older than the log.
    entry: Optional[Entry]


class Pending(NamedTuple):
    """A commit that is rolled back unless it is confirmed in time."""

    revision: int
    seconds_left: float


def _value(place: Any, member: str, is_list: bool) -> Optional[Union[str, List[str]]]:
    inside, address = getattr(place, member), _ffi.address_of(place, member)
    if address.value is None:
        return None
    items = [text(item) for item in _ffi.items(inside, address)]
    return items if is_list else "".join(items)


def _changes(next_change: Callable[[Any, Any], int], ref: Any) -> Iterator[Change]:
    place = _ffi.cms_change()
    while True:
        status = next_change(ref, place)
        if status == CMS_ERR_END:
            return
        check(status)
        old, new = (_value(place, member, bool(place.list)) for member in ("old_items", "new_items"))
        where = place.old_position, place.new_position
        yield Change(text(place.key.data), ChangeKind(place.kind), old, new, *where)


def _entry(place: Any, changes: Iterator[Change]) -> Entry:
    said = text(place.source.data), text(place.message.data)
    made = place.revision, place.time_us, By(place.kind), place.uid, place.pid
    within = place.confirm_within_ms / 1000 if place.confirm_within_ms else None
    author, request = text(place.author.data), text(place.request.data) or None
    decided = place.decided_us or None
    return Entry(*made, *said, place.refers, list(changes), within, author, request, decided)


def _transactions(lib: Any, ref: Any, key: str = "") -> Iterator[Entry]:
    place = _ffi.cms_record()
    while True:
        status = lib.cms_history_next(ref, place)
        if status == CMS_ERR_END:
            return
        check(status, key)
        yield _entry(place, _changes(lib.cms_history_next_change, ref))


def entries(lib: Any, store_ref: Any, key: Optional[str], limit: int) -> Iterator[Entry]:
    """Iterates over the history."""
    raw = None if key is None else encode(key)
    status, ref = _library.own(_ffi.cms_history, lib.cms_history_open, store_ref, raw, limit)
    check(status, key or "")
    yield from _transactions(lib, ref, key or "")


def blame(lib: Any, store_ref: Any, package: str) -> List[BlameLine]:
    """Returns the lines of a package."""
    line, place, lines = _ffi.cms_bytes(), _ffi.cms_record(), list[BlameLine]()
    status, ref = _library.own(_ffi.cms_blame, lib.cms_blame_open, store_ref, encode(package, "package"))
    check(status, package)
    while True:
        status = lib.cms_blame_next(ref, line, place)
        if status == CMS_ERR_END:
            return lines
        check(status, package)
        lines.append(BlameLine(text(line.data), _entry(place, iter(())) if place.revision else None))


def event(lib: Any, ref: Any) -> Entry:
    """Copies an event, since the library frees the original."""
    place = _ffi.cms_record()
    check(lib.cms_event_record(ref, place))
    return _entry(place, _changes(lib.cms_event_next_change, ref))


def pending(lib: Any, store_ref: Any) -> Optional[Pending]:
    """Returns the commit that waits to be confirmed."""
    number, left = _ffi.c_uint64(), _ffi.c_uint64()
    status = lib.cms_pending(store_ref, number, left)
    if status == CMS_ERR_NOT_FOUND:
        return None
    if status:
        fail(status)
    return Pending(number.value, left.value / 1000)


def waiting(lib: Any, store_ref: Any) -> List[Entry]:
    """Returns the transactions that wait to be confirmed, the oldest first."""
    status, ref = _library.own(_ffi.cms_history, lib.cms_history_open_pending, store_ref)
    if status == CMS_ERR_NOT_FOUND:
        return []
    check(status)
    return list(_transactions(lib, ref))


def notice(lib: Any, store_ref: Any, revision: int) -> Optional[str]:
    """Says which keys of a transaction an unconfirmed commit would roll back; None if no commit waits."""
    size = _ffi.c_size_t(255)
    while True:
        buffer = _ffi.create_string_buffer(size.value + 1)
        status = lib.cms_pending_notice(store_ref, revision, buffer, len(buffer), size)
        if status == CMS_ERR_END:
            return None
        check(status)
        if size.value < len(buffer):
            return text(buffer.value)
