"""One store, changed alternately by the command and from Python. CMS_BIN names the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cms

COMMAND = os.environ.get("CMS_BIN") or shutil.which("cms")
ROUTER = Path(__file__).parents[1] / "examples" / "router.py"

pytestmark = pytest.mark.skipif(not COMMAND, reason="the command cms is not here; CMS_BIN names it")


def command(*arguments: str) -> str:
    """Runs the command `cms`."""
    return subprocess.run([str(COMMAND), *arguments], check=True, capture_output=True, text=True, timeout=60).stdout


def router(*arguments: str) -> str:
    """Runs the command-line tool in Python."""
    pytest.importorskip("typer")
    program = [sys.executable, str(ROUTER), *arguments]
    return subprocess.run(program, check=True, capture_output=True, text=True, timeout=60).stdout


def test_what_one_has_written_the_others_read_and_overwrite(store: cms.Store) -> None:
    key, name = store.key("system.@system[0].hostname"), "system.@system[0].hostname"
    command("set", f"{name}=by-command")
    command("commit")
    assert key.value == store[name] == "by-command"
    store.set(name, "by-program")
    assert command("get", name) == "by-program\n"
    router("set", name, "by-tool")
    assert command("get", name) == "by-tool\n"
    assert key.value == "by-tool"


def test_python_writes_rust_reads_another_overwrites_and_all_go_back(store: cms.Store) -> None:
    name = "system.@system[0].hostname"
    router("set", name, "Maxson")
    store.create_archive("first")
    assert command("get", name) == "Maxson\n"
    store.set(name, "Summit")
    assert command("get", name) == "Summit\n"
    store.restore("first")
    assert command("get", name) == "Maxson\n"
    assert [entry.source for entry in store.history(name)][-1] == "router.py"
