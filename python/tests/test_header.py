"""Compares cms.h with the bindings: every function, constant, enumeration and struct."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from cms import Status, _errors, _ffi, _library

HEADER = Path(os.environ.get("CMS_HEADER") or Path(__file__).parents[2] / "include" / "cms.h")
SCALARS = {
    "cms_status": ctypes.c_int,
    "double": ctypes.c_double,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "void": None,
    "int": ctypes.c_int,
}


@pytest.fixture(scope="module")
def header() -> str:
    if not HEADER.exists():
        pytest.skip("cms.h is not here; CMS_HEADER names it")
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", HEADER.read_text(), flags=re.DOTALL)


def python_type(declared: str) -> Any:
    """Returns the ctypes type of a C type: `const char *` is a string, `char *` a buffer to write to."""
    declared = " ".join(declared.split())
    if declared == "const char *":
        return ctypes.c_char_p
    if declared in ("const char *const *", "const char **"):
        return ctypes.POINTER(ctypes.c_char_p)
    if declared == "void *":
        return ctypes.c_void_p
    if declared == "char *":
        return ctypes.POINTER(ctypes.c_char)
    plain = declared.replace("const", "").replace(" ", "")
    if plain.endswith("**"):
        return ctypes.POINTER(python_type(plain[:-1]))
    if plain.endswith("*"):
        return ctypes.POINTER(SCALARS.get(plain[:-1]) or getattr(_ffi, plain[:-1]))
    return SCALARS[plain] if plain in SCALARS else getattr(_ffi, plain)


def declared(parameter: str) -> Tuple[str, str]:
    """Splits a declaration into type and name."""
    match = re.fullmatch(r"\s*(.*?)(\w+)\s*", parameter, re.DOTALL)
    assert match, parameter
    return match[1].strip(), match[2]


def functions(text: str) -> Dict[str, Tuple[Any, ...]]:
    text = re.sub(r"typedef (?:enum|struct) \{.*?\} \w+;|#[^\n]*", "", text, flags=re.DOTALL)
    found = {}
    for result, name, parameters in re.findall(r"([\w][\w \t*]*?)\b(cms_\w+)\(([^)]*)\);", text):
        arguments = [] if parameters.strip() == "void" else parameters.split(",")
        found[name] = (python_type(result), *(python_type(declared(one)[0]) for one in arguments))
    return found


def structs(text: str) -> Dict[str, List[Tuple[str, Any]]]:
    found = {}
    for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, re.DOTALL):
        members = [declared(member) for member in body.split(";") if member.strip()]
        found[name] = [(member, python_type(kind)) for kind, member in members]
    return found


def statuses(text: str) -> Dict[str, int]:
    body = re.search(r"typedef enum \{(.*?)\} cms_status;", text, re.DOTALL)
    assert body
    return {name: int(number) for name, number in re.findall(r"CMS_(\w+) = (\d+)", body[1])}


def test_every_function_has_the_result_and_the_arguments_of_the_header(header: str) -> None:
    there = functions(header)
    assert len(there) > 40
    assert sorted(there) == sorted(_ffi.SIGNATURES)
    for name, signature in there.items():
        assert list(signature) == _ffi.signature(name), name


def test_the_callbacks_have_the_result_and_the_arguments_of_the_header(header: str) -> None:
    there = re.findall(r"typedef (\w+) \(\*(cms_\w+)\)\((.*?)\);", header, re.DOTALL)
    assert sorted(name for _, name, _ in there) == [
        "cms_event_callback",
        "cms_message_callback",
        "cms_option_callback",
        "cms_package_callback",
        "cms_section_callback",
        "cms_verifier_callback",
    ]
    for result, name, parameters in there:
        arguments: Any = tuple(python_type(declared(one)[0]) for one in parameters.split(","))
        ours = getattr(_ffi, name)
        assert ours._argtypes_ == arguments, name
        assert ours._restype_ == python_type(result), name


def test_every_function_is_exported_by_the_library() -> None:
    for name in _ffi.SIGNATURES:
        assert getattr(_library.library(), name)


def test_every_struct_has_the_members_of_the_header(header: str) -> None:
    there = structs(header)
    assert "cms_options" in there
    for name, members in there.items():
        assert list(getattr(_ffi, name)._fields_) == members, name
    bases = [ctypes.Structure, _ffi._Sized]
    bound = [kind.__name__ for base in bases for kind in base.__subclasses__() if kind.__module__ == "cms._ffi"]
    assert sorted(bound) == sorted([*there, "_Opaque", "_Sized"])


def test_s12_structs_that_begin_with_their_size_have_it_set(header: str) -> None:
    sized = {name: members for name, members in structs(header).items() if members[0] == ("size", ctypes.c_size_t)}
    assert len(sized) > 8
    for name in sized:
        assert issubclass(getattr(_ffi, name), _ffi._Sized), name
        assert getattr(_ffi, name)().size == ctypes.sizeof(getattr(_ffi, name)), name


def test_every_handle_of_the_header_is_known_and_given_back(header: str) -> None:
    there = re.findall(r"typedef struct (cms_\w+) \1;", header)
    # An event belongs to its watch.
    assert sorted(there) == sorted(["cms_event", *_ffi.RELEASES])
    for kind, release in _ffi.RELEASES.items():
        assert _ffi.signature(release) == [None, ctypes.POINTER(getattr(_ffi, kind))]


def test_every_status_has_its_number_and_an_exception(header: str) -> None:
    there = statuses(header)
    ours = {("OK" if one is Status.OK else f"ERR_{one.name}"): one.value for one in Status}
    assert ours == there
    assert sorted([0, *_errors.BY_STATUS]) == sorted(there.values())
    for name, number in there.items():
        assert _library.library().cms_status_name(number) == f"CMS_{name}".encode()


def test_every_constant_has_its_value(header: str) -> None:
    there = {name: int(number) for name, number in re.findall(r"#define (CMS_\w+) (-?\d+)\n", header)}
    there["CMS_SINCE_NOW"] = 2**64 - 1
    assert "#define CMS_SINCE_NOW UINT64_MAX\n" in header
    version = [str(there.pop(f"CMS_VERSION_{part}")) for part in ("MAJOR", "MINOR", "PATCH")]
    assert ".".join(version) == _ffi.VERSION
    there.update({f"CMS_{name}": number for name, number in statuses(header).items()})
    ours = {name: value for name, value in vars(_ffi).items() if name.startswith("CMS_")}
    assert ours == there
