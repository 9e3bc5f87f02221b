"""Puts libcms.so into the wheel, and sets the wheel's tag to the systems on which the library runs.

CMS_WHEEL_LIBRARY names it. Without it, the wheel contains only Python and looks for an installed libcms. This is the
case when pip builds from the sdist, which never compiles."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def platform_tag(library: bytes, machine: str) -> str:
    """Returns the tag of the oldest systems that a library runs on, by the newest glibc version among its symbols.

    >>> platform_tag(b"GLIBC_2.2.5 GLIBC_2.28 GLIBC_2.4", "x86_64")
    'manylinux_2_28_x86_64'
    >>> platform_tag(b"", "aarch64")
    'musllinux_1_2_aarch64'
    """
    minors = [int(minor) for minor in re.findall(rb"GLIBC_2\.([0-9]+)", library)]
    return f"manylinux_2_{max(17, *minors)}_{machine}" if minors else f"musllinux_1_2_{machine}"


class LibraryHook(BuildHookInterface[Any]):
    """The hook that hatchling calls."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        path = os.environ.get("CMS_WHEEL_LIBRARY")
        if not path or version == "editable":
            return
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-" + platform_tag(Path(path).read_bytes(), platform.machine())
        build_data["force_include"][path] = "cms/libcms.so.0"
