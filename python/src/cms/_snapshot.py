"""All packages as one commit left them."""

from __future__ import annotations

from . import _ffi, _keys, _library
from ._errors import check, copied, fail, text
from ._ffi import CMS_ERR_NOT_FOUND, CMS_ERR_TYPE, CMS_OK, byref
from ._reader import MISSING
from ._tree import Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

    from ._section import Section
    from ._store import Store
    from ._table import Table


class Snapshot(Tree):
    """All packages as one commit left them; later commits do not show. Any number of threads may use one.

    It keeps memory until it is closed: by `close`, at the end of its `with` block, or with its last reference. Values
    are copies, but packages and sections read through the snapshot. A package is opened on its first read: that
    raises Stale if a hundred commits were made to it since the snapshot was opened."""

    __slots__ = ("__weakref__", "_get", "_lib", "_ref", "_store", "_values")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lib = lib = _library.library()
        self._ref: Any = None
        status, self._ref = _library.own(_ffi.cms_snapshot, lib.cms_snapshot_open, store._use())
        check(status)
        self._get = _library.untyped("cms_snapshot_get")
        # Values never change in a snapshot, so a string that was read is cached.
        self._values: Dict[str, str] = {}

    def __enter__(self) -> Snapshot:
        self._use()
        return self

    def __repr__(self) -> str:
        return "<cms.Snapshot, closed>" if self._ref is None else f"<cms.Snapshot of revision {self.revision}>"

    def close(self) -> None:
        """Frees the memory. A second call does nothing."""
        self._ref = None
        self._values = {}

    def _use(self) -> Any:
        ref = self._ref
        if ref is None:
            raise ValueError("the snapshot is closed")
        return ref

    @property
    def revision(self) -> int:
        """The number of the last commit that it shows."""
        number = _ffi.c_uint64()
        check(self._lib.cms_snapshot_revision(self._use(), number))
        return number.value

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            pass
        return super().__getitem__(key)

    def _find(self, key: str) -> Any:
        value = self._values.get(key, MISSING)
        if value is not MISSING:
            return value
        count = 3 if key in _keys.OPTIONS else _keys.parts(key)
        if count != 3:
            return self._of(key, count)
        value = self._read(key, _keys.OPTIONS.get(key) or _keys.option(key))
        if isinstance(value, str):
            if len(self._values) >= _keys.REMEMBERED:
                self._values.clear()
            self._values[key] = value
        return value

    def _read(self, key: str, raw: bytes) -> Any:
        place = _ffi.cms_bytes()
        status = self._get(self._ref, raw, byref(place))
        if not status:
            return text(place.data)
        if status == CMS_ERR_NOT_FOUND:
            return MISSING
        ref = self._use()
        if status == CMS_ERR_TYPE:
            check(self._lib.cms_snapshot_get_list(ref, raw, place), key)
            return [text(item) for item in _ffi.items(place, _ffi.address_of(place))]
        return fail(status, key)

    def _has_package(self, name: str) -> bool:
        ref = self._use()
        status, _ = _library.own(
            _ffi.cms_section_iter, self._lib.cms_section_iter_open, ref, _keys.encode(name, "package"), None
        )
        if status not in (CMS_OK, CMS_ERR_NOT_FOUND):
            fail(status, name)
        return not status

    def __iter__(self) -> Iterator[str]:
        return self._iterate_packages(self._lib.cms_package_iter_open, self._use())

    def resolve(self, key: str) -> str:
        return copied(key, self._lib.cms_snapshot_resolve, self._use(), _keys.encode(key))

    def _place(self, key: str) -> Tuple[str, int]:
        return self._store._place(key)

    def table(self, package: str, type: str) -> Table:
        """Returns the sections of a type of a package as a table: `table("users", "user").find(id=1)`."""
        from ._table import Table

        return Table(self, package, type)

    def get_many(self, keys: Sequence[str]) -> List[Optional[str]]:
        """Reads many strings at once; None for a key that does not exist or has a list."""
        raw = (_ffi.c_char_p * len(keys))(*map(_keys.encode, keys))
        places = (_ffi.cms_bytes * len(keys))()
        check(self._lib.cms_snapshot_get_many(self._use(), raw, len(keys), places))
        return [None if place.data is None else text(place.data) for place in places]

    def _sections(self, package: str, kind: str = "") -> Iterator[Section]:
        return self._iterate_sections(self._lib.cms_section_iter_open, self._use(), package, kind)

    def _options(self, package: str, section: str) -> Iterator[Tuple[str, Any]]:
        return self._iterate_options(self._lib.cms_option_iter_open, self._use(), package, section)
