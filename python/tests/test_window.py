"""Tests the window example on a virtual screen, if Xvfb, tkinter and FreeSimpleGUI are installed.

CMS_SCREENSHOT names a file for a picture of it, made by ImageMagick.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import cms

WINDOW = Path(__file__).parents[1] / "examples" / "window.py"


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A virtual screen."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not here")
    ours, theirs = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(theirs), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[theirs],
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    with os.fdopen(ours) as told:
        monkeypatch.setenv("DISPLAY", ":" + told.readline().strip())
    yield
    server.terminate()
    server.wait()


@pytest.fixture
def window(display: None, store: cms.Store) -> Iterator[Any]:
    pytest.importorskip("tkinter")
    pytest.importorskip("FreeSimpleGUI")
    spec = importlib.util.spec_from_file_location("window", WINDOW)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with cms.open(source="window") as own:
        window = module.SectionWindow(own, "network.lan")
        yield window
        window.close()


def until(window: Any, there: Callable[[], bool]) -> None:
    """Runs the window until a condition holds."""
    deadline = time.monotonic() + 20
    while not there():
        assert time.monotonic() < deadline
        window.step(timeout=20)


def test_a_window_follows_what_others_do_and_writes_back_what_is_typed(store: cms.Store, window: Any) -> None:
    field = window.window["ipaddr"]
    assert field.get() == "192.168.1.1"
    assert window.window["dns"].get() == "1.1.1.1 8.8.8.8"
    # Another program changes an option while a person types into another field.
    window.window["netmask"].update("255.0.0.0")
    store.set("network.lan.ipaddr", "10.0.0.1")
    until(window, lambda: field.get() == "10.0.0.1")
    assert window.window["netmask"].get() == "255.0.0.0"
    assert "through tests" in window.window["said"].get()
    window.window["dns"].update("9.9.9.9")
    window.window["Save"].click()
    until(window, lambda: store["network.lan.netmask"] == "255.0.0.0")
    assert store["network.lan.dns"] == ["9.9.9.9"]
    until(window, lambda: "through window" in window.window["said"].get())
    entry = next(store.history("network.lan"))
    assert (entry.source, sorted({change.key for change in entry.changes})) == (
        "window",
        ["network.lan.dns", "network.lan.netmask"],
    )
    picture = os.environ.get("CMS_SCREENSHOT")
    if picture:
        window.step(timeout=200)
        subprocess.run(["import", "-window", "root", picture], check=True)
    window.window["Undo"].click()
    until(window, lambda: window.window["netmask"].get() == "255.255.255.0")
    assert window.window["dns"].get() == "1.1.1.1 8.8.8.8"
