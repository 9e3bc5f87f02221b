"""What annotations need. At run time typing is not loaded, which takes longer than all the rest."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, overload as overload

    Base = Mapping[str, Any]
else:
    # The same class, without all of collections, which would take a third of the time that it takes to import cms.
    from _collections_abc import Mapping as Base  # noqa: F401

    def overload(function):
        return function
