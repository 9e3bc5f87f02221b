"""Packages with nested sections, options outside of sections, and names of any characters: TOML and JSON."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Iterator

import pytest

import cms

APP = """debug = true

[server]
name = "x"

[server.tls]
port = 443

[paths]
"index.html" = "a"
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[cms.Store]:
    config = tmp_path / "config"
    config.mkdir(exist_ok=True)
    (config / "app.toml").write_text(APP)
    (config / "n").write_text("config a 's'\n\toption o '1'\n")
    dirs = {name: str(tmp_path / name) for name in ("save", "run", "state")}
    with cms.open(str(config), save_dir=dirs["save"], run_dir=dirs["run"], state_dir=dirs["state"]) as opened:
        yield opened


def test_keys_have_nested_sections_root_keys_and_names_in_quotes(store: cms.Store) -> None:
    for reader in (store, store.snapshot(), store.begin()):
        assert reader["app.server.tls.port"] == "443"
        assert reader["app..debug"] == "true"
        assert reader["app.debug"] == "true"
        assert reader['app.paths."index.html"'] == "a"
        assert isinstance(reader["app.server"], cms.Section)
        assert "app.server.tls.none" not in reader
        assert "app.none" not in reader
    for key in ("n..o", "n.a.b.c", 'n.s."x y"'):
        with pytest.raises(cms.Invalid):
            store[key]


def test_packages_and_sections_are_mappings_of_names_without_quotes(store: cms.Store) -> None:
    package = store.snapshot().package("app")
    assert {name: dict(package[name]) for name in package} == {
        "": {"debug": "true"},
        "server": {"name": "x"},
        "server.tls": {"port": "443"},
        "paths": {"index.html": "a"},
    }
    assert package["debug"] == "true"
    assert package["server.tls"]["port"] == "443"
    assert package["paths"]["index.html"] == "a"
    assert "index.txt" not in package["paths"]
    # UCI text has no such names, and a mapping says that without an error.
    assert "a.b" not in store.snapshot()["n.s"]
    copied = pickle.loads(pickle.dumps(package))
    assert copied == package
    assert copied["paths"]["index.html"] == "a"


def test_packages_and_keys_are_made_by_writing(store: cms.Store, tmp_path: Path) -> None:
    with store.begin() as txn:
        txn["new.section"] = "type"
        txn["new.section.option"] = "1"
        txn["app.server.tls.port"] = "8443"
        txn['app.paths."a b"'] = "2"
    assert (tmp_path / "config/new").read_text() == "config type 'section'\n\toption option '1'\n"
    assert (tmp_path / "config/new").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "config/app.toml").read_text() == APP.replace("443", "8443") + '"a b" = "2"\n'
    store.set("other.section", "type")
    assert store["other.section"].type == "type"
    store.set("made..key", "value")
    assert (tmp_path / "config/made.toml").read_text() == 'key = "value"\n'
