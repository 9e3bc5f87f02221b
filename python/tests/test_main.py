"""CLI-31: `python -m cms`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List

import pytest

import cms
from conftest import NETWORK

Done = subprocess.CompletedProcess


def run(arguments: List[str], path: str = "/nonexistent") -> "Done[bytes]":
    environment = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "cms", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)


def test_cli31_the_module_hands_over_to_the_installed_command(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "cms"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nprintf "<%s>" "$0" "$@"\nexit 7\n')
    command.chmod(0o755)
    done = run(["get", "a b", ""], f"{command.parent}:/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (7, f"<{command}><get><a b><>".encode())


def test_cli31_without_the_command_the_module_reads_and_sets(where: Dict[str, Path], store: cms.Store) -> None:
    (where["config_dir"] / "odd").write_bytes(b"config a 's'\n\toption x 'it'\\''s \xff'\n")
    assert run(["get", "network.lan.ipaddr", "network.lan.dns", "network.lan"]).stdout == (
        b"192.168.1.1\n1.1.1.1 8.8.8.8\ninterface\n"
    )
    assert run(["show", "network.wan", "odd"]).stdout == (
        b"network.wan=interface\nnetwork.wan.proto='dhcp'\nodd.s=a\nodd.s.x='it'\\''s \xff'\n"
    )
    assert run(["list"]).stdout == b"firewall\nnetwork\nodd\nsystem\n"
    assert run(["list", "network.lan"]).stdout == b"device\nproto\nipaddr\nnetmask\ndns\n"
    done = run(["ensure", "network.lan.mtu=1400", "firewall.@rule[name=Allow-Ping].target=ACCEPT"])
    assert done.stdout == b"changed network.lan.mtu\nunchanged firewall.@rule[name=Allow-Ping].target\n"
    assert store["network.lan.mtu"] == "1400"
    assert run(["version"]).stdout == f"cms {cms.VERSION} (python)\n".encode()
    assert b"ensure KEY=VALUE" in run(["help"]).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, b""),
        (["get"], 2, b"an argument is missing"),
        (["get", "network"], 2, b"is a package"),
        (["get", "network.lan.nono"], 1, b"cms: network.lan.nono: not found"),
        (["get", "a b.c.d"], 3, b"cms: "),
        (["list", "a", "b"], 2, b"too many arguments"),
        (["ensure", "network.lan.mtu"], 2, b"has no value"),
        (["ensure", "network.nono.mtu=7"], 1, b"not found"),
        (["history"], 2, b"'history' needs the command 'cms', which is not installed"),
    ],
)
def test_cli31_exit_codes_are_those_of_the_command(arguments: List[str], code: int, told: bytes) -> None:
    done = run(arguments)
    assert done.returncode == code
    assert told in done.stderr


def test_cli31_a_store_that_may_not_be_written_is_exit_code_4(store: cms.Store) -> None:
    with store.verify("network", lambda _: "not today"):
        done = run(["ensure", "network.lan.mtu=7"])
    assert (done.returncode, b"not today" in done.stderr) == (9, True)
    assert run(["get", "network.lan.mtu"]).returncode == 1


@pytest.mark.skipif("CMS_BIN" not in os.environ, reason="CMS_BIN names the command")
@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "network.lan.ipaddr", "network.lan.dns", "network.lan"],
        ["show"],
        ["show", "network.lan.dns", "firewall"],
        ["show", "firewall.@rule[-1]", "firewall.@rule[name=Allow-Ping].target"],
        ["list"],
        ["list", "network"],
        ["list", "network.lan"],
        ["ensure", "network.lan.ipaddr=192.168.1.1"],
        ["ensure", "network.lan.mtu=1400", "network.lan.proto=static"],
        ["ensure", "network.nono.mtu=1400"],
        ["get", "network.lan.nono"],
        ["get", "network"],
        ["get"],
        ["list", "nono"],
        ["show", "a b"],
    ],
    ids=" ".join,
)
def test_cli31_the_module_prints_what_the_command_prints(arguments: List[str], where: Dict[str, Path]) -> None:
    ours = run(arguments)
    (where["config_dir"] / "network").write_text(NETWORK)
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    command = [os.environ["CMS_BIN"], *arguments]
    theirs = subprocess.run(command, capture_output=True, timeout=60, check=False, env=environment)
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
