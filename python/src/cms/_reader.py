"""The base of all objects that can be read: stores, snapshots, transactions."""

from __future__ import annotations

from . import _keys
from ._convert import READERS, convert
from ._errors import NotFound, WrongType
from ._typing import Base, overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, Iterator, List, Optional, Tuple, Type, TypeVar, Union

    from ._section import Package, Section
    from ._typing import Known

    _T = TypeVar("_T")
    _D = TypeVar("_D")


MISSING: Any = object()


class Reader(Base):
    """A mapping of keys to values, with typed reads."""

    __slots__ = ()

    # The content changes, so two readers are equal only if they are the same object.
    __eq__ = object.__eq__

    def __hash__(self) -> int:
        return object.__hash__(self)

    def _find(self, key: str) -> Any:
        """Returns the value of a key, or MISSING."""
        raise NotImplementedError

    def _no_such(self, key: str) -> NotFound:
        key = self._full(key)
        return NotFound(f"{key}: not found", key=key)

    def __getitem__(self, key: str) -> Any:
        value = self._find(key)
        if value is MISSING:
            raise self._no_such(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._find(key) is not MISSING

    @overload  # type: ignore[override]
    def get(self, key: str) -> Any: ...
    @overload
    def get(self, key: str, default: None) -> Any: ...
    @overload
    def get(self, key: str, default: Known) -> Known: ...
    @overload
    def get(self, key: str, default: List[_T]) -> List[_T]: ...
    @overload
    def get(self, key: str, default: object) -> Any: ...
    @overload
    def get(self, key: str, *, type: Type[_T]) -> Optional[_T]: ...
    @overload
    def get(self, key: str, default: _D, *, type: Type[_T]) -> Union[_T, _D]: ...
    @overload
    def get(self, key: str, *, type: Callable[[str], _T]) -> Optional[_T]: ...
    @overload
    def get(self, key: str, default: _D, *, type: Callable[[str], _T]) -> Union[_T, _D]: ...
    @overload
    def get(self, key: str, default: object = ..., *, type: object) -> Any: ...
    def get(self, key: str, default: Any = None, *, type: Any = None) -> Any:
        """Reads a value, or returns `default` if the key does not exist.

        The value is converted to `type`, else to the type of the default. Types are str, int, bool, float, bytes,
        list[int] and other collections, Optional, Union, Literal, Enum, Path, the types of `ipaddress`, `datetime`,
        `decimal` and `uuid`; `cms.size`; and any function that converts a string and raises ValueError if it cannot.
        int and bool accept the same forms as the C library. A string is a list of one. Without a type, and with None
        or an object of another type as the default, the value is a string or a list of strings.

        Raises WrongType, with key, value, file and line, if the value is not of the type."""
        value = self._find(key)
        if value is MISSING:
            return default
        if type is default is None:
            return value
        # Without intermediate calls for the types that most reads have.
        if value.__class__ is str:
            try:
                return READERS[default.__class__ if type is None else type](value)
            except (LookupError, TypeError, ValueError):
                pass
        return typed(value, default, type, self._full(key), self._place)

    def _full(self, key: str) -> str:
        """Returns the whole key of a key of this object."""
        return key

    def _place(self, key: str) -> Tuple[str, int]:
        """Returns the file and the line of a whole key; "" and 0 if they cannot be found."""
        return "", 0


def typed(value: Any, default: Any, type: Any, key: str, place: Callable[[str], Tuple[str, int]]) -> Any:
    """Converts a value to a type, or to the type of a default."""
    if type is None:
        type = default.__class__ if default.__class__ in READERS else _type_of(default)
        if type is None:
            return value
    return convert(value, type, key, place)


def _type_of(default: Any) -> Any:
    if default is None or default.__class__ is object:
        return None
    from ._types import type_of

    return type_of(default)


class Root(Reader):
    """The base of objects that are read with whole keys: a store, and a snapshot of it.

    As a mapping it holds the packages by name; a key with a section in it leads to the section, and one with an
    option to its value. Iterating yields the names of packages.
    """

    __slots__ = ()

    def close(self) -> None:
        """Releases the handles. A second call does nothing."""
        raise NotImplementedError

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> Optional[bool]:
        self.close()
        return None

    def package(self, name: str) -> Package:
        """Returns a package, as one commit left it."""
        raise NotImplementedError

    def section(self, key: str) -> Section:
        """Returns a section: PACKAGE.NAME, PACKAGE.@TYPE[INDEX] or PACKAGE.@TYPE[OPTION=VALUE]."""
        found: Section = self[key]
        if _keys.parts(key) != 2:
            raise WrongType(f"{key}: is not the key of a section", key=key)
        return found

    def packages(self) -> Iterator[Package]:
        """Iterates over all packages, in byte order."""
        return (self.package(name) for name in self)

    def resolve(self, key: str) -> str:
        """Returns a key with the name of its section in place of a selector: "network.lan.ipaddr" for
        "network.@interface[0].ipaddr". The option need not exist."""
        raise NotImplementedError

    def load(self, cls: Type[_T], key: Optional[str] = None) -> _T:
        """Makes an instance of a dataclass, whose fields are options, sections or packages of the same names.

        `key` is the section or the package that it is loaded from, else the class variable `cms_key` says it, and ""
        is the whole store. See "Dataclasses" in the manual. Raises LoadError, which has all values that do not fit."""
        from ._fields import key_of
        from ._load import load

        return load(self, cls, key_of(cls, key))

    def list(self, key: str) -> List[str]:
        """Returns the items of a list; a string is a list of one."""
        items: List[str] = convert(self[key], list, key, self._place)
        return items
