"""Configuration that people edit as text and programs read in nanoseconds.

    import cms

    with cms.open() as store:
        store["network.lan.ipaddr"]                       # "192.168.1.1"
        store.get("network.lan.mtu", 1500, type=int)      # 1500
        for section in store["firewall"].sections("rule"):
            print(section.name, section.get("target"))
        with store.transaction() as txn:                  # commits, or rolls back on an exception
            txn["network.lan.ipaddr"] = "192.168.7.1"

Importing it loads no library and starts no thread.
"""

from __future__ import annotations

from ._convert import size as size
from ._default import delete as delete, get as get, set as set
from ._errors import (
    Ambiguous as Ambiguous,
    Conflict as Conflict,
    Damaged as Damaged,
    End as End,
    Error as Error,
    Exists as Exists,
    Full as Full,
    Internal as Internal,
    Invalid as Invalid,
    IoError as IoError,
    LoadError as LoadError,
    Locked as Locked,
    NoSpace as NoSpace,
    NotDurable as NotDurable,
    NotFound as NotFound,
    OutOfMemory as OutOfMemory,
    OutOfRange as OutOfRange,
    ParseError as ParseError,
    PermissionDenied as PermissionDenied,
    Refused as Refused,
    SchemaError as SchemaError,
    Stale as Stale,
    Unsupported as Unsupported,
    Violation as Violation,
    WrongType as WrongType,
)
from ._ffi import VERSION as VERSION
from ._store import Store as Store, open as open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._archive import Archive as Archive
    from ._audit import LogInfo as LogInfo, Repair as Repair, Repaired as Repaired
    from ._bind import Binding as Binding
    from ._history import (
        BlameLine as BlameLine,
        By as By,
        Change as Change,
        ChangeKind as ChangeKind,
        Entry as Entry,
        Pending as Pending,
    )
    from ._key import Key as Key
    from ._section import Package as Package, Section as Section
    from ._snapshot import Snapshot as Snapshot
    from ._status import Status as Status
    from ._table import EditedTable as EditedTable, Table as Table
    from ._txn import Transaction as Transaction
    from ._watch import Subscription as Subscription, Verifier as Verifier, Watch as Watch

__version__ = VERSION

# Names that many programs do not need. Some of their modules import typing and enum, which takes long.
_LATER = {
    "Archive": "_archive",
    "Binding": "_bind",
    "BlameLine": "_history",
    "By": "_history",
    "Change": "_history",
    "ChangeKind": "_history",
    "EditedTable": "_table",
    "Entry": "_history",
    "Key": "_key",
    "Package": "_section",
    "Pending": "_history",
    "Repair": "_audit",
    "Repaired": "_audit",
    "Section": "_section",
    "Snapshot": "_snapshot",
    "Status": "_status",
    "Subscription": "_watch",
    "Table": "_table",
    "Transaction": "_txn",
    "LogInfo": "_audit",
    "Verifier": "_watch",
    "Watch": "_watch",
}

# Without `open` and `set`, which would hide Python's own, and `get` and `delete`, which are too short for a star
# import.
__all__ = [
    "Ambiguous",
    "Archive",
    "Binding",
    "BlameLine",
    "By",
    "Change",
    "ChangeKind",
    "Conflict",
    "Damaged",
    "EditedTable",
    "End",
    "Entry",
    "Error",
    "Exists",
    "Full",
    "Internal",
    "Invalid",
    "IoError",
    "Key",
    "LoadError",
    "Locked",
    "LogInfo",
    "NoSpace",
    "NotDurable",
    "NotFound",
    "OutOfMemory",
    "OutOfRange",
    "Package",
    "ParseError",
    "Pending",
    "PermissionDenied",
    "Refused",
    "Repair",
    "Repaired",
    "SchemaError",
    "Section",
    "Snapshot",
    "Stale",
    "Status",
    "Store",
    "Subscription",
    "Table",
    "Transaction",
    "Unsupported",
    "Verifier",
    "Violation",
    "Watch",
    "WrongType",
    "size",
]


if not TYPE_CHECKING:  # else any name would be one

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module 'cms' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"cms.{_LATER[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
