"""Packages and sections of a transaction, which can be changed."""

from __future__ import annotations

from . import _keys
from ._convert import is_list, to_bytes, to_items
from ._errors import text
from ._section import Package, Section
from ._typing import Mapping, MutableBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Tuple

    from ._txn import Transaction


class Changing(MutableBase):
    """The mapping methods that change, for a transaction and its packages and sections."""

    __slots__ = ()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Sets a key that does not exist to `default`; returns its value, converted to the type of the default."""
        if key not in self:
            self[key] = default
        return self.get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Deletes a key and returns its value; a package or a section as a copy."""
        try:
            value = self[key]
        except KeyError:
            if not default:
                raise
            return default[0]
        if isinstance(value, (Package, Section)):
            value = value.copy()
        del self[key]
        return value

    def popitem(self) -> Tuple[str, Any]:
        """Deletes the first key and returns it and its value."""
        for key in self:
            return key, self.pop(key)
        raise KeyError("there is nothing to delete")

    def clear(self) -> None:
        """Deletes everything that is in it."""
        for key in list(self):
            del self[key]


class Edited(Changing):
    """What packages and sections of a transaction share."""

    __slots__ = ()

    _tree: Any

    if TYPE_CHECKING:

        def _full(self, key: str) -> str: ...

    def __setitem__(self, name: str, value: Any) -> None:
        self._tree.set(self._full(name), value)

    def __delitem__(self, name: str) -> None:
        self._tree.delete(self._full(name))


class EditedPackage(Package, Edited):
    """A package in a transaction. Assigning a type makes a section: `txn["network"]["guest"] = "interface"`."""

    __slots__ = ()
    # It changes, so it has no hash.
    __hash__ = None  # type: ignore[assignment]


class EditedSection(Section, Edited):
    """A section in a transaction: `txn["network.lan"]["mtu"] = 1400`, `del txn["network.lan"]["mtu"]`."""

    __slots__ = ()
    # It changes, so it has no hash.
    __hash__ = None  # type: ignore[assignment]


def assign_section(txn: Transaction, key: str, options: Mapping[str, Any]) -> None:
    """Gives a section these options and no others, with the smallest change. A `Section` also gives its type."""
    if _keys.parts(key) == 3:
        raise TypeError(f"{key}: a value is text, bytes, a number or a truth value, not {type(options).__name__}")
    if not isinstance(options, Section) and key not in txn:
        raise TypeError(f"{key} does not exist, and a mapping has no type: set it to its type first")
    if isinstance(options, Section) and txn._read(key, _keys.encode(key)) != options.type:
        txn.set(key, options.type)
    present: Any = txn.section(key)
    for name in [name for name in present if name not in options]:
        del present[name]
    for name, value in options.items():
        wanted = [text(item) for item in to_items(value)] if is_list(value) else text(to_bytes(value))
        if present.get(name) != (wanted or None):
            present[name] = value


def assign_package(txn: Transaction, name: str, sections: Mapping[str, Any]) -> None:
    """Gives a package these sections and no others, with the smallest change. New ones have to be `Section`s."""
    if name not in txn:
        txn.add_package(name)
    else:
        for section in list(txn.package(name)):
            if section not in sections:
                txn.delete(f"{name}.{section}")
    for section, options in sections.items():
        key = f"{name}.{section}"
        if isinstance(options, Section) and options.anonymous and key not in txn:
            key = f"{name}.{txn.add(name, options.type)}"
        txn.set(key, options)
