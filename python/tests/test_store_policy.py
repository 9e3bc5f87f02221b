"""The policy of a store binds programs in Python, and their changes are logged with "python" in the source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Dict

import pytest

import cms


def test_s14_safe_mode_of_the_policy_refuses_changes(where: Dict[str, Path]) -> None:
    (where["config_dir"] / "cms").write_text("config store 'store'\n\toption safe_mode '1'\n")
    with cms.open(where["config_dir"]) as store:
        before = store["network.lan.proto"]
        with pytest.raises(cms.PermissionDenied, match=r"safe mode: nothing is written \(.*/cms:2\)"):
            store.set("network.lan.proto", "dhcp" if before != "dhcp" else "static")
        assert store["network.lan.proto"] == before


def test_s14_safe_mode_of_the_environment_refuses_changes(where: Dict[str, Path]) -> None:
    program = "import cms\nwith cms.open() as store:\n    store.set('network.lan.mtu', '1400')\n"
    variables = {f"CMS_{name.upper()}": str(path) for name, path in where.items()}
    environment = {**os.environ, **variables, "CMS_SAFE_MODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "safe mode: nothing is written (CMS_SAFE_MODE=1)" in done.stderr


def test_m16_changes_are_noted_under_language_and_process() -> None:
    with cms.open() as store:
        store.set("network.lan.mtu", "1234")
        assert next(store.history("network.lan.mtu", limit=1)).source == f"python-pid-{os.getpid()}"
