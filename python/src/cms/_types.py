"""Converts values to types beyond str, int, bool, float and list. This module is loaded with the first such type."""

from __future__ import annotations

import sys
import types
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Callable, Literal, Tuple, TypeVar, Union, get_args, get_origin

from ._convert import boolean, integer, number
from ._duration import duration, seconds
from ._errors import Invalid

# Converts a string or the items of a list; raises ValueError if they are not of the type.
Convert = Callable[[Any], Any]

# `Optional[int]`, and `int | None`, which Python 3.9 does not have.
UNIONS = (Union, getattr(types, "UnionType", Union))
class_of = type
_NONE = type(None)
# The types whose values are lists in the store.
LISTS = (list, tuple, set, frozenset)
_ABSTRACT = {"Sequence": list, "MutableSequence": list, "Collection": list, "Iterable": list, "Set": frozenset}


def plain(type: Any) -> Any:
    """Returns a type without annotations: of Annotated[int, ...] and of a NewType of int, it is int.

    >>> plain(Annotated[int, "in seconds"])
    <class 'int'>
    """
    while True:
        if get_origin(type) is Annotated:
            type = get_args(type)[0]
        elif hasattr(type, "__supertype__"):
            type = type.__supertype__
        elif isinstance(type, getattr(sys.modules["typing"], "TypeAliasType", ())):
            type = type.__value__  # type: ignore[union-attr]
        elif isinstance(type, TypeVar):
            type = type.__bound__ or str
        else:
            return type


def options(type: Any) -> Tuple[Any, ...]:
    """Returns the types that a value may have: those of a union, in its order, without None; else the type itself.

    >>> from typing import Optional
    >>> options(Optional[int])
    (<class 'int'>,)
    """
    type = plain(type)
    if get_origin(type) not in UNIONS:
        return (type,)
    return tuple(one for part in get_args(type) if part is not _NONE for one in options(part))


def base(type: Any) -> Any:
    """Returns the class of a type: of list[int] and of Sequence[int], it is list.

    >>> from typing import Sequence
    >>> base(Sequence[int])
    <class 'list'>
    """
    found = get_origin(type) or type
    if getattr(found, "__module__", "") == "collections.abc":
        return _ABSTRACT.get(found.__name__, found)
    return found


def name_of(type: Any) -> str:
    """Returns the name of a type, for messages."""
    return type.__name__ if isinstance(type, class_of) and not get_args(type) else str(type).replace("typing.", "")


def reader(type: Any) -> Convert:
    """Returns the function that converts a value to a type. Raises TypeError if there is none."""
    try:
        hash(type)
    except TypeError:  # Annotated with a list, for example
        return _make_reader(type)
    return _remembered_reader(type)


def _make_reader(type: Any) -> Convert:
    several = options(type)
    if len(several) != 1:
        return _first_of([reader(one) for one in several], name_of(type))
    only = several[0]
    kind = base(only)
    if kind in LISTS:
        return _list_reader(kind, get_args(only))
    if kind is Literal:
        return _one_of({_written(value): value for value in get_args(only)})
    if only is Any or only is object:
        return lambda value: value
    return _text_reader(only)


_remembered_reader: Callable[[Any], Convert] = lru_cache(maxsize=1024)(_make_reader)


def _text_reader(type: Any) -> Convert:
    """Returns the function that converts a string."""
    if isinstance(type, class_of) and issubclass(type, Enum):
        return _one_of({_written(member): member for member in type}, type)
    known = _known().get(type)
    if known is None and not callable(type):
        raise TypeError(f"{name_of(type)}: values cannot be converted to this type")
    make = known or type

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("is a list")
        return make(value)

    return convert


@lru_cache(maxsize=1)
def _known() -> dict[Any, Callable[[str], Any]]:
    from datetime import date, datetime, time, timedelta
    from decimal import Decimal

    return {
        int: integer,
        bool: boolean,
        float: number,
        str: str,
        bytes: lambda text: text.encode("utf-8", "surrogateescape"),
        timedelta: duration,
        datetime: _from_iso(datetime),
        date: _from_iso(date),
        time: _from_iso(time),
        Decimal: _decimal,
    }


def _from_iso(kind: Any) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        return kind.fromisoformat(text)

    return convert


def _decimal(text: str) -> Any:
    from decimal import Decimal, InvalidOperation

    try:
        found = Decimal(text)
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite():
        raise ValueError("is not a finite decimal number")
    return found


