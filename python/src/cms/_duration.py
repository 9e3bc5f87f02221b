"""Durations as text."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {
    "ms": "milliseconds",
    "s": "seconds",
    "m": "minutes",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
}
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|min|m|h|d|w)(?: |$|(?=[0-9]))")


def duration(text: str) -> timedelta:
    """Reads a duration: a number of seconds, or numbers with units.

    >>> duration("90"), duration("1h30m"), duration("250 ms")
    (datetime.timedelta(seconds=90), datetime.timedelta(seconds=5400), datetime.timedelta(microseconds=250000))
    """
    try:
        if _NUMBER.fullmatch(text):
            # In whole numbers, since a float is not exact.
            whole, _, rest = text.lstrip("-").partition(".")
            span = timedelta(seconds=int(whole), microseconds=int(rest[:6].ljust(6, "0")))
            return -span if text[0] == "-" else span
        parts, end, sum = list(_PART.finditer(text)), 0, timedelta()
        for part in parts:
            if part.start() != end:
                break
            end = part.end()
            sum += timedelta(**{_UNITS[part[2]]: float(part[1])})
    except OverflowError:
        raise ValueError("is longer than a timedelta can be") from None
    if not parts or end != len(text) or text.endswith(" "):
        raise ValueError("is not a duration: a number of seconds, or numbers with ms, s, m, h, d or w")
    return sum


def seconds(span: timedelta) -> str:
    """Writes a duration as a number of seconds, which programs in other languages read as a number.

    >>> seconds(timedelta(hours=2)), seconds(timedelta(milliseconds=1500))
    ('7200', '1.5')
    """
    total = (span.days * 86400 + span.seconds) * 1_000_000 + span.microseconds
    whole, rest = divmod(abs(total), 1_000_000)
    sign = "-" if total < 0 else ""
    return f"{sign}{whole}.{rest:06}".rstrip("0").rstrip(".") if rest else f"{sign}{whole}"
