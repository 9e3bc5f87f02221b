"""An open store: reading the newest values, and making snapshots, transactions, watches and verifiers."""

from __future__ import annotations

import os

from . import _ffi, _library
from ._errors import Error, NotFound, check, copied, fail, text
from ._ffi import CMS_ERR_NOT_FOUND, CMS_ERR_TYPE, CMS_OPEN_PRIVATE, byref
from ._keys import OPTIONS, encode, option, parts
from ._log import Log
from ._reader import MISSING, Root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, List, Optional, Tuple, Type, TypeVar, Union

    from ._bind import Binding
    from ._history import Entry
    from ._key import Key
    from ._retry import Retry
    from ._section import Package
    from ._snapshot import Snapshot
    from ._table import Table
    from ._txn import Transaction
    from ._watch import Subscription, Verifier, Watch

    _T = TypeVar("_T")
    Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]

# Buffers that no read uses at the moment, each with its arguments for `untyped` functions. Not one for each thread: a
# signal handler or a finalizer may read in the middle of another read, and this is faster than threading.local.
_ROOM = 512
_IDLE: List[Tuple[Any, Any]] = []


def open(
    config_dir: Optional[Path] = None,
    *,
    save_dir: Optional[Path] = None,
    run_dir: Optional[Path] = None,
    state_dir: Optional[Path] = None,
    private: bool = False,
    map_limit: int = 0,
    source: Optional[str] = None,
    log_limit: int = 0,
    durability: Optional[str] = None,
    text_delay: float = 0,
    verify_timeout: float = 0,
    on_message: Optional[Callable[[int, str], object]] = None,
    preload: bool = False,
) -> Store:
    """Opens a store.

    The default of a directory is the variable CMS_CONFIG_DIR, CMS_SAVE_DIR, CMS_RUN_DIR or CMS_STATE_DIR, else the
    directory of the system. `private` keeps maps to this process; commits of others are then seen after `refresh`.
    `map_limit` is how many bytes the map of a package may have, 0 for any number. `source` is the name of the program
    in the history, else "python-pid-" and the number of the process. `log_limit` is how many bytes of the log are
    kept, 0 for 4 MiB.

    `durability` is what commits survive: "full" (a power cut, and the default), "log" (the same, and the texts are
    written later: one sync instead of three) or "none" (the end of the process: a power cut may take the last
    commits, but leaves each package whole), and "PACKAGE=LEVEL" for one package, with commas between. `text_delay` is
    for how many seconds a text may be older than the log with "log", 0 for 1; a thread of the library writes it then,
    as `flush` and `close` do.

    `verify_timeout` is for how many seconds a commit waits for its verifiers, 0 for 5.

    `on_message` is called with each warning of the store, once: with a level of module `logging` and the text, as
    `logging.getLogger("cms").log` is. A warning is about a problem that does not stop a call, such as a file that is
    skipped because it cannot be a package. The hook runs in the thread whose call causes the warning, or in one of
    the library, and must not use the store. An exception that it raises goes to `sys.unraisablehook`.

    With `preload` all packages are opened at once, and not each at its first read.

    Where the store has a policy (section `store` of the package `cms`), these override it only where they are stricter,
    or where the user owns the configuration directory. In safe mode all calls that write raise `PermissionDenied`.
    """
    paths = (config_dir, save_dir, run_dir, state_dir)
    raw = [None if path is None else os.fsencode(path) for path in paths]
    flags = CMS_OPEN_PRIVATE if private else 0
    name = None if source is None else encode(source, "source")
    levels = None if durability is None else encode(durability, "durability")
    delay, patience = round(text_delay * 1000), round(verify_timeout * 1000)
    options = _ffi.cms_options(*raw, flags, map_limit, name, log_limit, levels, delay, patience)
    if on_message is None:
        store = Store(options)
    else:
        from ._message_hook import give, keep

        number = give(options, on_message)
        store = Store(options)
        keep(store, number)
    if preload:
        store._preload()
    return store


