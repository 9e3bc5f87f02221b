"""What the log is for: history, undo, going back, labels, backups, commits that wait to be confirmed."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Iterator, List, NamedTuple, Optional, Union

from . import _ffi
from ._errors import check, fail, text
from ._ffi import Status
from ._keys import encode
from ._reader import Value

if TYPE_CHECKING:
    from datetime import datetime


class By(IntEnum):
    """What made an entry of the history."""

    COMMIT = _ffi.CMS_BY_COMMIT
    EDIT = _ffi.CMS_BY_EDIT
    BASELINE = _ffi.CMS_BY_BASELINE
    UNDO = _ffi.CMS_BY_UNDO
    ROLLBACK = _ffi.CMS_BY_ROLLBACK
    CONFIRM = _ffi.CMS_BY_CONFIRM


class ChangeKind(IntEnum):
    """What happened to a key."""

    ADDED = _ffi.CMS_CHANGE_ADDED
    DELETED = _ffi.CMS_CHANGE_DELETED
    SET = _ffi.CMS_CHANGE_SET
    MOVED = _ffi.CMS_CHANGE_MOVED


class Change(NamedTuple):
    """A change of one key. `old` and `new` are None where there was or is nothing, and for a section its type."""

    key: str
    kind: ChangeKind
    old: Optional[Value]
    new: Optional[Value]
    # For a section that was moved: where it stood and stands, from 0; else -1.
    old_position: int = -1
    new_position: int = -1


class Entry(NamedTuple):
    """A transaction in the history."""

    revision: int
    # Microseconds since 1970, UTC. It never goes back, whatever the clock does.
    time_us: int
    by: By
    # Who: the number of the user, and of the process; 0 if it is not known.
    uid: int
    pid: int
    # Through what: the name a program gave itself.
    source: str
    message: str
    # The transaction that was taken back or confirmed, or the revision that was gone back to; else 0.
    refers: int
    changes: List[Change]

    @property
    def time(self) -> datetime:
        """When it was made, in UTC."""
        from datetime import datetime, timedelta, timezone

        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=self.time_us)


class Pending(NamedTuple):
    """A commit that is taken back unless it is confirmed in time."""

    revision: int
    seconds_left: float


def _value(place: Any, member: str, is_list: bool) -> Optional[Value]:
    inside, address = getattr(place, member), _ffi.address_of(place, member)
    if address.value is None:
        return None
    items = [text(item) for item in _ffi.items(inside, address)]
    return items if is_list else "".join(items)


def _changes(lib: Any, ref: Any) -> Iterator[Change]:
    place = _ffi.cms_change()
    while True:
        status = lib.cms_history_change(ref, place)
        if status == Status.END:
            return
        check(status)
        old, new = (_value(place, member, bool(place.list)) for member in ("old_items", "new_items"))
        where = place.old_position, place.new_position
        yield Change(text(place.key.data), ChangeKind(place.kind), old, new, *where)


class Log:
    """The part of a store that reads and uses the log. A revision is a number, or a text for `find_revision`."""

    __slots__ = ()

    _lib: Any

    def _use(self) -> Any:
        raise NotImplementedError

    def history(self, key: Optional[str] = None, *, limit: int = 0) -> Iterator[Entry]:
        """Iterates over the transactions that changed a key, or any key, the newest first; at most `limit`, or all.

        Changes made with an editor are noted first.
        """
        lib, place = self._lib, _ffi.cms_transaction()
        raw = None if key is None else encode(key)
        status, ref = _ffi.own(_ffi.cms_history, lib.cms_history_open, self._use(), raw, limit)
        check(status, key or "")
        while True:
            status = lib.cms_history_next(ref, place)
            if status == Status.END:
                return
            check(status, key or "")
            said = text(place.source.data), text(place.message.data)
            made = place.revision, place.time, By(place.kind), place.uid, place.pid
            yield Entry(*made, *said, place.refers, list(_changes(lib, ref)))

    def find_revision(self, name: str) -> int:
        """Finds a revision: "-3" is three transactions before the last; "now"; "@{10 min ago}"; a label."""
        number = _ffi.c_uint64()
        check(self._lib.cms_find_revision(self._use(), encode(name, "revision"), number), name)
        return number.value

    def _revision(self, revision: Union[int, str]) -> int:
        return revision if isinstance(revision, int) else self.find_revision(revision)

    def get_at(self, key: str, revision: Union[int, str]) -> str:
        """Reads the value a key had at a revision; of a list, the items with blanks between."""
        number, raw, size = self._revision(revision), encode(key), _ffi.c_size_t(255)
        while True:
            buffer = _ffi.create_string_buffer(size.value + 1)
            check(self._lib.cms_get_at(self._use(), raw, number, buffer, len(buffer), size), key)
            if size.value < len(buffer):
                return text(buffer.value)

    def undo(self, revision: Union[int, str] = "now", message: Optional[str] = None) -> int:
        """Takes the last transaction back, or the one of a revision, and leaves what was changed since.

        Returns the number of the transaction that does it. Raises Conflict if what it changed was changed again.
        """
        done, said = _ffi.c_uint64(), None if message is None else encode(message, "message")
        check(self._lib.cms_undo(self._use(), self._revision(revision), said, done))
        return done.value

    def rollback(self, revision: Union[int, str], message: Optional[str] = None) -> int:
        """Brings all packages exactly to what they were at a revision.

        Returns the number of the transaction that does it, or 0 if nothing had to change.
        """
        done, said = _ffi.c_uint64(), None if message is None else encode(message, "message")
        check(self._lib.cms_rollback(self._use(), self._revision(revision), said, done))
        return done.value

    def label(self, name: str) -> int:
        """Keeps the committed state of all packages under a label; returns its revision."""
        number = _ffi.c_uint64()
        check(self._lib.cms_label(self._use(), encode(name, "label"), number), name)
        return number.value

    def backup(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes the committed state of all packages into a file, which is replaced if it is there."""
        check(self._lib.cms_backup(self._use(), encode(os.fspath(path), "path")))

    def restore(self, name: Union[str, os.PathLike[str]]) -> int:
        """Brings all packages to what a backup file or, for a name without a "/", a label holds; as `rollback`."""
        done = _ffi.c_uint64()
        check(self._lib.cms_restore(self._use(), encode(os.fspath(name), "name"), done))
        return done.value

    def pending(self) -> Optional[Pending]:
        """Tells of the commit that waits to be confirmed."""
        number, left = _ffi.c_uint64(), _ffi.c_uint64()
        status = self._lib.cms_pending(self._use(), number, left)
        if status == Status.NOT_FOUND:
            return None
        if status:
            fail(status)
        return Pending(number.value, left.value / 1000)

    def confirm(self, revision: int = 0) -> None:
        """Confirms the commit that waits for it, or the one of that number only."""
        check(self._lib.cms_confirm(self._use(), revision))
