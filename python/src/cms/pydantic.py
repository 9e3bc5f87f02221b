"""Settings of pydantic-settings that come from a store.

    class Lan(BaseSettings):
        ipaddr: IPv4Address
        mtu: int = 1500

        @classmethod
        def settings_customise_sources(cls, settings_cls, init_settings, **others):
            return init_settings, StoreSource(settings_cls, "network.lan")

Needs the package pydantic-settings, which `import cms` does not.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple, Type

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ._convert import boolean
from ._default import default_store
from ._snapshot import Snapshot
from ._store import Store


class StoreSource(PydanticBaseSettingsSource):
    """The options of a section, or the sections of a package, as the values of fields of the same name or alias.

    `key` is PACKAGE.SECTION, or PACKAGE: then fields are models, each of which is filled from the section of its
    name. All values come from one state. Without a `store` it is that of the environment, as for `cms.get`.
    """

    def __init__(self, settings_cls: Type[BaseSettings], key: str, store: Optional[Store] = None) -> None:
        super().__init__(settings_cls)
        self.key = key
        self.store = store

    def __repr__(self) -> str:
        return f"StoreSource({self.key!r})"

    def get_field_value(self, field: FieldInfo, field_name: str) -> Tuple[Any, str, bool]:
        """Returns the value of a field, the name it has in the store, and that it is not JSON."""
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
    alias = field.validation_alias or field.alias
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias,) if isinstance(alias, str) else (field_name,)


def _plain(value: Any, annotation: Any) -> Any:
    """Makes dicts of sections, and of truth values what pydantic knows: "enabled" it does not."""
    if isinstance(value, Mapping):
        fields = getattr(annotation, "model_fields", {})
        return {name: _plain(inner, getattr(fields.get(name), "annotation", None)) for name, inner in value.items()}
    if annotation is bool and isinstance(value, str):
        try:
            return boolean(value)
        except ValueError:
            return value
    # A string is a list of one.
    return [value] if _is_list(annotation) and isinstance(value, str) else value


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", annotation) in (list, tuple, set, frozenset)
