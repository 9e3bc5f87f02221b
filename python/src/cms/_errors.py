"""The exceptions: one for each status. They are also subclasses of the exceptions that Python programs catch for a
dict or a file."""

from __future__ import annotations

from . import _ffi, _library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Dict, List, NoReturn, Tuple, Type


class Error(Exception):
    """A call of the library that failed; the base of all others.

    ``file``, ``key`` and ``hint`` are "", and ``line`` and ``column`` 0, if the error has none. Line and column count
    from 1, the column in bytes. ``status`` is one of ``cms.Status``."""

    status: ClassVar[int] = _ffi.CMS_ERR_INTERNAL

    def __init__(
        self, message: str = "", *, file: str = "", line: int = 0, column: int = 0, key: str = "", hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column
        self.key = key
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(kind: Type[Error], message: str, details: Dict[str, Any]) -> Error:
    error = kind(message)
    error.__dict__.update(details)
    return error


class NotFound(Error, KeyError):
    """There is no such package, section or option; or no such transaction, snapshot or directory."""

    status = _ffi.CMS_ERR_NOT_FOUND


class Invalid(Error, ValueError):
    """A key, name or type is not allowed, too long or not UTF-8; or a value is not allowed or too long.

    ``value`` is the value, if that is not allowed, and ``key`` its key."""

    status = _ffi.CMS_ERR_INVALID
    value: Any = None


class WrongType(Error, TypeError, ValueError):
    """The value is a list where one string was asked for, or its text is not of the type asked for.

    ``value`` is the value, None if it was not read; ``key``, ``file`` and ``line`` say where it is."""

    status = _ffi.CMS_ERR_TYPE
    value: Any = None


class LoadError(WrongType):
    """Values that do not fit a dataclass: ``errors`` has one error for each, with key, value, file and line."""

    errors: Tuple[Error, ...] = ()


class ParseError(Error, ValueError):
    """The text of a package has errors: see ``file``, ``line`` and ``column``."""

    status = _ffi.CMS_ERR_PARSE


class Conflict(Error):
    """Another program changed the same keys, or kept changing the same package.

    ``key`` names the first of the keys. ``mine`` is its value in the transaction, as it was last read or written there,
    and ``theirs`` the present one; None means that the key does not exist or that the value is not known. For a
    section they are its type."""

    mine: Any = None
    theirs: Any = None
    status = _ffi.CMS_ERR_CONFLICT


class Exists(Error, ValueError):
    """The new name is in use."""

    status = _ffi.CMS_ERR_EXISTS


class Ambiguous(Error, LookupError):
    """A key selects several sections."""

    status = _ffi.CMS_ERR_AMBIGUOUS


class Locked(Error, TimeoutError):
    """Another writer did not finish in time."""

    status = _ffi.CMS_ERR_LOCKED


class PermissionDenied(Error, PermissionError):
    """The system does not permit it to this user."""

    status = _ffi.CMS_ERR_PERMISSION


class IoError(Error, OSError):
    """A system call failed."""

    status = _ffi.CMS_ERR_IO


class NoSpace(Error, OSError):
    """The disk or the quota is full, or the file system is read-only."""

    status = _ffi.CMS_ERR_NO_SPACE


class Full(Error):
    """The map of a package would be larger than ``map_limit``."""

    status = _ffi.CMS_ERR_FULL


class Stale(Error):
    """The snapshot is older than all kept states of a package that it had not read before: open a new one."""

    status = _ffi.CMS_ERR_STALE


class Damaged(Error):
    """A map, the log, a snapshot or a backup is damaged; ``hint`` says how to repair it. Damaged maps are rebuilt
    automatically."""

    status = _ffi.CMS_ERR_DAMAGED


class NotDurable(Error):
    """The change is in place, but may not survive a power cut."""

    status = _ffi.CMS_ERR_NOT_DURABLE


class Refused(Error):
    """A program that verifies transactions has refused this one, or has not answered.

    ``program`` and ``pid`` identify it, ``reason`` is its reason."""

    status = _ffi.CMS_ERR_REFUSED
    program = ""
    pid = 0
    reason = ""


class Violation:
    """A value or a section that breaks the schema of its package.

    ``rule`` is the name of the rule ("type", "required", "unknown" and others), ``value`` the value, "" if there is
    none or it is secret; ``message`` says what is wrong, ``expected`` what is expected instead, and ``hint`` what to
    do. ``line`` is 0 if the key has none."""

    __slots__ = ("expected", "file", "hint", "key", "line", "message", "rule", "value")

    def __init__(
        self,
        key: str,
        file: str = "",
        line: int = 0,
        rule: str = "",
        value: str = "",
        message: str = "",
        expected: str = "",
        hint: str = "",
    ) -> None:
        self.key = key
        self.file = file
        self.line = line
        self.rule = rule
        self.value = value
        self.message = message
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.key}: {self.message}{hint}"

    def __repr__(self) -> str:
        return f"<cms.Violation {self}>"


