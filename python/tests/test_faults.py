"""One test for each fault that was found in what the bindings promise: its name begins with the fault's id."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest

import cms

EVERYTHING = (
    b"config a 'b'\n"
    b"\toption s 'one'\t# kept\n"
    b"\tlist l 'x'\n\tlist l 'y z'\n\tlist l ''\n\tlist l 'x'\t# kept\n"
    b"\tlist one 'only'\n"
    b"\toption bytes '\xff\xfe'\n\tlist raw '\xfd'\n\tlist raw 'caf\xc3\xa9'\n"
    b"\toption lines 'a\nb'\n\toption control '\x01'\n\tlist controls '\x01'\n"
    b"\toption last '1'\n"
)


@pytest.fixture
def odd(where: Dict[str, Path]) -> Path:
    path = where["config_dir"] / "odd"
    path.write_bytes(EVERYTHING)
    return path


def test_s21_what_was_read_in_a_transaction_is_written_back_as_it_was(store: cms.Store, odd: Path) -> None:
    with store.transaction() as txn:
        for section in store.package("odd").sections():
            txn[section.key] = txn[section.key]
            for name in section:
                key = f"{section.key}.{name}"
                assert txn[key] == section[name] == store[key]
                txn[key] = txn[key]
        assert len(txn) == 0
    assert odd.read_bytes() == EVERYTHING


@pytest.mark.parametrize("surface", ["store", "snapshot", "key", "transaction"])
def test_m14_a_list_is_a_list_on_every_surface(store: cms.Store, odd: Path, surface: str) -> None:
    def read(key: str) -> Any:
        if surface == "key":
            return store.key(key).value
        if surface == "transaction":
            return store.begin()[key]
        return (store if surface == "store" else store.snapshot())[key]

    assert read("odd.b.l") == ["x", "y z", "", "x"]
    assert read("odd.b.one") == ["only"]
    assert read("odd.b.s") == "one"
    store.set("odd.b.one", read("odd.b.one"))
    store.set("odd.b.l", read("odd.b.l"))
    assert odd.read_bytes() == EVERYTHING


def test_m14_a_list_is_a_list_at_a_revision(store: cms.Store) -> None:
    before = store.set("network.lan.mtu", 1400)
    store.set("network.lan.dns", ["9.9.9.9"])
    assert store.get_at("network.lan.dns", before) == ["1.1.1.1", "8.8.8.8"]
    assert store.get_at("network.lan.dns", "now") == ["9.9.9.9"]
    assert store.get_at("network.lan.mtu", before) == "1400"
    with pytest.raises(cms.NotFound):
        store.get_at("network.lan.none", before)


def test_s21_a_list_is_set_in_its_place(store: cms.Store, odd: Path) -> None:
    store.set("odd.b.one", ["1", "2"])
    assert list(store["odd.b"]) == ["s", "l", "one", "bytes", "raw", "lines", "control", "controls", "last"]
    with pytest.raises(cms.Invalid), store.transaction() as txn:
        txn["odd.b.one"] = ["3", "\x01"]
    assert store["odd.b.one"] == ["1", "2"]


def test_m7_values_are_bytes(store: cms.Store, odd: Path) -> None:
    with store.transaction() as txn:
        txn["odd.b.copy"] = txn["odd.b.bytes"]
        txn["odd.b.raws"] = [*txn["odd.b.raw"], b"\xfc"]
        txn["odd.b.s"] = b"caf\xe9"
        txn.append("odd.b.raw", "\udcfb")
        txn.remove("odd.b.raw", b"\xfd")
    assert store["odd.b.copy"] == "\udcff\udcfe"
    assert store["odd.b.raws"] == ["\udcfd", "café", "\udcfc"]
    assert store["odd.b.raw"] == ["café", "\udcfb"]
    assert b"\toption s 'caf\xe9'\t# kept\n" in odd.read_bytes()
    with pytest.raises(cms.Invalid):
        store.set("odd.b.x", b"a\0b")
    for key in ("odd.b.caf\udce9", "odd.caf\udce9.x"):
        with pytest.raises(cms.Invalid):
            store.set(key, "names are not")
