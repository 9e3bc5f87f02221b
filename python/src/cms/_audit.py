"""Looking after the log. It is not loaded before it is asked for."""

from __future__ import annotations

from typing import Any, List, NamedTuple

from . import _ffi
from ._errors import check, text
from ._ffi import CMS_ERR_END


class Verified(NamedTuple):
    """What a check of the log has found."""

    # The revisions of the oldest and the newest record; 0 if the log is empty.
    first: int
    last: int
    # The chain of the newest record, in hexadecimal digits. Keep it elsewhere to find out later whether the whole log
    # was forged.
    chain: str
    # What is wrong, for people; empty if the log is as it was written.
    problems: List[str]


class Repaired(NamedTuple):
    """A package that was brought back to its newest text without errors."""

    package: str
    # The revision whose text it has now.
    text_of: int
    # The transaction that brought it back.
    revision: int


class Repair(NamedTuple):
    """What was mended."""

    # What was wrong with the log, which is set aside if anything was.
    problems: List[str]
    packages: List[Repaired]


def _problems(lib: Any, ref: Any) -> List[str]:
    place, found = _ffi.cms_bytes(), list[str]()
    while True:
        status = lib.cms_report_problem(ref, place)
        if status == CMS_ERR_END:
            return found
        check(status)
        found.append(text(place.data))


def verify_log(lib: Any, store_ref: Any) -> Verified:
    """Checks the log."""
    place = _ffi.cms_log_info()
    status, ref = _ffi.own(_ffi.cms_report, lib.cms_verify_log, store_ref, place)
    check(status)
    return Verified(place.first, place.last, text(place.chain.data), _problems(lib, ref))


def repair(lib: Any, store_ref: Any) -> Repair:
    """Mends what can be mended."""
    status, ref = _ffi.own(_ffi.cms_report, lib.cms_repair, store_ref)
    check(status)
    place, packages = _ffi.cms_repaired(), list[Repaired]()
    while True:
        status = lib.cms_report_repaired(ref, place)
        if status == CMS_ERR_END:
            return Repair(_problems(lib, ref), packages)
        check(status)
        packages.append(Repaired(text(place.package.data), place.text_of, place.revision))
