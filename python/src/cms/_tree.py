"""What snapshots and transactions share: finding packages and sections in one state."""

from __future__ import annotations

from . import _ffi, _keys, _library
from ._errors import NotFound, check, fail, text
from ._ffi import CMS_ERR_END, CMS_OPTION_LIST
from ._reader import MISSING, Root
from ._section import Package, Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Iterator, Tuple, Type


class Tree(Root):
    """The base of objects that show one state. Packages and sections read through them."""

    __slots__ = ()

    _package_type: ClassVar[Type[Package]] = Package
    _section_type: ClassVar[Type[Section]] = Section

    def _read(self, key: str, raw: bytes) -> Any:
        """Returns the string or the list that a key has, or MISSING; for the key of a section, its type."""
        raise NotImplementedError

    def _has_package(self, name: str) -> bool:
        raise NotImplementedError

    def _sections(self, package: str, kind: str = "") -> Iterator[Section]:
        """Iterates over the sections of a package, or those of a type."""
        raise NotImplementedError

    def _options(self, package: str, section: str) -> Iterator[Tuple[str, Any]]:
        """Iterates over the options of a section and their values."""
        raise NotImplementedError

    def _of(self, key: str, count: int) -> Any:
        """Returns the package or the section of a key of so many parts, or MISSING."""
        if count == 1:
            return self._package_type(self, key) if self._has_package(key) else MISSING
        kind = self._read(key, _keys.encode(key))
        if kind is MISSING:
            return MISSING
        package, _, selector = key.partition(".")
        if selector[:1] != "@":
            if not isinstance(kind, str) or self.resolve(key)[len(package) :][:2] == "..":
                # A root key, of a package that has no section of that name.
                return kind
            return self._section_type(self, package, selector, kind)
        return self._select(key)

    def _select(self, key: str) -> Section:
        """Finds the section that a selector selects; it is known that there is exactly one."""
        found = self.resolve(key)
        package, _, name = found.partition(".")
        return self._section_type(self, package, name, self._read(found, _keys.encode(found)))

    # The iterators of the library.

    def _iterate_packages(self, make: Any, ref: Any) -> Iterator[str]:
        lib, place = _library.library(), _ffi.cms_bytes()
        status, iterator = _library.own(_ffi.cms_package_iter, make, ref)
        check(status)
        while not lib.cms_package_iter_next(iterator, place):
            yield text(place.data)

    def _iterate_sections(self, make: Any, ref: Any, package: str, kind: str) -> Iterator[Section]:
        lib, place, made = _library.library(), _ffi.cms_section(), self._section_type
        raw = _keys.encode(package, "package"), _keys.encode(kind, "type") or None
        status, iterator = _library.own(_ffi.cms_section_iter, make, ref, *raw)
        check(status, package)
        while True:
            status = lib.cms_section_iter_next(iterator, place)
            if status:
                break
            yield made(self, package, text(place.name.data), text(place.type.data), bool(place.anonymous))
        if status != CMS_ERR_END:
            fail(status, package)

    def _iterate_options(self, make: Any, ref: Any, package: str, section: str) -> Iterator[Tuple[str, Any]]:
        lib, place = _library.library(), _ffi.cms_option()
        raw = _keys.encode(package, "package"), _keys.encode(section, "section")
        status, iterator = _library.own(_ffi.cms_option_iter, make, ref, *raw)
        check(status, f"{package}.{section}")
        inside, address = place.items, _ffi.address_of(place, "items")
        while True:
            status = lib.cms_option_iter_next(iterator, place)
            if status:
                break
            name = _keys.unquote(text(place.name.data))
            if place.kind == CMS_OPTION_LIST:
                yield name, [text(item) for item in _ffi.items(inside, address)]
            else:
                yield name, text(place.value.data)
        if status != CMS_ERR_END:
            fail(status, f"{package}.{section}")

    def package(self, name: str) -> Package:
        if _keys.parts(name) != 1 or not self._has_package(name):
            raise NotFound(f"{name}: not found", key=name)
        return self._package_type(self, name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True
