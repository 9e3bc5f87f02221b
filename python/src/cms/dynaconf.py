"""A loader for dynaconf: settings that come from a store.

    Dynaconf(core_loaders=[], loaders=["cms.dynaconf"], CMS_FOR_DYNACONF="network,system")

Each package becomes a setting: `settings.NETWORK.lan.ipaddr`. CMS_FOR_DYNACONF, a setting or a variable of the
environment, names the packages, all without it; CMS_STORE_FOR_DYNACONF, a setting, may be an open `cms.Store`.
Values are texts and lists of texts, as they are in the file; validators of dynaconf cast them.
"""

from __future__ import annotations

import os
from typing import Any, Optional

from ._default import default_store
from ._errors import Error

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
    """Loads the packages, or the one that is the setting `key`, all from one state."""
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
                    data = {name.upper(): snapshot.package(name).to_dict()}
                    obj.update(data, loader_identifier=IDENTIFIER, validate=validate)
    except Error:
        if not silent:
            raise
