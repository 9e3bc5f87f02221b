"""Writes dataclasses back into the store. This module is loaded on first use."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Iterator, List, Mapping, Tuple

from . import _keys
from ._convert import is_list, to_bytes, to_items
from ._errors import Invalid, text
from ._fields import Field, fields
from ._reader import MISSING as ABSENT
from ._section import Section

if TYPE_CHECKING:
    from ._txn import Transaction


def save(txn: Transaction, instance: Any, key: str) -> None:
    """Writes the fields of an instance that differ from the store, and nothing else."""
    for field in fields(type(instance)):
        value, where = getattr(instance, field.name), field.key(key)
        if field.holds is not None:
            _save_sections(txn, field, value, where)
        elif field.inner is not None:
            _save_section(txn, field, value, where)
        elif isinstance(value, Mapping):
            _save_options(txn, value, where)
        else:
            _save_option(txn, field, value, where)


def written(value: Any) -> Any:
    """Returns a value as the store reads it; None if it is not in the store."""
    if value is None:
        return None
    found: Any = [text(item) for item in to_items(value)] if is_list(value) else text(to_bytes(value))
    return found or None


def _save_option(txn: Transaction, field: Field, value: Any, key: str) -> None:
    wanted = written(value)
    if wanted is None:
        _check_absent(field, value, key)
    present = txn._find(key)
    if present is ABSENT:
        present = None
    if present == wanted or _is_same(present, wanted, field):
        return
    if present is None and value == field.absent():
        return  # it is read as this value already
    if wanted is None:
        txn.delete(key)
    else:
        txn.set(key, wanted)


def _is_same(present: Any, wanted: Any, field: Field) -> bool:
    """Reports whether two texts are the same value, for example "on" and "1"."""
    from ._types import reader

    if present is None or wanted is None:
        return False
    read = reader(field.type)
    try:
        return bool(read(present) == read(wanted))
    except ValueError:
        return False


def _check_absent(field: Field, value: Any, key: str) -> None:
    """Refuses a value that would be read as another one: an option that does not exist is read as the default."""
    absent = field.absent()
    if written(absent) is not None:
        raise Invalid(
            f"{key}: {value!r} cannot be stored, since an option that does not exist is read as {absent!r}", key=key
        )


def _save_section(txn: Transaction, field: Field, value: Any, key: str) -> None:
    present = txn._find(key)
    if value is None:
        if present is not ABSENT:
            txn.delete(key)
        return
    if present is ABSENT and _keys.parts(key) == 2:
        txn.set(key, _type_of(value, key))
    save(txn, value, present.key if isinstance(present, Section) else key)


def _save_options(txn: Transaction, options: Mapping[str, Any], key: str) -> None:
    """Writes the options of a section that a field holds as a mapping."""
    section = txn._find(key)
    if section is ABSENT:
        txn.set(key, _type_of(options, key))
        section = txn._find(key)
    for name in [name for name in section if written(options.get(name)) is None]:
        txn.delete(f"{section.key}.{name}")
    for name, value in options.items():
        wanted = written(value)
        if wanted is not None and section.get(name) != wanted:
            txn.set(f"{section.key}.{name}", wanted)


def _type_of(instance: Any, key: str) -> str:
    kind = getattr(type(instance), "cms_type", None)
    if kind is None:
        raise TypeError(
            f"{key} does not exist: the class variable cms_type of {type(instance).__name__} would say its type"
        )
    found: str = kind
    return found


def section_for(txn: Transaction, instance: Any, key: str) -> str:
    """Returns the key of the section for an instance, with its name. One that does not exist is made, with the type
    that `cms_type` names."""
    if not key or _keys.parts(key) != 2:
        return key
    found: Any = txn._find(key)
    if found is ABSENT:
        txn.set(key, _type_of(instance, key))
        return key
    name: str = found.key
    return name


def save_as(txn: Transaction, instance: Any, key: str) -> None:
    """Writes an instance to a key."""
    save(txn, instance, section_for(txn, instance, key))


def _save_sections(txn: Transaction, field: Field, value: Any, key: str) -> None:
    package, _, kind = key.partition(".")
    present = list(txn.package(package).sections("" if kind == "*" else kind)) if package in txn else []
    if field.holds is dict:
        for section in present:
            if section.name not in (value or {}):
                txn.delete(section.key)
        for name, instance in (value or {}).items():
            where = f"{package}.{name}"
            if where not in txn:
                txn.set(where, _type_of(instance, where) if kind == "*" else kind)
            save(txn, instance, where)
        return
    _save_list(txn, package, kind, present, list(value or []))


def _save_list(txn: Transaction, package: str, kind: str, present: List[Section], wanted: List[Any]) -> None:
    """Brings the sections of a type to those of a list: equal ones stay, others are changed, added or deleted."""
    there = [_content(section, wanted) for section in present]
    # Each wanted one with its section, or None for a new one.
    pairs: List[Any] = []
    for first, last, start, end in _groups(there, [_fields_of(one) for one in wanted]):
        old, new = present[first:last], wanted[start:end]
        pairs += [(old[at].name if at < len(old) else None, one) for at, one in enumerate(new)]
        for section in old[len(new) :]:
            txn.delete(section.key)
    # Names are generated anew when sections are deleted or moved, but not within a transaction.
    before = None
    for name, one in pairs:
        if name is None:
            name = txn.add(package, kind)
            names = list(txn.package(package))
            place = names.index(before) + 1 if before is not None else _first(txn, package, kind, name)
            if place != len(names) - 1:
                txn.reorder(f"{package}.{name}", place)
        save(txn, one, f"{package}.{name}")
        before = name


def _groups(old: List[Any], new: List[Any]) -> Iterator[Tuple[int, int, int, int]]:
    """Compares two lists: returns the ends of groups of items that are equal, or take each other's place."""
    common = min(len(old), len(new))
    # What is equal at the start and at the end stays; a matcher alone would prefer equal items further away.
    start = next((at for at in range(common) if old[at] != new[at]), common)
    end = next((at for at in range(common - start) if old[-1 - at] != new[-1 - at]), common - start)
    yield 0, start, 0, start
    matcher = SequenceMatcher(None, old[start : len(old) - end], new[start : len(new) - end], autojunk=False)
    for _, *ends in matcher.get_opcodes():
        first, last, begin, stop = (start + at for at in ends)
        yield first, last, begin, stop
    yield len(old) - end, len(old), len(new) - end, len(new)


def _first(txn: Transaction, package: str, kind: str, but: str) -> int:
    """Returns the position of the first section of a type, apart from one; the last position if there is none."""
    sections = list(txn.package(package).sections())
    found = [at for at, section in enumerate(sections) if section.type == kind and section.name != but]
    return found[0] if found else len(sections) - 1


def _fields_of(instance: Any) -> Any:
    found = ((field, written(getattr(instance, field.name))) for field in fields(type(instance)))
    return tuple((field.stored_as, tuple(value) if isinstance(value, list) else value) for field, value in found)


def _content(section: Section, wanted: List[Any]) -> Any:
    """Returns the content of a section as `_fields_of` does for an instance."""
    if not wanted:
        return ()
    found = []
    for field in fields(type(wanted[0])):
        value = section.get(field.stored_as)
        if value is None:
            value = written(field.absent()) if field.absent() is not None else None
        elif field.inner is None:
            value = _normal(value, field)
        found.append((field.stored_as, tuple(value) if isinstance(value, list) else value))
    return tuple(found)


def _normal(value: Any, field: Field) -> Any:
    from ._types import reader

    try:
        return written(reader(field.type)(value))
    except ValueError:
        return value
