"""Names for annotations. At run time the module typing is not loaded, since that takes longer than the rest of the
import."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping as Mapping, MutableMapping
    from datetime import date, time, timedelta
    from decimal import Decimal
    from enum import Enum
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
    from pathlib import PurePath
    from typing import Any, TypeVar, Union, overload as overload
    from uuid import UUID

    Base = Mapping[str, Any]
    MutableBase = MutableMapping[str, Any]
    # A default whose type a read follows.
    Known = TypeVar(
        "Known",
        bound=Union[
            bool, int, float, str, bytes, Enum, PurePath, date, time, timedelta, Decimal, UUID,
            IPv4Address, IPv6Address, IPv4Network, IPv6Network,
        ],
    )  # fmt: skip
else:
    # The same classes, without importing all of collections, which would take a third of the import of cms.
    from _collections_abc import Mapping, MutableMapping as MutableBase  # noqa: F401

    Base = Mapping

    def overload(function):
        return function
