"""Writes dataclasses back into the store. This module is loaded on first use."""

from __future__ import annotations

from bisect import bisect_left
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

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
    matched = _matched(there, [_fields_of(one) for one in wanted])
    kept = {at for at in matched if at is not None}
    for at, section in enumerate(present):
        if at not in kept:
            txn.delete(section.key)
    stays = _longest_rising(matched)
    # Names are generated anew when sections are deleted or moved, but not within a transaction.
    before = None
    for index, (old, one) in enumerate(zip(matched, wanted)):
        name = txn.add(package, kind) if old is None else present[old].name
        if index not in stays:
            _move_behind(txn, package, kind, name, before)
        save(txn, one, f"{package}.{name}")
        before = name


def _move_behind(txn: Transaction, package: str, kind: str, name: str, before: Optional[str]) -> None:
    """Moves a section right behind another one, or before the first one of its type."""
    names = list(txn.package(package))
    now = names.index(name)
    place = names.index(before) + 1 if before is not None else _first(txn, package, kind, name)
    # The position is the one among the others.
    place -= now < place
    if place != now:
        txn.reorder(f"{package}.{name}", place)


def _matched(old: List[Any], new: List[Any]) -> List[Optional[int]]:
    """Returns for each new item the position of the old one that it is: equal ones in the same order, then equal ones
    that have moved, then those that take each other's place. None for one that there was not."""
    groups = list(_groups(old, new))
    found: List[Optional[int]] = [None] * len(new)
    for first, last, start, _ in groups:
        for at in range(first, last):
            place = start + at - first
            if place < len(new) and old[at] == new[place]:
                found[place] = at
    taken = set(found)
    left: Dict[Any, List[int]] = {}
    for at in reversed(range(len(old))):
        if at not in taken:
            left.setdefault(old[at], []).append(at)
    for place, item in enumerate(new):
        if found[place] is None and left.get(item):
            found[place] = left[item].pop()
    taken = set(found)
    for first, last, start, stop in groups:
        free = [at for at in range(first, last) if at not in taken]
        open_places = [place for place in range(start, stop) if found[place] is None]
        for place, one in zip(open_places, free):
            found[place] = one
    return found


def _longest_rising(found: List[Optional[int]]) -> Set[int]:
    """Returns the places of the longest sequence of positions that rise: these sections need not be moved."""
    ends: List[int] = []
    lasts: List[int] = []
    before: Dict[int, Optional[int]] = {}
    for place, at in enumerate(found):
        if at is None:
            continue
        length = bisect_left(ends, at)
        before[place] = lasts[length - 1] if length else None
        ends[length : length + 1] = [at]
        lasts[length : length + 1] = [place]
    stays = set()
    place_now = lasts[-1] if lasts else None
    while place_now is not None:
        stays.add(place_now)
        place_now = before[place_now]
    return stays


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