class Store(Root, Log):
    """An open store. Any number of threads may use one, and a program needs one.

    Reads see each commit as soon as it is made, by any process; edits by hand are seen after `refresh`. After a fork,
    the child opens the store again on its next use."""

    __slots__ = ("__weakref__", "_closed", "_get", "_lib", "_look", "_named", "_options", "_ref", "_size")

    def __init__(self, options: _ffi.cms_options) -> None:
        self._options: Any = options
        self._named = options.source is not None
        self._closed = False
        self._ref: Any = None
        self._lib = _library.library()
        self._get = _library.untyped("cms_get")
        self._look = _library.untyped("cms_revision")
        self._size = _ffi.size(_ROOM)
        self._open()
        _library.tell_of_forks(self)

    def _open(self) -> Any:
        if not self._named:
            # A child made by fork has another process number.
            self._options.source = f"python-pid-{os.getpid()}".encode()
        status, ref = _library.own(_ffi.cms_store, self._lib.cms_open, self._options)
        check(status)
        self._ref = ref
        return ref

    def _forked(self) -> None:
        self._ref = None

    def _use(self) -> Any:
        """Returns the handle for a call."""
        ref = self._ref
        if ref is not None:
            return ref
        if self._closed:
            raise ValueError("the store is closed")
        return self._open()

    def __enter__(self) -> Store:
        self._use()
        return self

    async def __aenter__(self) -> Store:
        self._use()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the store. Values that were read stay valid, and snapshots and transactions stay open. A second call
        does nothing."""
        self._closed = True
        self._ref = None

    def __repr__(self) -> str:
        config = self._options.config_dir
        where = repr(os.fsdecode(config)) if config else "of the environment"
        return f"<cms.Store {where}{', closed' if self._closed else ''}>"

    # Reading.

    def __getitem__(self, key: str) -> Any:
        # This is Reader.__getitem__ without intermediate calls, which saves a tenth of the time.
        try:
            raw = OPTIONS[key]
            room = _IDLE.pop()
        except LookupError:
            return Root.__getitem__(self, key)
        status = self._get(self._ref, raw, room[1], self._size, None)
        value = room[0].value
        _IDLE.append(room)
        if status or len(value) == _ROOM - 1:
            return Root.__getitem__(self, key)
        try:
            return value.decode()
        except UnicodeDecodeError:
            return text(value)

    def _find(self, key: str) -> Any:
        try:
            raw = OPTIONS[key]
            room = _IDLE.pop()
        except LookupError:
            return self._find_anew(key)
        status = self._get(self._ref, raw, room[1], self._size, None)
        value = room[0].value
        _IDLE.append(room)
        if status:
            return self._explain(key, raw, status)
        return text(value if len(value) < _ROOM - 1 else self._long(key, raw))

    def _find_anew(self, key: str) -> Any:
        """Reads a key that was not read before, or while other threads use all the buffers."""
        if parts(key) != 3:
            # Packages and sections read through a snapshot that belongs to them.
            return self.snapshot()._find(key)
        if key not in OPTIONS:
            option(key)
        if not _IDLE:
            buffer = _ffi.create_string_buffer(_ROOM)
            _IDLE.append((buffer, byref(buffer)))
        return self._find(key)

    def _explain(self, key: str, raw: bytes, status: int) -> Any:
        """Handles a read that failed."""
        if status == CMS_ERR_NOT_FOUND:
            return MISSING
        if status == CMS_ERR_TYPE:
            return self._items(key, raw)
        if self._ref is None:
            self._use()
            return self._find(key)
        return fail(status, key)

    def _long(self, key: str, raw: bytes) -> bytes:
        """Reads a value that does not fit into a shared buffer."""
        size = _ffi.c_size_t(_ROOM)
        while True:
            buffer = _ffi.create_string_buffer(size.value + 1)
            check(self._lib.cms_get(self._use(), raw, buffer, len(buffer), size), key)
            if size.value < len(buffer):
                return buffer.value

    def _items(self, key: str, raw: bytes) -> Any:
        from ._list import items

        try:
            return items(key, self._lib, self._lib.cms_list_open, self._use(), raw)
        except NotFound:
            return MISSING

    def package(self, name: str) -> Package:
        return self.snapshot().package(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.snapshot())

    def __len__(self) -> int:
        return len(self.snapshot())

    def __bool__(self) -> bool:
        return True

    def table(self, package: str, type: str) -> Table:
        """Returns the sections of a type of a package as a table: `store.table("users", "user").find(id=1)`.

        It shows the last commit, and stays so. A transaction has a table whose rows can be changed."""
        return self.snapshot().table(package, type)

    def key(self, text: str) -> Key:
        """Prepares a key that is read again and again. It need not exist yet."""
        from ._key import Key

        return Key(self, text)

    def snapshot(self) -> Snapshot:
        """Opens a snapshot of the last commit, for many values of one state."""
        from ._snapshot import Snapshot

        return Snapshot(self)

    def _preload(self) -> None:
        """Opens all packages. One with errors is left to its first read, which tells them."""
        from contextlib import suppress

        with self.snapshot() as snapshot:
            for name in snapshot:
                with suppress(Error):
                    snapshot._has_package(name)

    def resolve(self, key: str) -> str:
        return copied(key, self._lib.cms_resolve, self._use(), encode(key))

    def _place(self, key: str) -> Tuple[str, int]:
        """Finds the place for an error, in the text as it is now."""
        line = _ffi.c_uint32()
        try:
            return copied(key, self._find_line, encode(key), line), line.value
        except (Error, ValueError):  # the text has changed since, or the store is closed
            return "", 0

    def _find_line(self, key: bytes, line: Any, *buffer: Any) -> int:
        status: int = self._lib.cms_find_line(self._use(), key, *buffer, line)
        return status

    def load(self, cls: Type[_T], key: Optional[str] = None) -> _T:
        with self.snapshot() as snapshot:
            return snapshot.load(cls, key)

    def bind(
        self,
        cls: Type[_T],
        key: Optional[str] = None,
        *,
        on_change: Optional[Callable[[_T], object]] = None,
        on_error: Optional[Callable[[Error], object]] = None,
    ) -> Binding[_T]:
        """Loads a dataclass as `load` does, and again with each change, until the result is closed: see its `value`.

        `on_change` is called with each new instance, on a thread of the library. If the values of a new state do not
        fit, `value` stays, and `on_error` is called with the LoadError; without it, the error goes to
        `sys.unraisablehook`."""
        from ._bind import Binding
        from ._fields import key_of

        return Binding(self, cls, key_of(cls, key), on_change, on_error)

    # Changes of others.

    @property
    def revision(self) -> int:
        """The number, in the log, of the last transaction shown. It grows with every commit of any program."""
        number = _ffi.c_uint64()
        if self._look(self._ref, byref(number)):
            check(self._lib.cms_revision(self._use(), number))
        return number.value

    def refresh(self) -> bool:
        """Reads the packages that an editor has changed, and returns whether there were any."""
        changed = _ffi.c_int32()
        check(self._lib.cms_refresh(self._use(), changed))
        return bool(changed.value)

    def flush(self) -> None:
        """Writes the texts that are older than the log, with durability "log"."""
        check(self._lib.cms_flush(self._use()))

    def watch(self, pattern: str = "*", *, since: Optional[int] = None, merge: bool = False) -> Watch:
        """Watches packages, sections or options: "network.lan.*", "*.lan.ipaddr", or several with blanks between.

        Events start with the transaction after `since`, the number of one, else with the next one. Raises Stale if
        the log does not go back that far. With `merge`, pending transactions come as one event, with one change for
        each key. To follow a state, open the watch, then read."""
        from ._watch import Watch

        return Watch(self, pattern, since, merge)

    def subscribe(
        self,
        pattern: str,
        callback: Callable[[Entry], object],
        *,
        since: Optional[int] = None,
        on_error: Optional[Callable[[Error], object]] = None,
    ) -> Subscription:
        """Calls `callback` with each transaction, on a thread of the library, until the result is closed.

        The callback may read and write the store, and close the subscription. Closing it from another thread waits
        until the callback does not run. So the callback must not wait for that thread, for example a window's event
        loop; such a program should use a watch, whose `fileno` the loop can wait for. Exceptions of the callback go
        to `sys.unraisablehook`, as do errors of the subscription without `on_error`."""
        from ._watch import Subscription

        return Subscription(self, pattern, callback, since, on_error)

    def verify(self, pattern: str, decide: Optional[Callable[[Entry], object]] = None) -> Verifier:
        """Calls `decide` with each transaction, of any process, that would change a key that `pattern` selects.

        It is called before the transaction is made, on a thread of the library, until the result is closed. To refuse
        the transaction it raises an exception, Refused for example, or returns the reason, or False; the commit then
        raises Refused. It may read the store, which shows the state before, and must not change it. It has 5 seconds,
        or the `verify_timeout` of the committer. The `revision` of its transaction is 0. Without `decide` the result
        is a decorator:

            @store.verify("network.*.mtu")
            def check(entry):
                if any(int(change.new or 0) > 9000 for change in entry.changes):
                    raise cms.Refused("no card here can do that")
        """
        from ._watch import Verifier

        return Verifier(self, pattern, decide)

    # Changes.

    def transaction(
        self,
        message: Optional[str] = None,
        *,
        confirm: Optional[float] = None,
        force: bool = False,
        author: Optional[str] = None,
        request: Optional[str] = None,
    ) -> Transaction:
        """Begins a transaction: `with store.transaction() as txn:` commits, unless an exception leaves the block.

        `message` is the reason, for the history. With `confirm` the commit is rolled back unless it is confirmed
        within so many seconds, by a guard: a process if there is a `cms` in PATH, else a thread of this program. With
        `force` it is committed even if others have changed the same keys meanwhile. `author` is the person for whom
        the program commits, "alice@192.168.7.20" for example; `request` is the id of the request, 32 hexadecimal digits
        as of a UUID, by which `find_request` finds the transaction.
        """
        from ._txn import Transaction

        txn = Transaction(self)
        txn.prepare(message, confirm, force, author, request)
        return txn

    begin = transaction

    def attributed(
        self,
        author: Optional[str] = None,
        source: Optional[str] = None,
        message: Optional[str] = None,
        request: Optional[str] = None,
    ) -> Store:
        """Returns a store that shares everything with this one, and whose transactions are of another author, program
        or request; those that `undo` and the like make are too. A program that serves many people makes one for each
        of them; it costs little, and is closed by itself."""
        from ._attributed import Attributed

        return Attributed(self, author, source, message, request)

    def find_request(self, request: str) -> Optional[int]:
        """Returns the revision of the transaction that was made for a request; None if the log has none. A program that
        does not know whether the first try of a request was committed asks this before it tries again."""
        from ._attributed import find_request

        return find_request(self._lib, self._use(), request)

    def retry(self, attempts: int = 10, message: Optional[str] = None) -> Retry:
        """Begins transactions until one is committed without a Conflict, at most `attempts`: a loop,

            for txn in store.retry():
                with txn:
                    txn["stats.boot.count"] = txn.get("stats.boot.count", 0) + 1

        or a decorator of a function whose first argument is the transaction. The function or the block runs again
        after each conflict, so what it does elsewhere should bear that. The last Conflict is raised."""
        from ._retry import Retry

        return Retry(self, attempts, message)

    def add_package(self, name: str) -> int:
        """Makes a package without sections, in a separate transaction; returns its revision."""
        with self.transaction() as txn:
            txn.add_package(name)
        return txn.revision

    def save(self, instance: object, key: Optional[str] = None, message: Optional[str] = None) -> int:
        """Writes a dataclass back, in a separate transaction, as `Transaction.save` does; returns its revision."""
        with self.transaction(message) as txn:
            txn.save(instance, key)
        return txn.revision

    def set(self, key: str, value: Any) -> int:
        """Sets one option, in a separate transaction, which is durable then; returns its revision."""
        with self.transaction() as txn:
            txn.set(key, value)
        return txn.revision

    def incr(self, key: str, by: int = 1) -> int:
        """Adds to a whole number, commits that and returns the sum. If others add to it at the same time, in whatever
        process and thread, no addition is lost. An option that does not exist counts as 0.

        Raises WrongType if the value is no whole number, and OutOfRange if the sum does not fit into 64 bits."""
        total = _ffi.c_int64()
        check(self._lib.cms_add_int(self._use(), encode(key), by, total), key)
        return total.value

    def set_if(self, key: str, value: Any, expected: Any = None, *, revision: Optional[int] = None) -> int:
        """Sets one option, in a separate transaction, but only if its value is `expected`, or, with None, if it does
        not exist; with a revision, if no transaction after that one has changed it. Returns the revision of the commit.

        Raises Conflict otherwise. Of several calls at once with the same expectation, one succeeds."""
        with self.transaction() as txn:
            txn.expect(key, expected, revision=revision)
            txn.set(key, value)
        return txn.revision

    def delete(self, key: str) -> int:
        """Deletes one option, section or package, in a separate transaction; returns its revision."""
        with self.transaction() as txn:
            txn.delete(key)
        return txn.revision
