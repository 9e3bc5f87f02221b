"""Transactions."""

from __future__ import annotations

from . import _ffi, _keys, _library
from ._convert import is_list, list_type, to_bytes, to_items, value_type
from ._edited import Changing, EditedPackage, EditedSection, assign_package, assign_section
from ._errors import Conflict, Error, check, copied, fail, text
from ._ffi import CMS_ERR_NOT_DURABLE, CMS_ERR_NOT_FOUND, CMS_ERR_TYPE, CMS_OK
from ._keys import encode
from ._list import items
from ._reader import MISSING
from ._section import Section
from ._tree import Tree
from ._typing import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, Iterator, Optional, Tuple, Type

    from ._store import Store
    from ._table import EditedTable


class Transaction(Tree, Changing):
    """Changes to any number of packages that are committed together. One thread uses one at a time.

    Other readers see the changes after the commit, which happens at the end of the `with` block; an exception
    discards them all. A change that cannot be made raises; if that is caught, the transaction continues without it.

    It reads like a store, its own changes included, and its packages and sections can be changed too. If another
    transaction changes before the commit what was read or written here, the commit raises Conflict.
    """

    __slots__ = ("__weakref__", "_lib", "_ref", "_revision", "_store", "_values", "_why")

    _package_type = EditedPackage
    _section_type = EditedSection

    def __init__(self, store: Store) -> None:
        self._lib = lib = _library.library()
        self._store = store
        # The values that were last read or written, by key: for the attributes of a Conflict.
        self._values: Dict[str, Any] = {}
        self._revision: Optional[int] = None
        self._why = ""
        status, self._ref = _library.own(_ffi.cms_txn, lib.cms_begin, store._use())
        check(status)
        _library.tell_of_forks(self)

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
    ) -> Optional[bool]:
        if self._ref is None:
            return None
        if kind is None:
            self.commit()
        else:
            self.rollback()
        return None

    async def __aenter__(self) -> Transaction:
        return self.__enter__()

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> Optional[bool]:
        """Commits in a thread, so that the event loop goes on meanwhile."""
        from asyncio import to_thread

        return await to_thread(self.__exit__, kind, error, trace)

    @property
    def is_open(self) -> bool:
        """Whether it is neither committed nor rolled back."""
        return self._ref is not None

    def prepare(
        self,
        message: Optional[str],
        confirm: Optional[float],
        force: bool,
        author: Optional[str] = None,
        request: Optional[str] = None,
    ) -> None:
        """Sets the arguments of `Store.transaction`."""
        if author is not None:
            check(self._lib.cms_txn_set_author(self._use(), encode(author, "author")))
        if request is not None:
            check(self._lib.cms_txn_set_request(self._use(), encode(request, "request")))
        if message is not None:
            check(self._lib.cms_txn_set_message(self._use(), encode(message, "message")))
        if confirm is not None:
            check(self._lib.cms_txn_set_confirm(self._use(), int(confirm * 1000)))
        if force:
            check(self._lib.cms_txn_set_force(self._use(), 1))

    def __repr__(self) -> str:
        return f"<cms.Transaction, {self._why}>" if self._ref is None else f"<cms.Transaction, changes: {self.count}>"

    def close(self) -> None:
        """Rolls back what is not committed. A second call does nothing."""
        if self._ref is not None:
            self.rollback()

    # Reading.

    def _find(self, key: str) -> Any:
        count = _keys.parts(key)
        return self._read(key, encode(key)) if count == 3 else self._of(key, count)

    def _read(self, key: str, raw: bytes) -> Any:
        size = _ffi.c_size_t(255)
        while True:
            buffer = _ffi.create_string_buffer(size.value + 1)
            status = self._lib.cms_txn_get(self._use(), raw, buffer, len(buffer), size)
            if status or size.value < len(buffer):
                break
        found: Any = text(buffer.value)
        if status == CMS_ERR_NOT_FOUND:
            found = MISSING
        elif status == CMS_ERR_TYPE:
            found = items(key, self._lib, self._lib.cms_txn_list_open, self._use(), raw)
        elif status:
            fail(status, key)
        self._values[key] = None if found is MISSING else found
        return found

    def _has_package(self, name: str) -> bool:
        status, _ = _library.own(
            _ffi.cms_section_iter, self._lib.cms_txn_section_iter_open, self._use(), encode(name, "package"), None
        )
        if status not in (CMS_OK, CMS_ERR_NOT_FOUND):
            fail(status, name)
        return not status

    def _sections(self, package: str, kind: str = "") -> Iterator[Section]:
        return self._iterate_sections(self._lib.cms_txn_section_iter_open, self._use(), package, kind)

    def _options(self, package: str, section: str) -> Iterator[Tuple[str, Any]]:
        return self._iterate_options(self._lib.cms_txn_option_iter_open, self._use(), package, section)

    def __iter__(self) -> Iterator[str]:
        return self._iterate_packages(self._lib.cms_txn_package_iter_open, self._use())

    def resolve(self, key: str) -> str:
        return copied(key, self._lib.cms_txn_resolve, self._use(), encode(key))

    def _place(self, key: str) -> Tuple[str, int]:
        return self._store._place(key)

    @property
    def count(self) -> int:
        """The number of changes so far."""
        count = _ffi.c_size_t()
        check(self._lib.cms_txn_info(self._use(), None, None, count))
        return count.value

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
        _library.disown(ref)
        status = self._lib.cms_txn_commit(ref, revision)
        if status in (CMS_OK, CMS_ERR_NOT_DURABLE):
            self._revision = revision.value
        else:
            self._why = "could not be committed"
        try:
            check(status)
        except Conflict as error:
            self._tell_values(error)
            raise
        return revision.value

    def _tell_values(self, error: Conflict) -> None:
        """Adds both values to a conflict."""
        try:
            for key in [key for key in self._values if "@" in key]:
                self._values.setdefault(self._store.resolve(key), self._values[key])
            error.mine = self._values.get(error.key)
            found = self._store.get(error.key)
        except (Error, ValueError):  # the store may be closed, or the key that of a package
            return
        error.theirs = found.type if isinstance(found, Section) else found

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

    # Changes.

    def set(self, key: str, value: Any) -> None:
        """Sets an option to a string, bytes, a number, a truth value ("1" or "0"), a list, or a value of another type
        that `get` reads; it keeps its position.

        For the key of a section, the value is its type, and a missing section is made, with a missing package. A
        section or a mapping replaces its options. "" and [] delete, as in all of UCI. A value that is not UTF-8 is
        read as a string with surrogates (PEP 383); setting that string writes the original bytes. Names are UTF-8."""
        if is_list(value):
            listed = to_items(value)
            raw = (_ffi.c_char_p * len(listed))(*listed)
            of = list_type(value)
            if of is None:
                check(self._lib.cms_txn_set_list(self._use(), encode(key), raw, len(listed)), key)
            else:
                check(self._lib.cms_txn_set_typed_list(self._use(), encode(key), of, raw, len(listed)), key)
            self._values[key] = [text(item) for item in listed] or None
        elif isinstance(value, Mapping):
            (assign_package if _keys.parts(key) == 1 else assign_section)(self, key, value)
        else:
            written = to_bytes(value)
            of = value_type(value)
            if of is None:
                check(self._lib.cms_txn_set(self._use(), encode(key), written), key)
            else:
                check(self._lib.cms_txn_set_typed(self._use(), encode(key), of, written), key)
            self._values[key] = text(written) or None

    __setitem__ = set

    def incr(self, key: str, by: int = 1) -> int:
        """Adds to a whole number and returns the sum; an option that does not exist counts as 0. If another transaction
        changes the number before the commit, that is a Conflict: `Store.incr` repeats the addition then.

        Raises WrongType if the value is no whole number, and OutOfRange if the sum does not fit into 64 bits."""
        total = _ffi.c_int64()
        check(self._lib.cms_txn_add_int(self._use(), encode(key), by, total), key)
        self._values[key] = str(total.value)
        return total.value

    def expect(self, key: str, value: Any = None, *, revision: Optional[int] = None) -> None:
        """Raises Conflict unless the key has this value, or, with None, does not exist; with a revision, unless no
        transaction after that one has changed the key. A change of the key by another transaction before the commit is
        a Conflict as well."""
        if revision is not None:
            check(self._lib.cms_txn_expect_revision(self._use(), encode(key), revision), key)
        else:
            wanted = None if value is None else to_bytes(value)
            check(self._lib.cms_txn_expect(self._use(), encode(key), wanted), key)

    def table(self, package: str, type: str) -> EditedTable:
        """Returns the sections of a type of a package as a table with `insert`, `update` and `delete`."""
        from ._table import EditedTable

        return EditedTable(self, package, type)

    def save(self, instance: object, key: Optional[str] = None) -> None:
        """Writes the fields of a dataclass that differ from what is there, and nothing else: see `load`.

        None and empty lists delete. A list of dataclasses is compared with the sections that are there: equal ones
        stay. Raises Invalid if a value would be read as another one, which an empty list with a default would."""
        from ._fields import key_of
        from ._save import save_as

        save_as(self, instance, key_of(instance, key))

    def add_package(self, name: str) -> None:
        """Makes a package without sections. Raises Exists if there is one of that name."""
        check(self._lib.cms_txn_add_package(self._use(), encode(name, "package")), name)

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
        self._values.pop(key, None)

    def remove(self, key: str, item: Any) -> None:
        """Removes all items of a list that equal `item`; of a string, nothing."""
        check(self._lib.cms_txn_del_list(self._use(), encode(key), to_bytes(item)), key)
        self._values.pop(key, None)

    def delete(self, key: str) -> None:
        """Deletes an option, a section with all its options, or a package with all its sections and its file."""
        call = self._lib.cms_txn_delete_package if _keys.parts(key) == 1 else self._lib.cms_txn_delete
        check(call(self._use(), encode(key)), key)
        self._values[key] = None

    __delitem__ = delete

    def rename(self, key: str, name: str) -> None:
        """Gives an option or a section another name; `name` is the new name alone, not a key."""
        check(self._lib.cms_txn_rename(self._use(), encode(key), encode(name, "name")), key)

    def reorder(self, key: str, position: int) -> None:
        """Moves a section to a position among those of its package, from 0; beyond the end means last."""
        if position < 0:
            raise ValueError("positions count from 0")
        check(self._lib.cms_txn_reorder(self._use(), encode(key), position), key)
