"""A loader for dynaconf: settings that come from a store.

    Dynaconf(core_loaders=[], loaders=["cms.dynaconf"], CMS_FOR_DYNACONF="network,system")

Each package becomes a setting: `settings.NETWORK.lan.ipaddr`. CMS_FOR_DYNACONF, a setting or a variable of the
environment, names the packages (default: all); CMS_STORE_FOR_DYNACONF, a setting, may be an open `cms.Store`. Values
are strings and lists of strings, as in the file, even if they begin with "@"; validators of dynaconf cast them.

`Validator` is that of dynaconf, with errors that name the file and the line:

    Dynaconf(..., validators=[Validator("NETWORK.lan.mtu", cast=int, gte=576)])"""

from __future__ import annotations

import os
from copy import copy
from typing import Any, Dict, Optional

from dynaconf import ValidationError, Validator as _Validator

from ._convert import shown_place
from ._default import default_store
from ._errors import Error
from ._store import Store

IDENTIFIER = "cms"


def load(
    obj: Any,
    env: Optional[str] = None,
    silent: bool = True,
    key: Optional[str] = None,
    filename: Optional[str] = None,
    validate: bool = False,
    **_: Any,
) -> None:
    """Loads the packages, or only the package of the setting `key`, all from one state."""
    store = obj.get("CMS_STORE_FOR_DYNACONF")
    named = obj.get("CMS_FOR_DYNACONF") or os.environ.get("CMS_FOR_DYNACONF", "")
    try:
        if store is None:
            store = default_store()
        store.refresh()
        with store.snapshot() as snapshot:
            names = named.replace(",", " ").split() if isinstance(named, str) else list(named)
            for name in names or list(snapshot):
                if key is None or key.lower() == name.lower():
                    _put(obj, name.upper(), snapshot.package(name).to_dict())
    except Error:
        if not silent:
            raise
    if validate:
        obj.validators.validate()


class Validator(_Validator):  # type: ignore[misc]
    """A validator whose errors name the key, the file and the line of the value."""

    def validate(self, settings: Any, *arguments: Any, **named: Any) -> None:
        for name in self.names:
            of_one = copy(self)
            of_one.names = (name,)
            try:
                super(Validator, of_one).validate(settings, *arguments, **named)
            except (ValidationError, TypeError, ValueError) as error:
                message = f"{error}{_place(settings, name)}"
                if not isinstance(error, ValidationError):  # of a cast
                    message = f"{name}: {message}"
                raise ValidationError(message, details=[(self, message)]) from error


def _place(settings: Any, name: str) -> str:
    """Returns file and line of the value of a setting, as they stand behind a message."""
    store: Store = settings.get("CMS_STORE_FOR_DYNACONF") or default_store()
    package, _, rest = name.replace("__", ".").partition(".")
    found = [one for one in store if one.upper() == package.upper()]
    if not found:
        return ""
    file, line = store._place(f"{found[0]}.{rest}" if rest else found[0])
    return shown_place(file, line)


def _put(obj: Any, name: str, sections: Dict[str, Any]) -> None:
    """Makes a setting of the sections of a package, with unchanged values.

    dynaconf parses the arguments of `update`: it reads the file that "@read_file PATH" names, and merges lists that
    have an item "dynaconf_merge". It does not parse values that are put into the setting afterwards."""
    seen: Dict[str, Any] = {}
    obj.update({name: seen}, loader_identifier=IDENTIFIER, validate=False)
    setting = obj.store[name]
    kind = type(setting)
    for section, options in sections.items():
        setting[section] = options if kind is dict else kind(options, box_settings=obj)
    # Dynaconf reports this dict as the origin of a setting.
    seen.update(sections)
