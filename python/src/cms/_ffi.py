"""The types and functions of libcms.so for ctypes, spelt as in cms.h.

A new function of cms.h is one line in SIGNATURES; tests/test_header.py compares all of this with the header.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
    create_string_buffer,
    memmove,
    sizeof,
    string_at,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

# The names for other modules, none of which imports ctypes.
__all__ = [
    "POINTER",
    "byref",
    "c_char_p",
    "c_int32",
    "c_int64",
    "c_size_t",
    "c_uint32",
    "c_uint64",
    "create_string_buffer",
    "sizeof",
]

VERSION = "0.1.0"

CMS_OK = 0
CMS_ERR_NOT_FOUND = 1
CMS_ERR_INVALID = 2
CMS_ERR_TYPE = 3
CMS_ERR_PARSE = 4
CMS_ERR_CONFLICT = 5
CMS_ERR_EXISTS = 6
CMS_ERR_AMBIGUOUS = 7
CMS_ERR_LOCKED = 8
CMS_ERR_PERMISSION = 9
CMS_ERR_IO = 10
CMS_ERR_NO_SPACE = 11
CMS_ERR_FULL = 12
CMS_ERR_STALE = 13
CMS_ERR_DAMAGED = 14
CMS_ERR_NOT_DURABLE = 15
CMS_ERR_END = 16
CMS_ERR_INTERNAL = 17
CMS_ERR_REFUSED = 18
CMS_ERR_MEMORY = 19
CMS_ERR_UNSUPPORTED = 20
CMS_ERR_RANGE = 21
CMS_ERR_SCHEMA = 22

CMS_OPEN_PRIVATE = 1
CMS_OPTION_STRING = 1
CMS_OPTION_LIST = 2
CMS_BY_COMMIT = 1
CMS_BY_EDIT = 2
CMS_BY_BASELINE = 3
CMS_BY_UNDO = 4
CMS_BY_ROLLBACK = 5
CMS_BY_CONFIRM = 6
CMS_BY_BROKEN_TEXT = 7
CMS_BY_MENDED_TEXT = 8
CMS_BY_REMOTE = 9
CMS_BY_LAYER = 10
CMS_CHANGE_ADDED = 1
CMS_CHANGE_DELETED = 2
CMS_CHANGE_SET = 3
CMS_CHANGE_MOVED = 4
CMS_SINCE_NOW = 2**64 - 1
CMS_FOREVER = -1
CMS_MESSAGE_WARNING = 4


class _Opaque(Structure):
    """A handle, of which Python uses only the address."""

    _fields_ = ()


class cms_store(_Opaque): ...


class cms_key(_Opaque): ...


class cms_list(_Opaque): ...


class cms_snapshot(_Opaque): ...


class cms_txn(_Opaque): ...


class cms_package_iter(_Opaque): ...


class cms_section_iter(_Opaque): ...


class cms_option_iter(_Opaque): ...


class cms_table(_Opaque): ...


class cms_history(_Opaque): ...


class cms_watch(_Opaque): ...


class cms_event(_Opaque): ...


class cms_subscription(_Opaque): ...


class cms_verifier(_Opaque): ...


class _Sized(Structure):
    """A struct that begins with its size, which tells the library the members that it has."""

    def __init__(self, *members: Any) -> None:
        super().__init__(sizeof(self), *members)


class cms_error(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("status", c_int),
        ("message", c_char_p),
        ("file", c_char_p),
        ("key", c_char_p),
        ("hint", c_char_p),
        ("line", c_uint32),
        ("column", c_uint32),
        ("program", c_char_p),
        ("reason", c_char_p),
        ("pid", c_uint32),
        ("value", c_char_p),
    )


class cms_violation(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("key", c_char_p),
        ("file", c_char_p),
        ("line", c_uint32),
        ("rule", c_char_p),
        ("value", c_char_p),
        ("message", c_char_p),
        ("expected", c_char_p),
        ("hint", c_char_p),
    )


cms_message_callback = CFUNCTYPE(None, c_int32, c_char_p, c_void_p)


class cms_options(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("config_dir", c_char_p),
        ("save_dir", c_char_p),
        ("run_dir", c_char_p),
        ("state_dir", c_char_p),
        ("flags", c_uint32),
        ("map_limit", c_uint64),
        ("source", c_char_p),
        ("log_limit", c_uint64),
        ("durability", c_char_p),
        ("text_delay_ms", c_uint64),
        ("verify_timeout_ms", c_uint64),
        ("on_message", cms_message_callback),
        ("message_data", c_void_p),
    )


class cms_attribution(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("author", c_char_p),
        ("source", c_char_p),
        ("message", c_char_p),
        ("request", c_char_p),
    )


class cms_bytes(Structure):
    """`data` is read as Python bytes up to the NUL byte, which is the whole name or value."""

    _fields_ = (("data", c_char_p), ("len", c_size_t))


class cms_section(_Sized):
    _fields_ = (("size", c_size_t), ("name", cms_bytes), ("type", cms_bytes), ("anonymous", c_int32))


class cms_option(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("name", cms_bytes),
        ("value", cms_bytes),
        ("items", cms_bytes),
        ("kind", c_int32),
        ("type", c_int),
    )


class cms_record(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("revision", c_uint64),
        ("time_us", c_uint64),
        ("refers", c_uint64),
        ("uid", c_uint32),
        ("pid", c_uint32),
        ("kind", c_int32),
        ("source", cms_bytes),
        ("message", cms_bytes),
        ("confirm_within_ms", c_uint64),
        ("author", cms_bytes),
        ("request", cms_bytes),
        ("decided_us", c_uint64),
    )


class cms_change(_Sized):
    _fields_ = (
        ("size", c_size_t),
        ("key", cms_bytes),
        ("kind", c_int32),
        ("list", c_int32),
        ("old_items", cms_bytes),
        ("new_items", cms_bytes),
        ("old_position", c_int64),
        ("new_position", c_int64),
    )


# Types that few programs need. Each class is made on first use, since making a class takes long.
_LATER: Dict[str, Any] = {
    "cms_blame": (_Opaque, ()),
    "cms_archive_iter": (_Opaque, ()),
    "cms_report": (_Opaque, ()),
    "cms_archive": (
        _Sized,
        (
            ("size", c_size_t),
            ("label", cms_bytes),
            ("time_us", c_uint64),
            ("revision", c_uint64),
            ("file_size", c_uint64),
            ("source", cms_bytes),
            ("automatic", c_int32),
        ),
    ),
    "cms_log_info": (_Sized, (("size", c_size_t), ("first", c_uint64), ("last", c_uint64), ("chain", cms_bytes))),
    "cms_repaired": (
        _Sized,
        (("size", c_size_t), ("package", cms_bytes), ("text_revision", c_uint64), ("revision", c_uint64)),
    ),
}

if TYPE_CHECKING:
    cms_blame: Any
    cms_archive_iter: Any
    cms_report: Any
    cms_archive: Any
    cms_log_info: Any
    cms_repaired: Any


def _type(name: str) -> Any:
    """Returns a type of the header."""
    if name in _LATER:
        base, fields = _LATER[name]
        # Only one class of each is made, even if several threads need it at the same time.
        return globals().setdefault(name, type(base)(name, (base,), {"_fields_": fields, "__module__": __name__}))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if not TYPE_CHECKING:  # else any name would be one
    __getattr__ = _type


cms_status = c_int
cms_type = c_int
cms_package_callback = CFUNCTYPE(c_int32, POINTER(cms_bytes), c_void_p)
cms_section_callback = CFUNCTYPE(c_int32, POINTER(cms_section), c_void_p)
cms_option_callback = CFUNCTYPE(c_int32, POINTER(cms_option), c_void_p)
cms_event_callback = CFUNCTYPE(None, POINTER(cms_event), cms_status, c_void_p)
cms_verifier_callback = CFUNCTYPE(c_int32, POINTER(cms_event), POINTER(c_char), c_size_t, c_void_p)


def P(kind: Any) -> Any:
    """Stands for POINTER(kind), a class that is made when the function is first used: see `signature`."""
    return (kind,)


# The result of each function and its arguments. `char *`, which is written to, is P(c_char).
SIGNATURES: Dict[str, Tuple[Any, ...]] = {
    "cms_status_name": (c_char_p, c_int32),
    "cms_status_message": (c_char_p, c_int32),
    "cms_last_error": (cms_status, P(cms_error)),
    "cms_last_violation": (cms_status, c_size_t, P(cms_violation)),
    "cms_last_message": (c_size_t, P(c_char), c_size_t),
    "cms_open": (cms_status, P(cms_options), P(P(cms_store))),
    "cms_close": (None, P(cms_store)),
    "cms_version": (c_char_p,),
    "cms_version_number": (c_uint32,),
    "cms_has_feature": (c_int32, c_char_p),
    "cms_get": (cms_status, P(cms_store), c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_get_int": (cms_status, P(cms_store), c_char_p, c_int64, P(c_int64)),
    "cms_get_bool": (cms_status, P(cms_store), c_char_p, c_int32, P(c_int32)),
    "cms_get_double": (cms_status, P(cms_store), c_char_p, c_double, P(c_double)),
    "cms_get_size": (cms_status, P(cms_store), c_char_p, c_uint64, P(c_uint64)),
    "cms_get_string": (cms_status, P(cms_store), c_char_p, c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_get_int_range": (cms_status, P(cms_store), c_char_p, c_int64, c_int64, c_int64, P(c_int64)),
    "cms_get_double_range": (cms_status, P(cms_store), c_char_p, c_double, c_double, c_double, P(c_double)),
    "cms_get_size_range": (cms_status, P(cms_store), c_char_p, c_uint64, c_uint64, c_uint64, P(c_uint64)),
    "cms_resolve": (cms_status, P(cms_store), c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_find_line": (cms_status, P(cms_store), c_char_p, P(c_char), c_size_t, P(c_size_t), P(c_uint32)),
    "cms_parse_int": (cms_status, c_char_p, P(c_int64)),
    "cms_parse_bool": (cms_status, c_char_p, P(c_int32)),
    "cms_parse_double": (cms_status, c_char_p, P(c_double)),
    "cms_parse_size": (cms_status, c_char_p, P(c_uint64)),
    "cms_flush": (cms_status, P(cms_store)),
    "cms_refresh": (cms_status, P(cms_store), P(c_int32)),
    "cms_revision": (cms_status, P(cms_store), P(c_uint64)),
    "cms_list_open": (cms_status, P(cms_store), c_char_p, P(P(cms_list))),
    "cms_txn_list_open": (cms_status, P(cms_txn), c_char_p, P(P(cms_list))),
    "cms_list_open_at": (cms_status, P(cms_store), c_char_p, c_uint64, P(P(cms_list))),
    "cms_list_len": (cms_status, P(cms_list), P(c_size_t)),
    "cms_list_item": (cms_status, P(cms_list), c_size_t, P(cms_bytes)),
    "cms_list_close": (None, P(cms_list)),
    "cms_snapshot_open": (cms_status, P(cms_store), P(P(cms_snapshot))),
    "cms_snapshot_close": (None, P(cms_snapshot)),
    "cms_snapshot_revision": (cms_status, P(cms_snapshot), P(c_uint64)),
    "cms_snapshot_get": (cms_status, P(cms_snapshot), c_char_p, P(cms_bytes)),
    "cms_snapshot_get_list": (cms_status, P(cms_snapshot), c_char_p, P(cms_bytes)),
    "cms_bytes_next": (cms_status, P(cms_bytes), P(cms_bytes)),
    "cms_snapshot_get_many": (cms_status, P(cms_snapshot), P(c_char_p), c_size_t, P(cms_bytes)),
    "cms_snapshot_get_string": (cms_status, P(cms_snapshot), c_char_p, c_char_p, P(c_char_p)),
    "cms_snapshot_get_int": (cms_status, P(cms_snapshot), c_char_p, c_int64, P(c_int64)),
    "cms_snapshot_get_int_range": (cms_status, P(cms_snapshot), c_char_p, c_int64, c_int64, c_int64, P(c_int64)),
    "cms_snapshot_get_bool": (cms_status, P(cms_snapshot), c_char_p, c_int32, P(c_int32)),
    "cms_snapshot_get_double": (cms_status, P(cms_snapshot), c_char_p, c_double, P(c_double)),
    "cms_snapshot_get_double_range": (
        cms_status,
        P(cms_snapshot),
        c_char_p,
        c_double,
        c_double,
        c_double,
        P(c_double),
    ),
    "cms_snapshot_get_size": (cms_status, P(cms_snapshot), c_char_p, c_uint64, P(c_uint64)),
    "cms_snapshot_get_size_range": (cms_status, P(cms_snapshot), c_char_p, c_uint64, c_uint64, c_uint64, P(c_uint64)),
    "cms_snapshot_resolve": (cms_status, P(cms_snapshot), c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_key_open": (cms_status, P(cms_store), c_char_p, P(P(cms_key))),
    "cms_key_get": (cms_status, P(cms_key), P(cms_bytes)),
    "cms_key_get_string": (cms_status, P(cms_key), c_char_p, P(c_char_p)),
    "cms_key_get_list": (cms_status, P(cms_key), P(cms_bytes)),
    "cms_key_get_int": (cms_status, P(cms_key), c_int64, P(c_int64)),
    "cms_key_get_int_range": (cms_status, P(cms_key), c_int64, c_int64, c_int64, P(c_int64)),
    "cms_key_get_bool": (cms_status, P(cms_key), c_int32, P(c_int32)),
    "cms_key_get_double": (cms_status, P(cms_key), c_double, P(c_double)),
    "cms_key_get_double_range": (cms_status, P(cms_key), c_double, c_double, c_double, P(c_double)),
    "cms_key_get_size": (cms_status, P(cms_key), c_uint64, P(c_uint64)),
    "cms_key_get_size_range": (cms_status, P(cms_key), c_uint64, c_uint64, c_uint64, P(c_uint64)),
    "cms_key_close": (None, P(cms_key)),
    "cms_package_iter_open": (cms_status, P(cms_snapshot), P(P(cms_package_iter))),
    "cms_package_iter_next": (cms_status, P(cms_package_iter), P(cms_bytes)),
    "cms_package_iter_close": (None, P(cms_package_iter)),
    "cms_section_iter_open": (cms_status, P(cms_snapshot), c_char_p, c_char_p, P(P(cms_section_iter))),
    "cms_section_iter_next": (cms_status, P(cms_section_iter), P(cms_section)),
    "cms_section_iter_close": (None, P(cms_section_iter)),
    "cms_option_iter_open": (cms_status, P(cms_snapshot), c_char_p, c_char_p, P(P(cms_option_iter))),
    "cms_option_iter_next": (cms_status, P(cms_option_iter), P(cms_option)),
    "cms_option_iter_close": (None, P(cms_option_iter)),
    "cms_foreach_package": (cms_status, P(cms_store), cms_package_callback, c_void_p, P(c_int32)),
    "cms_foreach_section": (cms_status, P(cms_store), c_char_p, c_char_p, cms_section_callback, c_void_p, P(c_int32)),
    "cms_foreach_option": (cms_status, P(cms_store), c_char_p, c_char_p, cms_option_callback, c_void_p, P(c_int32)),
    "cms_snapshot_foreach_package": (cms_status, P(cms_snapshot), cms_package_callback, c_void_p, P(c_int32)),
    "cms_snapshot_foreach_section": (
        cms_status,
        P(cms_snapshot),
        c_char_p,
        c_char_p,
        cms_section_callback,
        c_void_p,
        P(c_int32),
    ),
    "cms_snapshot_foreach_option": (
        cms_status,
        P(cms_snapshot),
        c_char_p,
        c_char_p,
        cms_option_callback,
        c_void_p,
        P(c_int32),
    ),
    "cms_set": (cms_status, P(cms_store), c_char_p, c_char_p),
    "cms_set_int": (cms_status, P(cms_store), c_char_p, c_int64),
    "cms_set_bool": (cms_status, P(cms_store), c_char_p, c_int32),
    "cms_set_double": (cms_status, P(cms_store), c_char_p, c_double),
    "cms_set_size": (cms_status, P(cms_store), c_char_p, c_uint64),
    "cms_set_list": (cms_status, P(cms_store), c_char_p, P(c_char_p), c_size_t),
    "cms_type_name": (c_char_p, c_int32),
    "cms_get_type": (cms_status, P(cms_store), c_char_p, P(cms_type)),
    "cms_snapshot_get_type": (cms_status, P(cms_snapshot), c_char_p, P(cms_type)),
    "cms_key_get_type": (cms_status, P(cms_key), P(cms_type)),
    "cms_txn_get_type": (cms_status, P(cms_txn), c_char_p, P(cms_type)),
    "cms_set_typed": (cms_status, P(cms_store), c_char_p, c_int32, c_char_p),
    "cms_txn_set_typed": (cms_status, P(cms_txn), c_char_p, c_int32, c_char_p),
    "cms_set_typed_list": (cms_status, P(cms_store), c_char_p, c_int32, P(c_char_p), c_size_t),
    "cms_txn_set_typed_list": (cms_status, P(cms_txn), c_char_p, c_int32, P(c_char_p), c_size_t),
    "cms_add_int": (cms_status, P(cms_store), c_char_p, c_int64, P(c_int64)),
    "cms_txn_add_int": (cms_status, P(cms_txn), c_char_p, c_int64, P(c_int64)),
    "cms_set_if": (cms_status, P(cms_store), c_char_p, c_char_p, c_char_p),
    "cms_set_if_revision": (cms_status, P(cms_store), c_char_p, c_char_p, c_uint64),
    "cms_txn_expect": (cms_status, P(cms_txn), c_char_p, c_char_p),
    "cms_txn_expect_revision": (cms_status, P(cms_txn), c_char_p, c_uint64),
    "cms_add_list": (cms_status, P(cms_store), c_char_p, c_char_p),
    "cms_del_list": (cms_status, P(cms_store), c_char_p, c_char_p),
    "cms_delete": (cms_status, P(cms_store), c_char_p),
    "cms_rename": (cms_status, P(cms_store), c_char_p, c_char_p),
    "cms_reorder": (cms_status, P(cms_store), c_char_p, c_size_t),
    "cms_add_section": (cms_status, P(cms_store), c_char_p, c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_add_package": (cms_status, P(cms_store), c_char_p),
    "cms_delete_package": (cms_status, P(cms_store), c_char_p),
    "cms_begin": (cms_status, P(cms_store), P(P(cms_txn))),
    "cms_txn_set": (cms_status, P(cms_txn), c_char_p, c_char_p),
    "cms_txn_add_section": (cms_status, P(cms_txn), c_char_p, c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_txn_set_list": (cms_status, P(cms_txn), c_char_p, P(c_char_p), c_size_t),
    "cms_txn_add_list": (cms_status, P(cms_txn), c_char_p, c_char_p),
    "cms_txn_del_list": (cms_status, P(cms_txn), c_char_p, c_char_p),
    "cms_txn_delete": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_rename": (cms_status, P(cms_txn), c_char_p, c_char_p),
    "cms_txn_reorder": (cms_status, P(cms_txn), c_char_p, c_size_t),
    "cms_txn_get": (cms_status, P(cms_txn), c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_txn_package_iter_open": (cms_status, P(cms_txn), P(P(cms_package_iter))),
    "cms_txn_section_iter_open": (cms_status, P(cms_txn), c_char_p, c_char_p, P(P(cms_section_iter))),
    "cms_txn_option_iter_open": (cms_status, P(cms_txn), c_char_p, c_char_p, P(P(cms_option_iter))),
    "cms_txn_add_package": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_delete_package": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_get_string": (cms_status, P(cms_txn), c_char_p, c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_txn_get_int": (cms_status, P(cms_txn), c_char_p, c_int64, P(c_int64)),
    "cms_txn_get_int_range": (cms_status, P(cms_txn), c_char_p, c_int64, c_int64, c_int64, P(c_int64)),
    "cms_txn_get_bool": (cms_status, P(cms_txn), c_char_p, c_int32, P(c_int32)),
    "cms_txn_get_double": (cms_status, P(cms_txn), c_char_p, c_double, P(c_double)),
    "cms_txn_get_double_range": (cms_status, P(cms_txn), c_char_p, c_double, c_double, c_double, P(c_double)),
    "cms_txn_get_size": (cms_status, P(cms_txn), c_char_p, c_uint64, P(c_uint64)),
    "cms_txn_get_size_range": (cms_status, P(cms_txn), c_char_p, c_uint64, c_uint64, c_uint64, P(c_uint64)),
    "cms_txn_set_int": (cms_status, P(cms_txn), c_char_p, c_int64),
    "cms_txn_set_bool": (cms_status, P(cms_txn), c_char_p, c_int32),
    "cms_txn_set_double": (cms_status, P(cms_txn), c_char_p, c_double),
    "cms_txn_set_size": (cms_status, P(cms_txn), c_char_p, c_uint64),
    "cms_txn_resolve": (cms_status, P(cms_txn), c_char_p, P(c_char), c_size_t, P(c_size_t)),
    "cms_txn_info": (cms_status, P(cms_txn), P(c_uint64), P(c_uint64), P(c_size_t)),
    "cms_store_open_as": (cms_status, P(cms_store), P(cms_attribution), P(P(cms_store))),
    "cms_find_request": (cms_status, P(cms_store), c_char_p, P(c_uint64)),
    "cms_txn_set_author": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_set_source": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_set_request": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_set_message": (cms_status, P(cms_txn), c_char_p),
    "cms_txn_set_confirm": (cms_status, P(cms_txn), c_uint64),
    "cms_txn_set_force": (cms_status, P(cms_txn), c_int32),
    "cms_txn_savepoint": (cms_status, P(cms_txn), P(c_uint32)),
    "cms_txn_rollback_to": (cms_status, P(cms_txn), c_uint32),
    "cms_txn_commit": (cms_status, P(cms_txn), P(c_uint64)),
    "cms_txn_rollback": (None, P(cms_txn)),
    "cms_table_open": (cms_status, P(cms_store), c_char_p, c_char_p, P(P(cms_table))),
    "cms_snapshot_table_open": (cms_status, P(cms_snapshot), c_char_p, c_char_p, P(P(cms_table))),
    "cms_table_refresh": (cms_status, P(cms_table), P(c_int32)),
    "cms_table_len": (cms_status, P(cms_table), P(c_size_t)),
    "cms_table_list_open": (cms_status, P(cms_table), P(P(cms_list))),
    "cms_table_find": (cms_status, P(cms_table), c_char_p, c_char_p, P(cms_section)),
    "cms_table_section_iter_open": (
        cms_status,
        P(cms_table),
        c_char_p,
        c_char_p,
        c_char_p,
        P(P(cms_section_iter)),
    ),
    "cms_table_get": (cms_status, P(cms_table), c_char_p, c_char_p, P(cms_option)),
    "cms_table_insert": (
        cms_status,
        P(cms_table),
        P(cms_txn),
        c_char_p,
        P(c_char_p),
        P(c_char_p),
        c_size_t,
        P(c_char),
        c_size_t,
        P(c_size_t),
    ),
    "cms_table_update": (cms_status, P(cms_table), P(cms_txn), c_char_p, P(c_char_p), P(c_char_p), c_size_t),
    "cms_table_delete": (cms_status, P(cms_table), P(cms_txn), c_char_p),
    "cms_table_close": (None, P(cms_table)),
    "cms_history_open": (cms_status, P(cms_store), c_char_p, c_size_t, P(P(cms_history))),
    "cms_history_next": (cms_status, P(cms_history), P(cms_record)),
    "cms_history_next_change": (cms_status, P(cms_history), P(cms_change)),
    "cms_history_close": (None, P(cms_history)),
    "cms_blame_open": (cms_status, P(cms_store), c_char_p, P(P("cms_blame"))),
    "cms_blame_next": (cms_status, P("cms_blame"), P(cms_bytes), P(cms_record)),
    "cms_blame_close": (None, P("cms_blame")),
    "cms_find_revision": (cms_status, P(cms_store), c_char_p, P(c_uint64)),
    "cms_get_at": (cms_status, P(cms_store), c_char_p, c_uint64, P(c_char), c_size_t, P(c_size_t)),
    "cms_text_at": (cms_status, P(cms_store), c_char_p, c_uint64, P(c_char), c_size_t, P(c_size_t)),
    "cms_package_iter_open_changed": (cms_status, P(cms_store), c_uint64, P(P(cms_package_iter))),
    "cms_undo": (cms_status, P(cms_store), c_uint64, c_char_p, P(c_uint64)),
    "cms_redo": (cms_status, P(cms_store), c_uint64, c_char_p, P(c_uint64)),
    "cms_rollback": (cms_status, P(cms_store), c_uint64, c_char_p, P(c_uint64)),
    "cms_pending": (cms_status, P(cms_store), P(c_uint64), P(c_uint64)),
    "cms_history_open_pending": (cms_status, P(cms_store), P(P(cms_history))),
    "cms_pending_notice": (cms_status, P(cms_store), c_uint64, P(c_char), c_size_t, P(c_size_t)),
    "cms_confirm": (cms_status, P(cms_store), c_uint64),
    "cms_archive_create": (cms_status, P(cms_store), c_char_p, P(c_uint64)),
    "cms_archive_delete": (cms_status, P(cms_store), c_char_p),
    "cms_archive_iter_open": (cms_status, P(cms_store), P(P("cms_archive_iter"))),
    "cms_archive_iter_next": (cms_status, P("cms_archive_iter"), P("cms_archive")),
    "cms_archive_iter_close": (None, P("cms_archive_iter")),
    "cms_backup": (cms_status, P(cms_store), c_char_p),
    "cms_restore": (cms_status, P(cms_store), c_char_p, P(c_uint64)),
    "cms_log_check": (cms_status, P(cms_store), P("cms_log_info"), P(P("cms_report"))),
    "cms_repair": (cms_status, P(cms_store), P(P("cms_report"))),
    "cms_report_next_problem": (cms_status, P("cms_report"), P(cms_bytes)),
    "cms_report_next_repaired": (cms_status, P("cms_report"), P("cms_repaired")),
    "cms_report_close": (None, P("cms_report")),
    "cms_watch_open": (cms_status, P(cms_store), c_char_p, c_uint64, P(P(cms_watch))),
    "cms_watch_next": (cms_status, P(cms_watch), c_int32, P(P(cms_event))),
    "cms_watch_fd": (cms_status, P(cms_watch), P(c_int32)),
    "cms_watch_set_merge": (cms_status, P(cms_watch), c_int32),
    "cms_watch_revision": (cms_status, P(cms_watch), P(c_uint64)),
    "cms_watch_close": (None, P(cms_watch)),
    "cms_event_record": (cms_status, P(cms_event), P(cms_record)),
    "cms_event_next_change": (cms_status, P(cms_event), P(cms_change)),
    "cms_subscription_open": (
        cms_status,
        P(cms_store),
        c_char_p,
        c_uint64,
        cms_event_callback,
        c_void_p,
        P(P(cms_subscription)),
    ),
    "cms_subscription_close": (None, P(cms_subscription)),
    "cms_verifier_open": (cms_status, P(cms_store), c_char_p, cms_verifier_callback, c_void_p, P(P(cms_verifier))),
    "cms_verifier_close": (None, P(cms_verifier)),
}


def signature(name: str) -> List[Any]:
    """Returns the result and the arguments of a function as types of ctypes."""

    def made(kind: Any) -> Any:
        if type(kind) is str:
            return globals().get(kind) or _type(kind)
        return POINTER(made(kind[0])) if type(kind) is tuple else kind

    return [made(kind) for kind in SIGNATURES[name]]


# The functions that release handles.
RELEASES = {
    "cms_store": "cms_close",
    "cms_key": "cms_key_close",
    "cms_list": "cms_list_close",
    "cms_snapshot": "cms_snapshot_close",
    "cms_txn": "cms_txn_rollback",
    "cms_table": "cms_table_close",
    "cms_package_iter": "cms_package_iter_close",
    "cms_section_iter": "cms_section_iter_close",
    "cms_option_iter": "cms_option_iter_close",
    "cms_history": "cms_history_close",
    "cms_blame": "cms_blame_close",
    "cms_archive_iter": "cms_archive_iter_close",
    "cms_report": "cms_report_close",
    "cms_watch": "cms_watch_close",
    "cms_subscription": "cms_subscription_close",
    "cms_verifier": "cms_verifier_close",
}


def size(number: int) -> Any:
    """Makes a size_t for `untyped` functions."""
    return c_void_p.from_param(number)


def address_of(place: Structure, member: str = "data") -> c_void_p:
    """Returns a view of a pointer in a struct, whose value is the address as a number."""
    return c_void_p.from_buffer(place, getattr(type(place), member).offset)


def put(place: Any, size: int, text: bytes) -> None:
    """Writes text to a buffer of C, as much as fits."""
    memmove(place, text[: size - 1] + b"\0", min(len(text) + 1, size))


def items(place: cms_bytes, address: c_void_p) -> Sequence[bytes]:
    """Splits the items of a list, each of which ends with a NUL byte."""
    return string_at(address.value or 0, place.len).split(b"\0")[:-1] if place.len else []
