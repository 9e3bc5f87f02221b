"""The base of all objects that can be read: stores, snapshots, transactions."""

from __future__ import annotations

from . import _keys
from ._convert import convert
from ._errors import NotFound, WrongType
from ._typing import Base, overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, Iterator, List, Optional, Type, TypeVar, Union

    from ._section import Package, Section

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
        return NotFound(f"{key}: not found", key=key)

    def __getitem__(self, key: str) -> Any:
        value = self._find(key)
        if value is MISSING:
            raise self._no_such(key)
        return value

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._find(key) is not MISSING

    @overload
    def get(self, key: str) -> Any: ...
    @overload
    def get(self, key: str, default: object) -> Any: ...
    @overload
    def get(self, key: str, *, type: Type[List[Any]]) -> Optional[List[str]]: ...
    @overload
    def get(self, key: str, default: _D, *, type: Type[List[Any]]) -> Union[List[str], _D]: ...
    @overload
    def get(self, key: str, *, type: Callable[[str], _T]) -> Optional[_T]: ...
    @overload
    def get(self, key: str, default: _D, *, type: Callable[[str], _T]) -> Union[_T, _D]: ...
    def get(self, key: str, default: Any = None, *, type: Any = None) -> Any:
        """Reads a value, or returns `default` if the key does not exist.

        `type` is str, int, bool, float or list, `cms.size`, or any function that converts a string and raises
        ValueError if it cannot, `ipaddress.ip_address` for example. int and bool accept the same forms as the C
        library. A string is a list of one. Raises WrongType if the value is not of the type."""
        value = self._find(key)
        if value is MISSING:
            return default
        return value if type is None else convert(value, type, key)


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
    ) -> None:
        self.close()

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

    def list(self, key: str) -> List[str]:
        """Returns the items of a list; a string is a list of one."""
        items: List[str] = convert(self[key], list, key)
        return items
