"""Loads libcms.so, and keeps its handles.

Nothing is loaded before it is needed: the library with the first store, a function with its first call.
"""

from __future__ import annotations

import os
from ctypes import CDLL, POINTER, addressof, byref, c_int, c_uint32

from ._ffi import RELEASES, SIGNATURES, VERSION, _Opaque, cms_status, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple, Type


class Library:
    """The functions of libcms.so, each bound once, when it is first used."""

    def __init__(self, found: CDLL, path: str) -> None:
        self._found = found
        self.path = path

    def __getattr__(self, name: str) -> Any:
        if name not in SIGNATURES:
            raise AttributeError(name)
        function = self._symbol(name)
        function.restype, *function.argtypes = signature(name)
        if function.restype is cms_status:
            # errcheck is not used: it would cost a second call for each, and the handling of a status differs by
            # function.
            function.restype = c_int
        setattr(self, name, function)
        return function

    def _symbol(self, name: str) -> Any:
        try:
            return self._found[name]
        except AttributeError:
            raise NotImplementedError(f"{self.path} is too old: it has no {name}") from None


def untyped(name: str) -> Any:
    """Returns a function that converts nothing, which takes half the time.

    Call it only with None, bytes, byref(...) and results of `size_of`."""
    function = library()._symbol(name)
    function.restype = c_int
    return function


def _candidates() -> List[str]:
    """The paths where the library may be, in the order of the search."""
    named = os.environ.get("CMS_LIBRARY")
    if named:
        return [named]
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libcms.so.0")
    return [beside, "libcms.so.0", "libcms.so"]


def _load() -> Library:
    tried = []
    for path in _candidates():
        try:
            found = CDLL(path)
            number = found.cms_version_number
        except (OSError, AttributeError) as error:
            tried.append(f"  {path}: {error}")
            continue
        number.restype = c_uint32
        _check_version(path, number())
        return Library(found, path)
    raise ImportError(
        "libcms.so cannot be loaded. It was looked for as\n" + "\n".join(tried) + "\n"
        "Install a wheel that has it inside, or libcms itself (make install), or set CMS_LIBRARY to its path.",
        name="cms",
    )


def _check_version(path: str, number: int) -> None:
    """Refuses a library whose functions may differ: before 1.0, one of any other minor version."""
    major, minor, patch = number >> 16, number >> 8 & 255, number & 255
    ours = [int(part) for part in VERSION.split(".")]
    if major != ours[0] or (major == 0 and minor != ours[1]):
        raise ImportError(
            f"{path} is libcms {major}.{minor}.{patch}; this package is made for {VERSION}", name="cms", path=path
        )


_loaded: List[Library] = []


def library() -> Library:
    """Returns the library, and loads it on first use."""
    if not _loaded:
        # If two threads load it at the same time, it is loaded once.
        _loaded.append(_load())
        _at_fork()
    return _loaded[0]


# Handles, and their state in a child process.

_process = os.getpid()
_told: Any = None


def _in_child() -> None:
    """Another thread may have been inside the library, so a child does not use inherited handles."""
    global _process
    _process = os.getpid()
    for handle in list(_told):
        handle._forked()


def _at_fork() -> None:
    global _told, _process
    if _told is None:
        import weakref

        _told = weakref.WeakSet()
        _process = os.getpid()
        os.register_at_fork(after_in_child=_in_child)


def tell_of_forks(handle: Any) -> None:
    """Calls `handle._forked()` in each child process."""
    _told.add(handle)


_owned: Dict[Type[_Opaque], Type[_Opaque]] = {}


def _owned_type(kind: Type[_Opaque]) -> Type[_Opaque]:
    release = getattr(library(), RELEASES[kind.__name__])

    def give_back(self: Any, release: Any = release, getpid: Any = os.getpid, byref: Any = byref) -> None:
        if self.process == getpid() and self.wanted:
            release(byref(self))

    return type(kind.__name__, (kind,), {"__del__": give_back, "wanted": True})


def own(kind: Type[_Opaque], make: Callable[..., int], *arguments: object) -> Tuple[int, Any]:
    """Makes a handle; returns the status, and a reference to it to pass to functions.

    The handle is released with the last reference, and each running call holds one: so a handle can be closed while
    other threads use it."""
    pointer = POINTER(kind)()
    status = make(*arguments, byref(pointer))
    if status:
        return status, None
    if kind not in _owned:
        _owned[kind] = _owned_type(kind)
    handle = _owned[kind].from_address(addressof(pointer.contents))
    handle.process = _process
    return status, byref(handle)


def disown(reference: Any) -> None:
    """Records that a function has released the handle itself."""
    reference._obj.wanted = False
