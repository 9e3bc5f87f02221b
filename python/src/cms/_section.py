"""Packages and sections, as objects that read through a snapshot."""

from __future__ import annotations

from ._convert import convert
from ._errors import Invalid
from ._keys import quote
from ._reader import MISSING, Reader
from ._typing import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, TypeVar

    from ._tree import Tree

    _Self = TypeVar("_Self", bound="Values")
    # The name, the type, whether it is anonymous, and the options of a section.
    Content = Tuple[str, str, bool, Dict[str, Any]]


class Values(Reader):
    """The base of packages and sections, which are compared by their content."""

    __slots__ = ()

    def copy(self: _Self) -> _Self:
        """Returns a copy that holds its values itself, and needs no snapshot."""
        make, arguments = self._parts()
        copied: _Self = make(*arguments)
        return copied

    def _parts(self) -> Tuple[Callable[..., Any], Tuple[Any, ...]]:
        """Returns a function and its arguments that make a copy."""
        raise NotImplementedError

    def __reduce__(self) -> Tuple[Any, ...]:
        return self._parts()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self.items()) == dict(other.items())

    def __hash__(self) -> int:
        return hash(frozenset((name, _frozen(value)) for name, value in self.items()))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Package(Values):
    """A package: a mapping of the names of its sections to them, in the order of the file.

    It equals any mapping with the same sections, a dict of dicts for example."""

    __slots__ = ("_tree", "name")

    def __init__(self, tree: Tree, name: str) -> None:
        self._tree = tree
        self.name = name

    def __repr__(self) -> str:
        return f"<cms.Package {self.name}>"

    def _parts(self) -> Tuple[Callable[..., Any], Tuple[Any, ...]]:
        return detached_package, (self.name, [section._content() for section in self.sections()])

    def _find(self, key: str) -> Any:
        found = self._tree._find(f"{self.name}.{key}") if key else MISSING
        if found is MISSING and (not key or "." in key):
            # The root section, or a nested one.
            found = next((section for section in self.sections() if section.name == key), MISSING)
        return found

    def _full(self, key: str) -> str:
        return f"{self.name}.{key}"

    def _place(self, key: str) -> Tuple[str, int]:
        return self._tree._place(key)

    def __iter__(self) -> Iterator[str]:
        return (section.name for section in self.sections())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    def sections(self, type: str = "") -> Iterator[Section]:
        """Iterates over the sections, or those of a type, in the order of the file."""
        return self._tree._sections(self.name, type)

    def to_dict(self) -> Dict[str, Dict[str, Any]]:
        """Returns a copy of the whole package: section, option, value."""
        return {section.name: section.to_dict() for section in self.sections()}


class Section(Values):
    """A section: a mapping of the names of its options to their values, in the order of the file.

    It equals any mapping with the same options and values; its name and type do not count."""

    __slots__ = ("_anonymous", "_tree", "name", "package", "type")

    def __init__(self, tree: Tree, package: str, name: str, type: str, anonymous: Optional[bool] = None) -> None:
        self._tree = tree
        self._anonymous = anonymous
        self.package = package
        self.name = name
        self.type = type

    def __repr__(self) -> str:
        return f"<cms.Section {self.key} ({self.type})>"

    def _content(self) -> Content:
        return self.name, self.type, self.anonymous, self.to_dict()

    def _parts(self) -> Tuple[Callable[..., Any], Tuple[Any, ...]]:
        return detached_section, (self.package, self._content())

    @property
    def key(self) -> str:
        """PACKAGE.SECTION, with the section's own name."""
        return f"{self.package}.{self.name}"

    @property
    def anonymous(self) -> bool:
        """Whether its name is only generated."""
        if self._anonymous is None:
            same = self._tree._sections(self.package, self.type)
            self._anonymous = next(found.anonymous for found in same if found.name == self.name)
        return self._anonymous

    def _find(self, key: str) -> Any:
        if not isinstance(key, str):
            return MISSING
        part = quote(key)
        if part == key:
            return self._tree._find(f"{self.package}.{self.name}.{key}")
        try:
            return self._tree._find(f"{self.package}.{self.name}.{part}")
        except Invalid:
            # A package of UCI text has no such names.
            return MISSING

    def _full(self, key: str) -> str:
        return f"{self.key}.{key}"

    def _place(self, key: str) -> Tuple[str, int]:
        return self._tree._place(key)

    def list(self, name: str) -> List[str]:
        """Returns the items of a list; a string is a list of one."""
        items: List[str] = convert(self[name], list, self._full(name), self._place)
        return items

    def _pairs(self) -> Iterator[Tuple[str, Any]]:
        return self._tree._options(self.package, self.name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs())

    def __len__(self) -> int:
        return sum(1 for _ in self._pairs())

    def __bool__(self) -> bool:
        return True

    def to_dict(self) -> Dict[str, Any]:
        """Returns a copy of the options and their values."""
        return dict(self._pairs())


def detached_section(package: str, content: Content) -> Section:
    """Makes a section that holds its values itself, of what `pickle` has kept."""
    from ._detached import Detached

    return next(iter(Detached(package, [content])._sections(package)))


def detached_package(name: str, contents: List[Content]) -> Package:
    """Makes a package that holds its values itself, of what `pickle` has kept."""
    from ._detached import Detached

    return Package(Detached(name, contents), name)
