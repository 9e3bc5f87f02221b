"""A copy of a router's configuration for each test, in separate directories."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest

import cms

NETWORK = """\
# Comments of a person must stay.
config interface 'lan'
\toption device 'br-lan'
\toption proto 'static'
\toption ipaddr '192.168.1.1'\t# the printer knows this one
\toption netmask '255.255.255.0'
\tlist dns '1.1.1.1'
\tlist dns '8.8.8.8'

config interface 'wan'
\toption proto 'dhcp'

config route
\toption target '10.0.0.0/8'
"""
FIREWALL = """\
config rule
\toption name 'Allow-DHCP-Renew'
\toption target 'ACCEPT'

config rule
\toption name 'Allow-Ping'
\tlist icmp_type 'echo-request'
\toption target 'ACCEPT'
"""
SYSTEM = """\
config system
\toption hostname 'one'
\toption log_size '64k'
\toption enabled 'on'
\toption weight '30.5'
"""


@pytest.fixture(autouse=True)
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dict[str, Path]:
    """The directories, which are also those of the environment."""
    directories = {}
    for name in ("config", "save", "run", "state"):
        directories[f"{name}_dir"] = tmp_path / name
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"CMS_{name.upper()}_DIR", str(tmp_path / name))
    for package, text in (("network", NETWORK), ("firewall", FIREWALL), ("system", SYSTEM)):
        (tmp_path / "config" / package).write_text(text)
    return directories


@pytest.fixture
def store(where: Dict[str, Path]) -> Iterator[cms.Store]:
    with cms.open(where["config_dir"], source="tests") as store:
        yield store


@pytest.fixture
def edit(where: Dict[str, Path]) -> Callable[[str, str], None]:
    """Writes a package like an editor: a new file replaces the old one."""

    def write(package: str, text: str) -> None:
        path = where["config_dir"] / package
        beside = path.with_name(f".{package}.new")
        beside.write_text(text)
        beside.replace(path)

    return write


@pytest.fixture(autouse=True)
def names(doctest_namespace: Dict[str, Any], where: Dict[str, Path]) -> None:
    doctest_namespace["cms"] = cms
