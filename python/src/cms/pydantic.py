"""Settings of pydantic-settings, and models of pydantic, that come from a store and can be saved in it.

    class Lan(StoreSettings):
        cms_key: ClassVar[str] = "network.lan"
        ipaddr: IPv4Address
        mtu: int = 1500

    lan = Lan()
    lan.mtu = 1400
    lan.save()

Other classes use `StoreSource` beside their own sources, and models `load` and `save`. Errors are those of pydantic;
each names the file and the line of its value.

This module needs the package pydantic-settings; `import cms` does not."""

from __future__ import annotations

import re
import types
from contextlib import suppress
from datetime import timedelta
from typing import (
    Annotated,
    Any,
    Callable,
    ClassVar,
    Dict,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import AliasChoices, BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ._convert import boolean
from ._default import default_store
from ._duration import duration
from ._snapshot import Snapshot
from ._store import Store

_Model = TypeVar("_Model", bound=BaseModel)
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
        with self._snapshot() as snapshot:
            return self._values(snapshot, self.settings_cls)

    def _values(self, snapshot: Snapshot, model: Type[BaseModel]) -> Dict[str, Any]:
        values = {}
        for field_name, field in model.model_fields.items():
            value, name, _ = self._field(snapshot, field, field_name)
            if value is not None:
                values[name] = value
        return values


class StoreSettings(BaseSettings):
    """Settings that come from the section or the package that the class variable `cms_key` names: arguments first, then
    variables of the environment, then the store `cms_store`, or that of the environment."""

    cms_key: ClassVar[str] = ""
    cms_store: ClassVar[Optional[Store]] = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise located(error, self.cms_key, self.cms_store) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: Type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> Tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, StoreSource(settings_cls, cls.cms_key, cls.cms_store)

    def save(self, message: Optional[str] = None) -> int:
        """Writes the fields that differ from the store; returns the revision."""
        return save(self, self.cms_key, self.cms_store, message)


def load(model: Type[_Model], key: str, store: Optional[Store] = None) -> _Model:
    """Makes a model of a section or a package."""
    source = StoreSource(BaseSettings, key, store)
    with source._snapshot() as snapshot:
        values = source._values(snapshot, model)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise located(error, key, store) from None


def save(instance: BaseModel, key: str, store: Optional[Store] = None, message: Optional[str] = None) -> int:
    """Writes the fields of a model that differ from a section or a package, in one transaction; returns its revision.

    None deletes. A section that does not exist is made, with the type that the class variable `cms_type` names."""
    from ._pydantic_save import save_fields

    with (store or default_store()).transaction(message) as txn:
        save_fields(txn, instance, key)
    return txn.revision


def located(error: ValidationError, key: str, store: Optional[Store] = None) -> ValidationError:
    """Returns the same error with the file and the line of each value in its message."""
    found: List[Any] = []
    for one in error.errors(include_url=False):
        # An item of a list has the line of the list.
        names = [str(part) for part in one["loc"] if not isinstance(part, int)]
        whole = ".".join([key, *names] if key else names)
        file, line = (store or default_store())._place(whole)
        if not line and len(names) > 1:  # names of types in a union are no names in the store
            file, line = (store or default_store())._place(f"{key}.{names[0]}")
        message = f"{one['msg']} ({whole} in {file}:{line})" if line else one["msg"]
        # Braces would be replaced by values. The annotations of pydantic want literals.
        kind: Any = one["type"]
        said: Any = message.replace("{", "{{").replace("}", "}}")
        found.append({"type": PydanticCustomError(kind, said), "loc": one["loc"], "input": one["input"]})
    return ValidationError.from_exception_data(error.title, found)


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


_FORMS: Tuple[Tuple[Any, Callable[[str], Any]], ...] = ((bool, boolean), (timedelta, duration))


def _plain(value: Any, annotation: Any) -> Any:
    """Converts sections to dicts, truth values such as "enabled", and durations such as "12h"."""
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
    # Words and units that pydantic does not know; what these do not know is left to pydantic.
    for kind, read in _FORMS:
        if kind in kinds and str not in kinds:
            with suppress(ValueError):
                return read(value)
    return value
