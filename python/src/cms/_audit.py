"""Checks and repairs the log. This module is loaded on first use."""

from __future__ import annotations

from typing import Any, List, NamedTuple

from . import _ffi, _library
from ._errors import check, text
from ._ffi import CMS_ERR_END


class LogInfo(NamedTuple):
    """The findings of a check of the log."""

    # The revisions of the oldest and the newest record; 0 if the log is empty.
    first: int
    last: int
    # The chain of the newest record, in hexadecimal digits. Keep it elsewhere to find out later whether the whole log
    # was forged.
    chain: str
    # The problems, for people; empty if the log is intact.
    problems: List[str]


class Repaired(NamedTuple):
    """A package that was restored to its newest text without errors."""

    package: str
    # The revision whose text it has now.
    text_revision: int
    # The transaction that restored it.
    revision: int


class Repair(NamedTuple):
    """What was mended."""

    # The damage of the log. Damaged parts are set aside.
    problems: List[str]
    packages: List[Repaired]


def _problems(lib: Any, ref: Any) -> List[str]:
    place, found = _ffi.cms_bytes(), list[str]()
    while True:
        status = lib.cms_report_next_problem(ref, place)
        if status == CMS_ERR_END:
            return found
        check(status)
        found.append(text(place.data))


def check_log(lib: Any, store_ref: Any) -> LogInfo:
    """Checks the log."""
    place = _ffi.cms_log_info()
    status, ref = _library.own(_ffi.cms_report, lib.cms_log_check, store_ref, place)
    check(status)
    return LogInfo(place.first, place.last, text(place.chain.data), _problems(lib, ref))


def repair(lib: Any, store_ref: Any) -> Repair:
    """Repairs the log and the packages as far as possible."""
    status, ref = _library.own(_ffi.cms_report, lib.cms_repair, store_ref)
    check(status)
    place, packages = _ffi.cms_repaired(), list[Repaired]()
    while True:
        status = lib.cms_report_next_repaired(ref, place)
        if status == CMS_ERR_END:
            return Repair(_problems(lib, ref), packages)
        check(status)
        packages.append(Repaired(text(place.package.data), place.text_revision, place.revision))
