"""Fills dataclasses with values of the store. This module is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Tuple, Type, TypeVar, get_args

from ._convert import convert, shown_place, wrong_type
from ._errors import Error, LoadError, NotFound, WrongType
from ._fields import MISSING, Field, fields, is_dataclass
from ._reader import MISSING as ABSENT, Root
from ._section import Package, Section
from ._types import base, name_of, options

if TYPE_CHECKING:
    Place = Callable[[str], Tuple[str, int]]

_T = TypeVar("_T")


def load(root: Root, cls: Type[_T], key: str) -> _T:
    """Makes an instance of a dataclass. Raises LoadError with all values that do not fit."""
    loading = _Loading(root)
    made = loading.instance(cls, key)
    if loading.errors:
        raise load_error(loading.errors, name_of(cls))
    result: _T = made
    return result


def load_error(errors: List[Error], name: str) -> LoadError:
    """Returns one error for several; its attributes are those of the first."""
    first = errors[0]
    message = first.message
    if len(errors) > 1:
        message = f"{len(errors)} values do not fit {name}:" + "".join(f"\n  {error}" for error in errors)
    error = LoadError(message, file=first.file, line=first.line, key=first.key, hint=first.hint)
    error.value, error.errors = getattr(first, "value", None), tuple(errors)
    if len(errors) > 1:
        error.hint = ""
    return error


class _Loading:
    """The faults of one load."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self.errors: List[Error] = []

    def instance(self, cls: Any, key: str) -> Any:
        """Returns an instance that is loaded from a key, or None if there were faults."""
        before, values = len(self.errors), {}
        for field in fields(cls):
            value = self._value(field, key)
            if value is not MISSING:
                values[field.name] = value
        if len(self.errors) > before:
            return None
        try:
            return cls(**values)
        except ValueError as error:  # of its __post_init__
            file, line = self.root._place(key) if key else ("", 0)
            said = f"{key}: {error}" if key else str(error)
            self.errors.append(WrongType(said + shown_place(file, line), file=file, line=line, key=key))
            return None

    def _value(self, field: Field, within: str) -> Any:
        key = field.key(within)
        try:
            if field.holds is not None:
                return self._sections(field, key)
            found = self.root._find(key)
            if found is ABSENT:
                return self._absent(field, key, within)
            if field.inner is not None:
                return self.instance(field.inner, self._section_key(found, key))
            return convert(found, field.type, key, self.root._place)
        except Error as error:
            self.errors.append(error)
            return MISSING

    def _section_key(self, found: Any, key: str) -> str:
        if isinstance(found, Section):
            return found.key
        if isinstance(found, Package):
            return key
        raise wrong_type(found, "is an option, not a section", key, self.root._place)

    def _absent(self, field: Field, key: str, within: str) -> Any:
        value = field.absent()
        if value is MISSING:
            file, line = self.root._place(within) if within else ("", 0)
            raise NotFound(f"{key}: not found{shown_place(file, line)}", key=key, file=file, line=line)
        return value

    def _sections(self, field: Field, key: str) -> Any:
        """Returns the sections of a type as a list, or as a dict by their names."""
        assert field.holds is not None
        package, _, kind = key.partition(".")
        if not kind:
            raise TypeError(f"field {field.name}: its sections are in a package; name them with 'PACKAGE.TYPE'")
        if self.root._find(package) is ABSENT:
            return self._absent(field, key, package)
        found = list(self.root.package(package).sections("" if kind == "*" else kind))
        if not found and field.absent() is not MISSING:
            return field.absent()
        made = [(section.name, self.instance(field.inner, section.key)) for section in found]
        return dict(made) if field.holds is dict else field.holds(one for _, one in made)


def section(value: Any, type: Any, key: str, place: Place) -> Any:
    """Converts a section or a package to a type: a dataclass, or a dict."""
    several = options(type)
    kind = several[0] if len(several) == 1 else None
    if is_dataclass(kind):
        return load(value._tree, several[0], getattr(value, "key", key))
    if base(kind).__name__ in ("dict", "Mapping", "MutableMapping"):
        arguments = get_args(kind)
        found: Dict[str, Any] = value.to_dict()
        if not arguments:
            return found
        return {name: convert(value[name], arguments[1], f"{key}.{name}", place) for name in found}
    what = "a section" if isinstance(value, Section) else "a package"
    raise WrongType(f"{key}: is {what}, not an option", key=key)
