"""Uses of the log: history, undo, rollback, labels, backups, commits to be confirmed; and checks and repairs of the
log."""

from __future__ import annotations

import os

from . import _ffi, _library
from ._errors import WrongType, check, copied, text
from ._keys import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, List, Optional, Union

    from ._archive import Archive
    from ._audit import LogInfo, Repair
    from ._history import BlameLine, Entry, Pending


class Log:
    """The part of a store that reads and uses the log. A revision is a number, or a string for `find_revision`."""

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

    def blame(self, package: str) -> List[BlameLine]:
        """Returns the lines of a package, each with the last transaction that wrote it.

        Changes made with an editor are noted first.
        """
        from ._history import blame

        return blame(self._lib, self._use(), package)

    def find_revision(self, name: str) -> int:
        """Finds a revision: "-3" is three transactions before the last; "now"; "@{10 min ago}"; a label."""
        number = _ffi.c_uint64()
        check(self._lib.cms_find_revision(self._use(), encode(name, "revision"), number), name)
        return number.value

    def _revision(self, revision: Union[int, str]) -> int:
        return revision if isinstance(revision, int) else self.find_revision(revision)

    def get_at(self, key: str, revision: Union[int, str]) -> Any:
        """Reads the value a key had at a revision: a string, or a list of strings."""
        raw, number = encode(key), self._revision(revision)
        try:
            return self._at(self._lib.cms_get_at, key, raw, number, 255)
        except WrongType:
            from ._list import items

            return items(key, self._lib, self._lib.cms_list_open_at, self._use(), raw, number)

    def text_at(self, package: str, revision: Union[int, str]) -> str:
        """Reads the text a package had at a revision, comments included."""
        raw = encode(package, "package")
        return self._at(self._lib.cms_text_at, package, raw, self._revision(revision), 16383)

    def _at(self, read: Any, name: str, raw: bytes, number: int, room: int) -> str:
        return copied(name, read, self._use(), raw, number, room=room)

    def changed_since(self, revision: Union[int, str]) -> List[str]:
        """Returns the names of the packages that were changed after a revision, in byte order.

        Changes made with an editor are noted first. If the log does not go back that far, the result may include
        packages that were not changed."""
        place, number = _ffi.cms_bytes(), self._revision(revision)
        status, ref = _library.own(_ffi.cms_package_iter, self._lib.cms_package_iter_open_changed, self._use(), number)
        check(status)
        names = []
        while not self._lib.cms_package_iter_next(ref, place):
            names.append(text(place.data))
        return names

    def undo(self, revision: Optional[Union[int, str]] = None, message: Optional[str] = None) -> int:
        """Undoes the transaction of a revision, else the newest one that is neither undone nor itself an undo or redo;
        later changes stay. So a second call goes further back.

        Returns the number of the new transaction. Raises Conflict if a key of the undone one was changed again since.
        """
        return self._reverse(self._lib.cms_undo, revision, message)

    def redo(self, revision: Optional[Union[int, str]] = None, message: Optional[str] = None) -> int:
        """Makes again what was undone: the transaction of a revision, else the newest that is undone.

        Returns the number of the new transaction. Raises Conflict if one of its keys was changed again since."""
        return self._reverse(self._lib.cms_redo, revision, message)

    def _reverse(self, call: Any, revision: Optional[Union[int, str]], message: Optional[str]) -> int:
        done, said = _ffi.c_uint64(), None if message is None else encode(message, "message")
        number = 0 if revision is None else self._revision(revision)
        check(call(self._use(), number, said, done))
        return done.value

    def rollback(self, revision: Union[int, str], message: Optional[str] = None) -> int:
        """Rolls all packages back to their exact state at a revision.

        Returns the number of the new transaction, or 0 if nothing had to change."""
        done, said = _ffi.c_uint64(), None if message is None else encode(message, "message")
        check(self._lib.cms_rollback(self._use(), self._revision(revision), said, done))
        return done.value

    def create_archive(self, name: str) -> int:
        """Keeps the committed state of all packages under a label; returns its revision."""
        number = _ffi.c_uint64()
        check(self._lib.cms_archive_create(self._use(), encode(name, "label"), number), name)
        return number.value

    def archives(self) -> List[Archive]:
        """Returns the kept snapshots, labelled and automatic, the oldest first."""
        from ._archive import archives

        return archives(self._lib, self._use())

    def delete_archive(self, name: str) -> None:
        """Deletes the snapshot with a label."""
        check(self._lib.cms_archive_delete(self._use(), encode(name, "label")), name)

    def backup(self, path: Union[str, os.PathLike[str]]) -> None:
        """Writes the committed state of all packages into a file, which is replaced if it is there."""
        check(self._lib.cms_backup(self._use(), encode(os.fspath(path), "path")))

    def restore(self, name: Union[str, os.PathLike[str]]) -> int:
        """Brings all packages to the state in a backup file or, for a name without a "/", a label; as `rollback`."""
        done = _ffi.c_uint64()
        check(self._lib.cms_restore(self._use(), encode(os.fspath(name), "name"), done))
        return done.value

    def pending(self) -> Optional[Pending]:
        """Returns the commit that waits to be confirmed."""
        from ._history import pending

        return pending(self._lib, self._use())

    def waiting(self) -> List[Entry]:
        """Returns the transactions that wait to be confirmed, the oldest first, with what each has changed."""
        from ._history import waiting

        return waiting(self._lib, self._use())

    def pending_notice(self, revision: int) -> Optional[str]:
        """Says which keys of a transaction an unconfirmed commit would roll back; None if no commit waits.

        Call it after the commit of the transaction `revision`."""
        from ._history import notice

        return notice(self._lib, self._use(), revision)

    def confirm(self, revision: int = 0) -> None:
        """Confirms the commit that waits to be confirmed; with `revision`, only if it is that one."""
        check(self._lib.cms_confirm(self._use(), revision))

    def check_log(self) -> LogInfo:
        """Checks that no record of the log was changed, removed or inserted; the result has the problems in
        `problems`."""
        from ._audit import check_log

        return check_log(self._lib, self._use())

    def repair(self) -> Repair:
        """Repairs a damaged log, and restores each package with errors to its newest text without errors."""
        from ._audit import repair

        return repair(self._lib, self._use())
