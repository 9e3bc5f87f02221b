"""Packages and sections that hold their values themselves: copies, and what `pickle` has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Tuple

from . import _keys
from ._errors import NotFound
from ._reader import MISSING
from ._section import Section
from ._tree import Tree

if TYPE_CHECKING:
    from ._section import Content


class Detached(Tree):
    """The sections of one package, in memory."""

    __slots__ = ("_contents", "_name")

    def __init__(self, name: str, contents: List[Content]) -> None:
        self._name = name
        self._contents: Dict[str, Content] = {content[0]: content for content in contents}

    def close(self) -> None:
        """Does nothing: there is nothing to release."""

    def _has_package(self, name: str) -> bool:
        return name == self._name

    def __iter__(self) -> Iterator[str]:
        return iter([self._name])

    def _find(self, key: str) -> Any:
        count = _keys.parts(key)
        return self._read(key, b"") if count == 3 else self._of(key, count)

    def _read(self, key: str, raw: bytes) -> Any:
        try:
            package, section, option = self._split(key)
        except NotFound:
            return MISSING
        if package != self._name or section not in self._contents:
            return MISSING
        _, kind, _, options = self._contents[section]
        value = options.get(option, MISSING) if option else kind
        return list(value) if isinstance(value, list) else value

    def resolve(self, key: str) -> str:
        return ".".join(filter(None, self._split(key)))

    def _split(self, key: str) -> Tuple[str, str, str]:
        """Splits a key into package, section and option, with the name of the section in place of a selector."""
        package, _, rest = key.partition(".")
        if rest[:1] != "@":
            *section, option = _keys.names(rest) if "." in rest else [rest, ""]
            return package, ".".join(section), _keys.unquote(option)
        # A selector may hold dots.
        selector, _, option = (rest, "", "") if rest[-1:] == "]" else rest.rpartition(".")
        kind, _, inside = selector[1:-1].partition("[")
        wanted, assigned, value = inside.partition("=")
        sections = list(self._sections(package, kind))
        if assigned:
            sections = [found for found in sections if value in found.get(wanted, type=list, default=[])]
        try:
            return package, sections[0 if assigned else int(inside or 0)].name, option
        except IndexError:
            raise NotFound(f"{key}: not found", key=key) from None

    def _sections(self, package: str, kind: str = "") -> Iterator[Section]:
        if package != self._name:
            raise NotFound(f"{package}: not found", key=package)
        for name, its_kind, anonymous, _ in self._contents.values():
            if kind in ("", its_kind):
                yield Section(self, package, name, its_kind, anonymous)

    def _options(self, package: str, section: str) -> Iterator[Tuple[str, Any]]:
        for name, value in self._contents[section][3].items():
            yield name, list(value) if isinstance(value, list) else value
