"""Transactions."""

from __future__ import annotations

from . import _ffi
from ._convert import to_bytes
from ._errors import check, text
from ._ffi import CMS_ERR_NOT_DURABLE, CMS_ERR_TYPE, CMS_OK
from ._keys import encode
from ._list import items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, Optional, Type


class Transaction:
    """Changes to any number of packages that are committed together. One thread uses one at a time.

    Other readers see the changes after the commit, which happens at the end of the `with` block; an exception
    discards them all. A change that cannot be made raises; if that is caught, the transaction continues without it.
    """

    __slots__ = ("__weakref__", "_lib", "_ref", "_revision", "_why")

    def __init__(self, store_ref: Any) -> None:
        self._lib = lib = _ffi.library()
        self._revision: Optional[int] = None
        self._why = ""
        status, self._ref = _ffi.own(_ffi.cms_txn, lib.cms_begin, store_ref)
        check(status)
        _ffi.tell_of_forks(self)

    def _forked(self) -> None:
        if self._ref is not None:
            self._ref, self._why = None, "belongs to the process that began it"

    def _use(self) -> Any:
        ref = self._ref
        if ref is None:
            raise ValueError(f"the transaction {self._why}")
        return ref

    def _end(self, why: str) -> Any:
        ref = self._use()
        self._ref, self._why = None, why
        return ref

    def __enter__(self) -> Transaction:
        self._use()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._ref is None:
            return
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def prepare(self, message: Optional[str], confirm: Optional[float], force: bool) -> None:
        """Sets the arguments of `Store.transaction`."""
        if message is not None:
            check(self._lib.cms_txn_set_message(self._use(), encode(message, "message")))
        if confirm is not None:
            check(self._lib.cms_txn_set_confirm(self._use(), int(confirm * 1000)))
        if force:
            check(self._lib.cms_txn_set_force(self._use(), 1))

    def get(self, key: str) -> Any:
        """Reads a value as the transaction sees it, its own changes included: a string, or a list of strings.

        Setting the value that was read changes nothing. If another transaction changes it before the commit, the
        commit raises Conflict."""
        raw, size = encode(key), _ffi.c_size_t(255)
        while True:
            buffer = _ffi.create_string_buffer(size.value + 1)
            status = self._lib.cms_txn_get(self._use(), raw, buffer, len(buffer), size)
            if status == CMS_ERR_TYPE:
                return items(key, self._lib, self._lib.cms_txn_list_open, self._use(), raw)
            check(status, key)
            if size.value < len(buffer):
                return text(buffer.value)

    __getitem__ = get

    def __len__(self) -> int:
        """The number of changes so far."""
        count = _ffi.c_size_t()
        check(self._lib.cms_txn_info(self._use(), None, None, count))
        return count.value

    def __bool__(self) -> bool:
        """A transaction is true, whether or not it has changes."""
        return True

    def savepoint(self) -> int:
        """Returns a savepoint of the changes so far, for `rollback_to`."""
        point = _ffi.c_uint32()
        check(self._lib.cms_txn_savepoint(self._use(), point))
        return point.value

    def rollback_to(self, point: int) -> None:
        """Discards all changes since a savepoint."""
        check(self._lib.cms_txn_rollback_to(self._use(), point))

    def commit(self) -> int:
        """Commits all changes, durably; returns the revision. If it raises anything but NotDurable, nothing was
        changed."""
        ref = self._end("is committed")
        revision = _ffi.c_uint64()
        _ffi.disown(ref)
        status = self._lib.cms_txn_commit(ref, revision)
        if status in (CMS_OK, CMS_ERR_NOT_DURABLE):
            self._revision = revision.value
        else:
            self._why = "could not be committed"
        check(status)
        return revision.value

    def rollback(self) -> None:
        """Discards all changes."""
        # Dropping the last reference frees the handle.
        self._end("is rolled back")

    @property
    def revision(self) -> int:
        """The number of the commit, once it is made."""
        if self._revision is None:
            raise ValueError("the transaction is not committed")
        return self._revision

    def set(self, key: str, value: Any) -> None:
        """Sets an option to a string, bytes, a number, a truth value ("1" or "0"), or a list of those; it keeps its
        position.

        For the key of a section, the value is its type, and a missing section is made, with a missing package. "" and
        [] delete, as in all of UCI. A value that is not UTF-8 is read as a string with surrogates (PEP 383); setting
        that string writes the original bytes. Names are UTF-8."""
        if isinstance(value, (list, tuple)):
            raw = (_ffi.c_char_p * len(value))(*map(to_bytes, value))
            check(self._lib.cms_txn_set_list(self._use(), encode(key), raw, len(raw)), key)
        else:
            check(self._lib.cms_txn_set(self._use(), encode(key), to_bytes(value)), key)

    __setitem__ = set

    def add(self, package: str, type: str, options: Optional[Dict[str, Any]] = None) -> str:
        """Adds an anonymous section at the end of a package, perhaps with options; returns its generated name.

        A missing package is made."""
        buffer, size = _ffi.create_string_buffer(64), _ffi.c_size_t()
        raw = encode(package, "package"), encode(type, "type")
        check(self._lib.cms_txn_add_section(self._use(), *raw, buffer, len(buffer), size), package)
        name = text(buffer.value)
        for option, value in (options or {}).items():
            self.set(f"{package}.{name}.{option}", value)
        return name

    def append(self, key: str, item: Any) -> None:
        """Appends an item to a list, a missing list is made, and a string becomes the first item."""
        check(self._lib.cms_txn_add_list(self._use(), encode(key), to_bytes(item)), key)

    def remove(self, key: str, item: Any) -> None:
        """Removes all items of a list that equal `item`; of a string, nothing."""
        check(self._lib.cms_txn_del_list(self._use(), encode(key), to_bytes(item)), key)

    def delete(self, key: str) -> None:
        """Deletes an option, or a section with all its options."""
        check(self._lib.cms_txn_delete(self._use(), encode(key)), key)

    __delitem__ = delete

    def rename(self, key: str, name: str) -> None:
        """Gives an option or a section another name; `name` is the new name alone, not a key."""
        check(self._lib.cms_txn_rename(self._use(), encode(key), encode(name, "name")), key)

    def reorder(self, key: str, position: int) -> None:
        """Moves a section to a position among those of its package, from 0; beyond the end means last."""
        if position < 0:
            raise ValueError("positions count from 0")
        check(self._lib.cms_txn_reorder(self._use(), encode(key), position), key)
