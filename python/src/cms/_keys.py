"""Encodes keys and strings for C."""

from __future__ import annotations

import json
import re

from ._errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

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
    if '"' in rest:
        return 3 if len(names(rest)) > 1 else 2
    return 3 if "." in rest else 2


_PART = re.compile(r'"(?:[^"\\]|\\.)*"|[^."]*')


def names(path: str) -> List[str]:
    """Splits the parts of a key behind the package, each as the key has it.

    >>> names('a."b.c".d'), names(".k")
    (['a', '"b.c"', 'd'], ['', 'k'])
    """
    found, at = [], 0
    while True:
        part = _PART.match(path, at)
        found.append(part[0] if part else "")
        at += len(found[-1])
        if path[at : at + 1] != ".":
            # What does not end here is no key, and the library says why.
            return found if at == len(path) else [*found, path[at:]]
        at += 1


# The names that stand in keys as they are: see the module key_part of the library.
_PLAIN = re.compile(r'[^\x00-\x20\x7f@.=\[\]"][^\x00-\x20\x7f.=\[\]"]*\Z')


def quote(name: str) -> str:
    """Returns a name as keys have it: in double quotes, if it needs them.

    >>> quote("port"), quote("index.html")
    ('port', '"index.html"')
    """
    return name if _PLAIN.match(name) else json.dumps(name, ensure_ascii=False)


def unquote(part: str) -> str:
    """Returns the name that a part of a key stands for.

    >>> unquote("port"), unquote('"index.html"')
    ('port', 'index.html')
    """
    if part[:1] != '"':
        return part
    name: str = json.loads(part)
    return name


def option(key: str) -> bytes:
    """Encodes the key of an option, and remembers it."""
    raw = encode(key)
    if len(OPTIONS) >= REMEMBERED:
        OPTIONS.clear()
    OPTIONS[key] = raw
    return raw
