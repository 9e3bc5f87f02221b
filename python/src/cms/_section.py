"""Packages and sections, as objects that read through a snapshot."""

from __future__ import annotations

from ._convert import convert
from ._errors import NotFound
from ._reader import MISSING, Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple

    from ._snapshot import Snapshot


class Package(Reader):
    """A package: a mapping of the names of its sections to them, in the order of the file."""

    __slots__ = ("_snapshot", "name")

    def __init__(self, snapshot: Snapshot, name: str) -> None:
        self._snapshot = snapshot
        self.name = name

    def __repr__(self) -> str:
        return f"<cms.Package {self.name}>"

    def _find(self, key: str) -> Any:
        return self._snapshot._find(f"{self.name}.{key}")

    def _no_such(self, key: str) -> NotFound:
        return super()._no_such(f"{self.name}.{key}")

    def __iter__(self) -> Iterator[str]:
        return (section.name for section in self.sections())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    def sections(self, type: str = "") -> Iterator[Section]:
        """Iterates over the sections, or those of a type, in the order of the file."""
        return self._snapshot._sections(self.name, type)

    def to_dict(self) -> Dict[str, Dict[str, Any]]:
        """Returns a copy of the whole package: section, option, value."""
        return {section.name: section.to_dict() for section in self.sections()}


class Section(Reader):
    """A section: a mapping of the names of its options to their values, in the order of the file."""

    __slots__ = ("_anonymous", "_snapshot", "name", "package", "type")

    def __init__(
        self, snapshot: Snapshot, package: str, name: str, type: str, anonymous: Optional[bool] = None
    ) -> None:
        self._snapshot = snapshot
        self._anonymous = anonymous
        self.package = package
        self.name = name
        self.type = type

    def __repr__(self) -> str:
        return f"<cms.Section {self.key} ({self.type})>"

    @property
    def key(self) -> str:
        """PACKAGE.SECTION, with the section's own name."""
        return f"{self.package}.{self.name}"

    @property
    def anonymous(self) -> bool:
        """Whether its name is only generated."""
        if self._anonymous is None:
            same = self._snapshot._sections(self.package, self.type)
            self._anonymous = next(found.anonymous for found in same if found.name == self.name)
        return self._anonymous

    def _find(self, key: str) -> Any:
        if not isinstance(key, str) or "." in key:
            return MISSING
        return self._snapshot._find(f"{self.package}.{self.name}.{key}")

    def _no_such(self, key: str) -> NotFound:
        return super()._no_such(f"{self.key}.{key}")

    def list(self, name: str) -> List[str]:
        """Returns the items of a list; a string is a list of one."""
        items: List[str] = convert(self[name], list, f"{self.key}.{name}")
        return items

    def _pairs(self) -> Iterator[Tuple[str, Any]]:
        return self._snapshot._options(self.package, self.name)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._pairs())

    def __len__(self) -> int:
        return sum(1 for _ in self._pairs())

    def __bool__(self) -> bool:
        return True

    def to_dict(self) -> Dict[str, Any]:
        """Returns a copy of the options and their values."""
        return dict(self._pairs())
