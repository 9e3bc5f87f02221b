"""What the log is for: history, undo, going back, labels, backups, commits that wait to be confirmed."""

from __future__ import annotations

import os

from . import _ffi
from ._errors import check, text
from ._keys import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Optional, Union

    from ._history import Entry, Pending


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
        from ._history import entries

        return entries(self._lib, self._use(), key, limit)

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
        from ._history import pending

        return pending(self._lib, self._use())

    def confirm(self, revision: int = 0) -> None:
        """Confirms the commit that waits for it, or the one of that number only."""
        check(self._lib.cms_confirm(self._use(), revision))
