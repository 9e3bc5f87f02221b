"""The fields of dataclasses, and where their values are in the store."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any, Callable, Optional, Tuple, get_args, get_origin, get_type_hints

from . import _keys
from ._types import UNIONS, base, options, plain

MISSING = dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of a dataclass."""

    name: str
    # The name of its option, section, section type or package; with a dot, a whole key.
    stored_as: str
    type: Any
    # The dataclass of a section or a package, or of each section in a list or a dict.
    inner: Optional[type]
    # list, tuple or dict, if the field holds several sections.
    holds: Optional[Callable[..., Any]]
    optional: bool
    default: Any
    default_factory: Any

    def key(self, within: str) -> str:
        """Returns the whole key of the field of a dataclass whose key is `within`."""
        return self.stored_as if "." in self.stored_as or not within else f"{within}.{self.stored_as}"

    def absent(self) -> Any:
        """Returns the value of the field if it is not in the store: its default, else None or an empty list. MISSING if
        it has to be there."""
        if self.default is not MISSING:
            return self.default
        if self.default_factory is not MISSING:
            return self.default_factory()
        if self.optional:
            return None
        kinds = options(self.type)
        kind = base(kinds[0]) if len(kinds) == 1 else None
        for empty in (list, tuple, set, frozenset, dict):
            if kind is empty and (empty is not tuple or Ellipsis in get_args(kinds[0])):
                return empty()
        return MISSING


def is_dataclass(kind: Any) -> bool:
    """Reports whether a type is a dataclass."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def fields(cls: Any) -> Tuple[Field, ...]:
    """Returns the fields of a dataclass that are given to its constructor."""
    return _remembered(cls)


def _fields(cls: Any) -> Tuple[Field, ...]:
    if not is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass")
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_field(field, hints[field.name]) for field in dataclasses.fields(cls) if field.init)


def _field(field: dataclasses.Field[Any], type: Any) -> Field:
    kinds = options(type)
    inner, holds = None, None
    for kind in kinds:
        arguments = get_args(kind)
        if is_dataclass(kind):
            inner = kind
        elif base(kind) in (list, tuple, dict) and arguments:
            item = arguments[1 if base(kind) is dict else 0]
            if is_dataclass(item):
                inner, holds = item, base(kind)
    if inner is not None and len(kinds) != 1:
        raise TypeError(f"field {field.name}: a section is of one type")
    # `from_` is the option "from", which is no name in Python.
    stored_as = field.metadata.get("cms") or (field.name[:-1] if field.name.endswith("_") else field.name)
    optional = len(options(type)) != len(_with_none(type))
    return Field(field.name, stored_as, type, inner, holds, optional, field.default, field.default_factory)


_remembered: Callable[[Any], Tuple[Field, ...]] = lru_cache(maxsize=256)(_fields)


def _with_none(annotation: Any) -> Tuple[Any, ...]:
    """Returns the types that a value may have, None included."""
    annotation = plain(annotation)
    if get_origin(annotation) not in UNIONS:
        return (annotation,)
    return tuple(one for part in get_args(annotation) for one in _with_none(part))


def key_of(cls: Any, key: Optional[str]) -> str:
    """Returns the key to load a dataclass from: the given one, or that of its class variable `cms_key`, else ""."""
    kind = cls if isinstance(cls, type) else type(cls)
    found: str = getattr(kind, "cms_key", "") if key is None else key
    if found and _keys.parts(found) == 3:
        raise ValueError(f"{found}: a dataclass is loaded from a section, a package or the whole store")
    return found


def packages_of(cls: Any, key: str) -> list[str]:
    """Returns the names of the packages that a dataclass is loaded from."""
    found = [key.partition(".")[0]] if key else []
    for field in fields(cls):
        whole = field.key(key)
        found += packages_of(field.inner, whole) if field.inner and not field.holds else [whole.partition(".")[0]]
    return sorted(set(found))
