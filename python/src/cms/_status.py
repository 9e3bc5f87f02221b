"""cms_status as an enumeration."""

from __future__ import annotations

from enum import IntEnum

from . import _ffi


class Status(IntEnum):
    """The outcome of a call: cms_status without its prefixes."""

    OK = _ffi.CMS_OK
    NOT_FOUND = _ffi.CMS_ERR_NOT_FOUND
    INVALID = _ffi.CMS_ERR_INVALID
    TYPE = _ffi.CMS_ERR_TYPE
    PARSE = _ffi.CMS_ERR_PARSE
    CONFLICT = _ffi.CMS_ERR_CONFLICT
    EXISTS = _ffi.CMS_ERR_EXISTS
    AMBIGUOUS = _ffi.CMS_ERR_AMBIGUOUS
    LOCKED = _ffi.CMS_ERR_LOCKED
    PERMISSION = _ffi.CMS_ERR_PERMISSION
    IO = _ffi.CMS_ERR_IO
    NO_SPACE = _ffi.CMS_ERR_NO_SPACE
    FULL = _ffi.CMS_ERR_FULL
    STALE = _ffi.CMS_ERR_STALE
    DAMAGED = _ffi.CMS_ERR_DAMAGED
    NOT_DURABLE = _ffi.CMS_ERR_NOT_DURABLE
    END = _ffi.CMS_ERR_END
    INTERNAL = _ffi.CMS_ERR_INTERNAL
    REFUSED = _ffi.CMS_ERR_REFUSED
    MEMORY = _ffi.CMS_ERR_MEMORY
    UNSUPPORTED = _ffi.CMS_ERR_UNSUPPORTED
    RANGE = _ffi.CMS_ERR_RANGE
    SCHEMA = _ffi.CMS_ERR_SCHEMA
