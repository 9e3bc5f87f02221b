"""Names for annotations. At run time the module typing is not loaded, since that takes longer than the rest of the
import."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, overload as overload

    Base = Mapping[str, Any]
else:
    # The same class, without importing all of collections, which would take a third of the import of cms.
    from _collections_abc import Mapping as Base  # noqa: F401

    def overload(function):
        return function
