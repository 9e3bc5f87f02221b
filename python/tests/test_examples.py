"""Runs the examples and checks their output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict

import pytest

import cms

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_router_reads_changes_tells_and_takes_back(store: cms.Store) -> None:
    pytest.importorskip("typer")
    assert run("router.py", "get", "network.lan.dns").stdout == "1.1.1.1\n8.8.8.8\n"
    assert "network.lan.ipaddr=192.168.1.1\n" in run("router.py", "show", "network.lan").stdout
    assert run("router.py", "set", "network.lan.ipaddr", "10.0.0.1").stdout == f"revision {store.revision}\n"
    assert store["network.lan.ipaddr"] == "10.0.0.1"
    told = run("router.py", "log", "network.lan.ipaddr").stdout
    assert "router.py" in told
    assert "    network.lan.ipaddr: 192.168.1.1 -> 10.0.0.1\n" in told
    assert run("router.py", "undo").returncode == 0
    assert store["network.lan.ipaddr"] == "192.168.1.1"
    failed = run("router.py", "get", "network.lan.nono")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "router.py: network.lan.nono: not found\n"


def test_service_takes_up_each_state_and_goes_on_with_the_old_where_one_is_bad(
    store: cms.Store, edit: Callable[[str, str], None], where: Dict[str, Path]
) -> None:
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "service.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stderr
    try:
        assert process.stdout.readline() == "serving 192.168.1.1, mtu 1500\n"
        with store.transaction() as txn:
            txn["network.lan.ipaddr"] = "10.0.0.1"
            txn["network.lan.mtu"] = 1400
        assert process.stdout.readline() == "serving 10.0.0.1, mtu 1400\n"
        store.set("network.lan.mtu", "much")
        place = f"{where['config_dir'] / 'network'}:9"
        assert process.stderr.readline() == f"not taken up: network.lan.mtu: 'much' is not a whole number ({place})\n"
        edit("network", "config interface 'lan'\n\toption ipaddr '10.0.0.2'\n")
        assert process.stdout.readline() == "serving 10.0.0.2, mtu 1500\n"
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()
