"""Encodes keys and strings for C."""

from __future__ import annotations

from ._errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

# The largest number of entries in each cache of keys or values.
REMEMBERED = 8192

# A cache of encoded keys of options that have been read, which need no further check.
OPTIONS: Dict[str, bytes] = {}


def encode(text: str, what: str = "key") -> bytes:
    """Encodes a string for C; refuses NUL bytes, which would end it."""
    if not isinstance(text, str):
        raise TypeError(f"a {what} is a str, not {type(text).__name__}")
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Invalid(f"{text!r}: a {what} is UTF-8", key=text) from error
    if b"\0" in raw:
        raise Invalid(f"{text!r}: a {what} holds no NUL", key=text)
    return raw


def parts(key: str) -> int:
    """Counts the parts of a key: 1 for a package, 2 for a section, 3 for an option.

    >>> parts("network"), parts("firewall.@rule[name=a.b]"), parts("firewall.@rule[0].target")
    (1, 2, 3)
    """
    if not isinstance(key, str):
        raise TypeError(f"a key is a str, not {type(key).__name__}")
    _, dot, rest = key.partition(".")
    if not dot:
        return 1
    if rest[:1] == "@":
        # The dots of a selector do not count, and an option does not end with a bracket.
        return 2 if rest[-1:] == "]" else 3
    return 3 if "." in rest else 2


def option(key: str) -> bytes:
    """Encodes the key of an option, and remembers it."""
    raw = encode(key)
    if len(OPTIONS) >= REMEMBERED:
        OPTIONS.clear()
    OPTIONS[key] = raw
    return raw