class SchemaError(Error, ValueError):
    """The transaction breaks the schema of a package, and nothing was changed: ``violations`` has all that it makes."""

    status = _ffi.CMS_ERR_SCHEMA
    violations: Tuple[Violation, ...] = ()

    def __str__(self) -> str:
        return "; ".join(str(violation) for violation in self.violations) or super().__str__()


class OutOfMemory(Error, MemoryError):
    """There is not enough memory for a package or a value of this size; nothing is changed."""

    status = _ffi.CMS_ERR_MEMORY


class Unsupported(Error, NotImplementedError):
    """The library was built without what this call needs: it is libcms-small.so."""

    status = _ffi.CMS_ERR_UNSUPPORTED


class OutOfRange(Error, ValueError):
    """The value is a number, but not within the limits that were given."""

    status = _ffi.CMS_ERR_RANGE


class End(Error, IndexError):
    """There is nothing more."""

    status = _ffi.CMS_ERR_END


class Internal(Error, RuntimeError):
    """A fault of the library. The store should be closed."""

    status = _ffi.CMS_ERR_INTERNAL


BY_STATUS: Dict[int, Type[Error]] = {kind.status: kind for kind in Error.__subclasses__()}


# Tracebacks name the exceptions as programs do.
for _kind in (Error, LoadError, Violation, *BY_STATUS.values()):
    _kind.__module__ = "cms"


def text(data: bytes) -> str:
    """Decodes bytes that need not be UTF-8, so that they can be encoded again."""
    return data.decode("utf-8", "surrogateescape")


def exception(status: int, key: str = "") -> Error:
    """Returns the exception for the status of the last call."""
    kind = BY_STATUS.get(status, Internal)
    told = _ffi.cms_error()
    if _library.library().cms_last_error(told) or told.status != status:
        return kind(f"{key}: {kind.__doc__}" if key else str(kind.__doc__), key=key)
    error = kind(
        text(told.message),
        file=text(told.file),
        line=told.line,
        column=told.column,
        key=text(told.key) or key,
        hint=text(told.hint),
    )
    if isinstance(error, (Invalid, WrongType)) and told.value:
        error.value = text(told.value)
    if isinstance(error, Refused):
        error.program, error.pid, error.reason = text(told.program), told.pid, text(told.reason)
    if isinstance(error, SchemaError):
        error.violations = _violations()
    return error


def _violations() -> Tuple[Violation, ...]:
    """Returns the violations of the last call that has failed."""
    found: List[Violation] = []
    told = _ffi.cms_violation()
    while not _library.library().cms_last_violation(len(found), told):
        texts = [told.rule, told.value, told.message, told.expected, told.hint]
        found.append(Violation(text(told.key), text(told.file), told.line, *map(text, texts)))
    return tuple(found)


def fail(status: int, key: str = "") -> NoReturn:
    """Raises the exception for the status of the last call."""
    raise exception(status, key)


def copied(key: str, call: Any, *arguments: object, room: int = 255) -> str:
    """Returns the text that a call copies into a buffer, as `snprintf` does."""
    size = _ffi.c_size_t(room)
    while True:
        buffer = _ffi.create_string_buffer(size.value + 1)
        check(call(*arguments, buffer, len(buffer), size), key)
        if size.value < len(buffer):
            return text(buffer.raw[: size.value])


def check(status: int, key: str = "") -> None:
    """Raises an exception unless the status is OK."""
    if status:
        fail(status, key)
