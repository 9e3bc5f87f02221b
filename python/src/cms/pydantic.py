"""Settings of pydantic-settings that come from a store.

    class Lan(BaseSettings):
        ipaddr: IPv4Address
        mtu: int = 1500

        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, **others):
            return init_settings, StoreSource(settings_cls, "network.lan")

This module needs the package pydantic-settings; `import cms` does not."""

from __future__ import annotations

import re
import types
from typing import Annotated, Any, Dict, List, Mapping, Optional, Tuple, Type, Union, get_args, get_origin

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ._convert import boolean
from ._default import default_store
from ._snapshot import Snapshot
from ._store import Store

# `Optional[int]`, and `int | None`, which Python 3.9 does not have.
_UNIONS = (Union, getattr(types, "UnionType", Union))


class StoreSource(PydanticBaseSettingsSource):
    """The options of a section, or the sections of a package, as the values of fields of the same name or alias.

    `key` is PACKAGE.SECTION, or PACKAGE: then fields are models, each of which is filled from the section of its
    name. All values come from one state. Without `store`, the store of the environment is used, as for `cms.get`."""

    def __init__(self, settings_cls: Type[BaseSettings], key: str, store: Optional[Store] = None) -> None:
        super().__init__(settings_cls)
        self.key = key
        self.store = store

    def __repr__(self) -> str:
        return f"StoreSource({self.key!r})"

    def get_field_value(self, field: FieldInfo, field_name: str) -> Tuple[Any, str, bool]:
        """Returns the value of a field, its name in the store, and False: it is not JSON."""
        with self._snapshot() as snapshot:
            return self._field(snapshot, field, field_name)

    def _snapshot(self) -> Snapshot:
        store = self.store or default_store()
        store.refresh()
        return store.snapshot()

    def _field(self, snapshot: Snapshot, field: FieldInfo, field_name: str) -> Tuple[Any, str, bool]:
        for name in _names(field, field_name):
            value = snapshot.get(f"{self.key}.{name}")
            if value is not None:
                return _plain(value, field.annotation), name, False
        return None, field_name, False

    def __call__(self) -> Dict[str, Any]:
        """Returns the values of the fields that are in the store."""
        values = {}
        with self._snapshot() as snapshot:
            for field_name, field in self.settings_cls.model_fields.items():
                value, name, _ = self._field(snapshot, field, field_name)
                if value is not None:
                    values[name] = value
        return values


def _names(field: FieldInfo, field_name: str) -> Tuple[str, ...]:
    """Returns the names of a field that an option or a section can have. Other aliases are not in the store."""
    alias = field.validation_alias or field.alias
    names: Tuple[Any, ...] = alias.choices if isinstance(alias, AliasChoices) else (alias,)  # type: ignore[assignment]
    if not isinstance(alias, (str, AliasChoices)):
        names = (field_name,)
    return tuple(name for name in names if isinstance(name, str) and _NAME.fullmatch(name))


# A name, or a selector.
_NAME = re.compile(r"[A-Za-z0-9_]+|@.*")


def _kinds(annotation: Any) -> List[Any]:
    """Returns the types that a field may have, without None and annotations."""
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        return [kind for one in get_args(annotation) for kind in _kinds(one)]
    return [] if annotation is None or annotation is type(None) else [annotation]


def _is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (list, tuple, set, frozenset)


def _inner(kinds: List[Any], at: int) -> Any:
    """Returns the item type of a generic type, if it has one."""
    inside = [get_args(kind)[at] for kind in kinds if len(get_args(kind)) > at]
    return inside[0] if inside else None


def _plain(value: Any, annotation: Any) -> Any:
    """Converts sections to dicts, and truth values to words that pydantic knows; it does not know "enabled"."""
    kinds = _kinds(annotation)
    if isinstance(value, Mapping):
        fields = {}
        for field_name, field in getattr(kinds[0] if kinds else None, "model_fields", {}).items():
            fields.update(dict.fromkeys(_names(field, field_name), field.annotation))
        other = _inner(kinds, 1)
        return {name: _plain(inner, fields.get(name, other)) for name, inner in value.items()}
    lists = [kind for kind in kinds if _is_list(kind)]
    if isinstance(value, list):
        return [_plain(item, _inner(lists, 0)) for item in value]
    if lists and len(lists) == len(kinds):
        # A string is a list of one.
        return [_plain(value, _inner(lists, 0))]
    if bool in kinds and str not in kinds:
        try:
            return boolean(value)
        except ValueError:
            pass
    return value