def _written(value: Any) -> str:
    """Returns how a literal or a member of an enumeration is written: its value, or else its name."""
    if isinstance(value, Enum):
        inner = value.value
        if not isinstance(inner, (str, bytes, int, float)):
            return value.name
        value = inner
    return text_of(value)


def text_of(value: Any) -> str:
    """Returns the text of a value of one of the types that `reader` knows.

    >>> from datetime import timedelta
    >>> from pathlib import Path
    >>> text_of(True), text_of(timedelta(minutes=2)), text_of(Path("/etc"))
    ('1', '120', '/etc')
    """
    from datetime import date, time, timedelta

    if isinstance(value, Enum):
        return _written(value)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return int.__repr__(value)
    # Decimal says so itself.
    is_finite = getattr(value, "is_finite", lambda: not isinstance(value, float) or value - value == 0)
    if not is_finite():
        raise Invalid(f"'{value}': not a finite decimal number")
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, timedelta):
        return seconds(value)
    if isinstance(value, (date, time)):
        return value.isoformat()
    # What has no text of its own would be written as the place of an object in memory.
    to_string: Any = class_of(value).__str__
    if to_string is object.__str__ or isinstance(value, (bytearray, dict, list, memoryview, tuple, set, frozenset)):
        raise TypeError(f"a value is text, bytes, a number or a truth value, not {type(value).__name__}")
    return str(value)


def _one_of(members: dict[str, Any], enumeration: Any = None) -> Convert:
    """Returns the function that finds the member that is written like a string. Numbers and truth values may be
    written in any form. An enumeration may know more: combined flags, and what its `_missing_` accepts."""
    truths: dict[Any, Any] = {value: value for value in members.values() if isinstance(value, bool)}
    numbers = {
        inner: value
        for value in members.values()
        for inner in [value.value if isinstance(value, Enum) else value]
        if isinstance(inner, int) and not isinstance(inner, bool)
    }

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("is a list")
        if value in members:
            return members[value]
        for forms, read in ((numbers, integer), (truths, boolean)):
            try:
                return forms[read(value)]
            except (KeyError, ValueError):
                pass
        if enumeration is not None:
            for form in (value, _or_none(integer, value)):
                try:
                    return enumeration(form)
                except (TypeError, ValueError):
                    pass
        raise ValueError(f"is not one of {', '.join(members)}")

    return convert


def _or_none(read: Callable[[str], Any], value: str) -> Any:
    try:
        return read(value)
    except ValueError:
        return None


def _first_of(readers: list[Convert], name: str) -> Convert:
    """Returns the function that converts to the first type that fits."""

    def convert(value: Any) -> Any:
        for read in readers:
            try:
                return read(value)
            except ValueError:
                pass
        raise ValueError(f"is not {name}")

    return convert


def _list_reader(kind: Any, arguments: Tuple[Any, ...]) -> Convert:
    """Returns the function that converts the items of a list; a string is a list of one."""
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        return _tuple_reader([reader(one) for one in arguments])
    inner = reader(arguments[0]) if arguments else None

    def convert(value: Any) -> Any:
        items = [value] if isinstance(value, str) else value
        return kind(items if inner is None else [_item(inner, item) for item in items])

    return convert


class ItemError(ValueError):
    """An item of a list that is not of its type."""

    item: str


def _item(read: Convert, item: str) -> Any:
    try:
        return read(item)
    except ValueError as error:
        of_item = ItemError(str(error))
        of_item.item = item
        raise of_item from error


def _tuple_reader(readers: list[Convert]) -> Convert:
    def convert(value: Any) -> Any:
        items = [value] if isinstance(value, str) else value
        if len(items) != len(readers):
            raise ValueError(f"has {len(items)} items, not {len(readers)}")
        return tuple(_item(read, item) for read, item in zip(readers, items))

    return convert


def type_of(default: Any) -> Any:
    """Returns the type that a default asks for, or None if any value will do.

    >>> type_of(1500), type_of([80, 443]), type_of(object())
    (<class 'int'>, list[int], None)
    """
    kind = type(default)
    if kind in LISTS:
        kinds = {type_of(item) for item in default}
        only = kinds.pop() if len(kinds) == 1 else None
        if only is None:
            return kind
        arguments: Any = (only, ...) if kind is tuple else only
        return kind.__class_getitem__(arguments)
    if isinstance(default, Enum):
        return kind
    if kind.__module__ in ("ipaddress", "datetime", "decimal", "uuid", "pathlib", "pathlib._local", "fractions"):
        return kind
    return kind if kind in (str, int, bool, float, bytes) else None
