"""Writes models of pydantic. This module is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping

from pydantic import BaseModel, TypeAdapter, ValidationError

from ._convert import is_list
from ._errors import Invalid
from ._reader import MISSING
from ._save import section_for, written
from .pydantic import _names, _plain

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ._txn import Transaction


def save_fields(txn: Transaction, instance: BaseModel, key: str) -> None:
    """Writes the fields that differ from what is there."""
    key = section_for(txn, instance, key)
    for name, field in type(instance).model_fields.items():
        names = _names(field, name)
        if not names:
            continue  # its alias is no name of an option
        where = next((one for one in names if f"{key}.{one}" in txn), names[0])
        _save_field(txn, field, getattr(instance, name), f"{key}.{where}" if key else where)


def _save_field(txn: Transaction, field: FieldInfo, value: Any, key: str) -> None:
    if isinstance(value, BaseModel):
        save_fields(txn, value, key)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            save_fields(txn, inner, f"{key}.{name}")
    else:
        _save_option(txn, field, value, key)


def _save_option(txn: Transaction, field: FieldInfo, value: Any, key: str) -> None:
    wanted = written([_shown(item) for item in value] if is_list(value) else _shown(value))
    present = txn._find(key)
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    if present is MISSING:
        if value != default and wanted is not None:
            txn.set(key, wanted)
        elif value != default and default is not None:
            raise _unlike(key, value, default)
    elif not _is_same(present, value, field):
        if wanted is None and default not in (None, value):
            raise _unlike(key, value, default)
        if wanted is None:
            txn.delete(key)
        else:
            txn.set(key, wanted)


def _shown(value: Any) -> Any:
    # A SecretStr shows only stars.
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def _unlike(key: str, value: Any, default: Any) -> Invalid:
    said = f"{value!r} cannot be stored, since an option that does not exist is read as {default!r}"
    return Invalid(f"{key}: {said}", key=key)


def _is_same(present: Any, value: Any, field: FieldInfo) -> bool:
    """Reports whether the text is read as the value already."""
    try:
        kind: Any = field.annotation
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        return bool(adapter.validate_python(_plain(present, field.annotation)) == value)
    except ValidationError:
        return False
