"""Converts text to numbers, truth values and sizes, exactly like cms_get_int and the similar functions (tests compare
them)."""

from __future__ import annotations

from ._errors import Invalid, WrongType
from ._keys import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

_TRUTH: Dict[str, bool] = dict.fromkeys(("1", "on", "true", "yes", "enabled"), True)
_TRUTH.update(dict.fromkeys(("0", "off", "false", "no", "disabled"), False))
_DIGITS = "0123456789"
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def integer(text: str) -> int:
    """Reads a whole number of 64 bits: decimal, or hexadecimal behind 0x.

    >>> integer("0x1F"), integer("-7")
    (31, -7)
    """
    if len(text) < 19 and text.isdecimal() and text.isascii():
        return int(text)
    digits = text[1:] if text[:1] in ("+", "-") else text
    base, allowed = 10, _DIGITS
    if digits[:2] in ("0x", "0X"):
        digits, base, allowed = digits[2:], 16, _DIGITS + "abcdefABCDEF"
    if not digits or digits.strip(allowed):
        raise ValueError("not a whole number")
    number = int(digits, base)
    if text[0] == "-":
        number = -number
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("not a whole number of 64 bits")
    return number


def boolean(text: str) -> bool:
    """Reads a truth value, in the words that OpenWrt's programs accept.

    >>> boolean("on"), boolean("disabled")
    (True, False)
    """
    try:
        return _TRUTH[text]
    except KeyError:
        raise ValueError(f"not one of {', '.join(_TRUTH)}") from None


def number(text: str) -> float:
    """Reads a finite decimal number.

    >>> number("30.5")
    30.5
    """
    if text.strip("0123456789.eE+-"):
        raise ValueError("not a finite decimal number")
    try:
        real = float(text)
    except ValueError:
        real = float("inf")
    if real - real != 0:
        raise ValueError("not a finite decimal number")
    return real


def size(text: str) -> int:
    """Reads a number of bytes, for ``get(key, type=cms.size)``.

    >>> size("512"), size("2k"), size("1MiB")
    (512, 2048, 1048576)
    """
    unit = text.lstrip(_DIGITS)
    digits = text[: len(text) - len(unit)]
    if unit.endswith("iB") and unit != "iB":
        unit = unit[:-2]
    elif unit.endswith("B"):
        unit = unit[:-1]
    shift = _UNITS.get(unit.lower())
    if not digits or shift is None:
        raise ValueError("not a number of bytes, perhaps with one of k, M, G or T")
    number = int(digits) << shift
    if number >= 1 << 64:
        raise ValueError("not a number of bytes that fits")
    return number


# How the types are read that most reads have; they are also those of defaults.
READERS: Dict[Any, Callable[[str], Any]] = {int: integer, bool: boolean, float: number, str: str}

_CLASS = type


def convert(value: Any, type: Any, key: str, place: Callable[[str], Tuple[str, int]]) -> Any:
    """Converts a value to the wanted type. `place` finds the file and the line of a key, for the error."""
    kind = value.__class__
    try:
        if kind is str and type.__class__ is _CLASS and type in READERS:
            return READERS[type](value)
        if type is list and (kind is str or kind is list):
            return [value] if kind is str else value
        from . import _load, _types

        if kind is not str and kind is not list:
            return _load.section(value, type, key, place)
        return _types.reader(type)(value)
    except ValueError as error:
        if isinstance(error, WrongType):
            raise
        raise wrong_type(value, str(error), key, place, getattr(error, "item", value)) from error


def wrong_type(value: Any, why: str, key: str, place: Callable[[str], Tuple[str, int]], shown: Any = None) -> WrongType:
    """Returns the error for a value that is not of the wanted type: it names the key, the value, the file, the line.
    `shown` is the item of the list that is wrong.

    >>> print(wrong_type("much", "not a whole number", "network.lan.mtu", lambda key: ("/etc/config/network", 7)))
    network.lan.mtu: 'much' is not a whole number (/etc/config/network:7)
    """
    shown = repr(value if shown is None else shown)
    shown = shown if len(shown) < 80 else shown[:76] + "..."
    first = why.partition(" ")[0]
    said = f"{shown} is {why}" if first == "not" else f"{shown} {why}" if first in ("is", "has") else f"{shown}: {why}"
    file, line = place(key)
    hint = "type=list reads it" if isinstance(value, list) and why == "is a list" else ""
    error = WrongType(f"{key}: {said}{shown_place(file, line)}", file=file, line=line, key=key, hint=hint)
    error.value = value
    return error


def shown_place(file: str, line: int) -> str:
    """Returns file and line as they stand behind a message."""
    return f" ({file}:{line})" if line else f" ({file})" if file else ""


def to_bytes(value: Any) -> bytes:
    """Returns a value as it is written in the file: truth values are "1" and "0", bytes are unchanged.

    >>> to_bytes("\\udcff"), to_bytes(b"\\xff"), to_bytes(True)
    (b'\\xff', b'\\xff', b'1')
    """
    if isinstance(value, bytes):
        if b"\0" in value:
            raise Invalid(f"{value!r}: a value holds no NUL")
        return value
    return encode(value if isinstance(value, str) else _to_text(value), "value")


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    from . import _types

    return _types.text_of(value)


# The numbers of cms_type for the values and the lists that have a type of their own in TOML and JSON.
VALUE_TYPES: Dict[Any, int] = {bool: 4, int: 2, float: 3}
LIST_TYPES: Dict[Any, int] = {bool: 8, int: 6, float: 7}


def value_type(value: Any) -> Optional[int]:
    """Returns the cms_type of a value; None for one that is written as text, whatever was there.

    >>> value_type(True), value_type(8080), value_type(1.5), value_type("1"), value_type(float("inf"))
    (4, 2, 3, None, None)
    """
    if value.__class__ is float and value - value != 0:
        return None
    return VALUE_TYPES.get(value.__class__)


def list_type(items: Any) -> Optional[int]:
    """Returns the cms_type of a list of values of one type; None for another list.

    >>> list_type([1, 2]), list_type([True]), list_type([1, "a"]), list_type([])
    (6, 8, None, None)
    """
    types = {value_type(item) for item in items}
    kinds = {item.__class__ for item in items}
    return LIST_TYPES[kinds.pop()] if len(types) == 1 and None not in types else None


def is_list(value: Any) -> bool:
    """Reports whether a value is written as a list."""
    return isinstance(value, (list, tuple, set, frozenset))


def to_items(value: Any) -> List[bytes]:
    """Returns the items of a list as they are written; those of a set in byte order, since it has no other."""
    items = [to_bytes(item) for item in value]
    return sorted(items) if isinstance(value, (set, frozenset)) else items
