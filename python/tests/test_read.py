"""Reading: mappings, types, lists, sections, snapshots, prepared keys."""

from __future__ import annotations

import random
from ctypes import byref, c_double, c_int32, c_int64, c_uint64
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Callable, Dict, List, Union

import pytest

import cms
from cms import _convert, _keys, _library

Root = Union[cms.Store, cms.Snapshot]


@pytest.fixture(params=["store", "snapshot"])
def root(request: pytest.FixtureRequest, store: cms.Store) -> Root:
    return store if request.param == "store" else store.snapshot()


def test_a_key_has_its_value_and_a_list_its_items(root: Root) -> None:
    assert root["network.lan.ipaddr"] == "192.168.1.1"
    assert root["network.lan.dns"] == ["1.1.1.1", "8.8.8.8"]
    assert root["firewall.@rule[-1].name"] == "Allow-Ping"
    assert root["firewall.@rule[name=Allow-Ping].target"] == "ACCEPT"
    assert root.list("network.lan.dns") == ["1.1.1.1", "8.8.8.8"]
    assert root.list("network.lan.ipaddr") == ["192.168.1.1"]


def test_a_list_that_was_read_is_the_readers_own(root: Root) -> None:
    root["network.lan.dns"].append("9.9.9.9")
    assert root["network.lan.dns"] == ["1.1.1.1", "8.8.8.8"]


def test_what_is_not_there_is_a_key_error_and_not_in(root: Root) -> None:
    for key in ("network.lan.nono", "network.nono", "nono", "network.@nono[0].x", "nono.a.b"):
        with pytest.raises(KeyError) as caught:
            root[key]
        assert isinstance(caught.value, cms.NotFound)
        assert caught.value.key == key
        assert key not in root
        assert root.get(key) is None
        assert root.get(key, "x") == "x"
    assert "network" in root
    assert "network.lan" in root
    assert "network.lan.dns" in root
    assert 7 not in root  # type: ignore[comparison-overlap]


def test_typed_reads_have_types_and_defaults(root: Root) -> None:
    assert root.get("system.@system[0].enabled", False, type=bool) is True
    assert root.get("system.@system[0].weight", 0.0, type=float) == 30.5
    assert root.get("system.@system[0].log_size", 0, type=cms.size) == 65536
    assert root.get("network.lan.mtu", 1500, type=int) == 1500
    assert root.get("network.lan.ipaddr", type=IPv4Address) == IPv4Address("192.168.1.1")
    assert root.get("network.lan.ipaddr", type=str) == "192.168.1.1"
    assert root.get("network.lan.ipaddr", type=list) == ["192.168.1.1"]
    assert root.get("network.lan.device", type=Path) == Path("br-lan")

    class Proto(Enum):
        STATIC = "static"

    assert root.get("network.lan.proto", type=Proto) is Proto.STATIC


def test_what_is_not_of_the_type_is_refused_and_named(root: Root) -> None:
    for key, kind in (("network.lan.ipaddr", int), ("network.lan.dns", str), ("network.lan", int), ("network", list)):
        with pytest.raises(cms.WrongType) as caught:
            root.get(key, 1, type=kind)
        assert caught.value.key == key
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, TypeError)
    with pytest.raises(cms.WrongType, match="Expected 4 octets"):
        root.get("system.@system[0].hostname", type=IPv4Address)


def test_packages_and_sections_are_mappings_in_the_order_of_the_file(root: Root) -> None:
    assert list(root) == ["firewall", "network", "system"]
    assert len(root) == 3
    assert [package.name for package in root.packages()] == ["firewall", "network", "system"]
    network = root.package("network")
    assert list(network)[:2] == ["lan", "wan"]
    assert len(network) == 3
    assert [section.name for section in network.sections("interface")] == ["lan", "wan"]
    lan = root["network"]["lan"]
    assert isinstance(lan, cms.Section)
    assert (lan.name, lan.type, lan.key, lan.package, lan.anonymous) == (
        "lan",
        "interface",
        "network.lan",
        "network",
        False,
    )
    assert list(lan) == ["device", "proto", "ipaddr", "netmask", "dns"]
    assert dict(lan)["dns"] == ["1.1.1.1", "8.8.8.8"]
    assert lan.get("mtu", 1500, type=int) == 1500
    assert lan.list("dns") == lan["dns"]
    assert "ipaddr" in lan
    assert network["lan.ipaddr"] == lan["ipaddr"]
    assert next(iter(lan.items())) == ("device", "br-lan")
    assert network.to_dict()["wan"] == {"proto": "dhcp"}
    with pytest.raises(cms.NotFound, match=r"network\.lan\.nono"):
        lan["nono"]


def test_a_section_is_found_by_whatever_means_it(root: Root) -> None:
    last = root.section("firewall.@rule[-1]")
    assert last.anonymous
    assert root.section("firewall.@rule[name=Allow-Ping]").key == last.key
    assert root.section("firewall.@rule[icmp_type=echo-request]").key == last.key
    assert root.section("firewall.@[1]").key == last.key
    assert root.section(last.key).anonymous
    assert root.section("network.lan").anonymous is False
    with pytest.raises(cms.Ambiguous) as caught:
        root.section("firewall.@rule[target=ACCEPT]")
    assert isinstance(caught.value, LookupError)
    with pytest.raises(cms.WrongType):
        root.section("network.lan.ipaddr")


def test_keys_that_are_none_are_refused(root: Root) -> None:
    for key in ("a b.c.d", "network.lan.x.y", "network.lan.a\0b", "network.lan.\ud800", "../etc.a.b", ""):
        with pytest.raises(cms.Invalid) as caught:
            root[key]
        assert isinstance(caught.value, ValueError)
    with pytest.raises(TypeError):
        root[7]  # type: ignore[index]


def test_a_value_of_any_length_is_read_whole(store: cms.Store) -> None:
    for length in (1, 510, 511, 512, 513, 1023, 100_000):
        store.set("network.lan.long", "x" * length)
        assert store["network.lan.long"] == "x" * length
        assert store.get("network.lan.long", type=str) == "x" * length
        assert store.snapshot()["network.lan.long"] == "x" * length
        assert store.key("network.lan.long").value == "x" * length


def test_bytes_that_are_not_utf_8_come_through(edit: Callable[[str, str], None], where: Dict[str, Path]) -> None:
    (where["config_dir"] / "odd").write_bytes(b"config a 'b'\n\toption c '\xff\xfe'\n\tlist d '\xfd'\n")
    with cms.open() as store:
        assert store["odd.b.c"].encode("utf-8", "surrogateescape") == b"\xff\xfe"
        assert store.get("odd.b.c", type=str) == store.snapshot()["odd.b.c"] == store.key("odd.b.c").value
        assert store["odd.b.d"] == store.snapshot()["odd.b.d"] == ["\udcfd"]


def test_text_in_other_scripts_is_read_and_written(store: cms.Store) -> None:
    store.set("network.lan.note", "kuchnia łącze 🐈")
    assert store["network.lan.note"] == "kuchnia łącze 🐈"


def test_a_snapshot_stays_as_it_is(store: cms.Store) -> None:
    with store.snapshot() as before:
        assert before["network.lan.ipaddr"] == "192.168.1.1"
        store.set("network.lan.ipaddr", "10.0.0.1")
        assert before["network.lan.ipaddr"] == before.section("network.lan")["ipaddr"] == "192.168.1.1"
        assert store["network.lan.ipaddr"] == "10.0.0.1"
        assert store.snapshot().revision > before.revision
        section = before.section("network.lan")
    for use in (lambda: before["network.lan.ipaddr"], lambda: before.revision, lambda: dict(section), before.__enter__):
        with pytest.raises(ValueError, match="closed"):
            use()
    before.close()


def test_many_values_are_read_at_once(store: cms.Store) -> None:
    keys = ["network.lan.ipaddr", "network.lan.nono", "network.lan.dns", "system.@system[0].hostname"]
    assert store.snapshot().get_many(keys) == ["192.168.1.1", None, None, "one"]
    assert store.snapshot().get_many([]) == []
    with pytest.raises(cms.Invalid):
        store.snapshot().get_many(["a b"])


def test_a_prepared_key_has_the_newest_value(store: cms.Store) -> None:
    key = store.key("network.lan.mtu")
    assert key.get(1500, type=int) == 1500
    assert key.get() is None
    with pytest.raises(cms.NotFound):
        key.value  # noqa: B018
    store.set("network.lan.mtu", 1400)
    assert key.get(1500, type=int) == 1400
    assert key.value == "1400"
    store.set("network.lan.mtu", ["a", "b"])
    assert key.value == ["a", "b"]
    store.delete("network.lan.mtu")
    assert key.get("none") == "none"
    with pytest.raises(cms.Invalid):
        store.key("network")


def test_a_closed_store_says_so_and_what_was_read_stays(where: Dict[str, Path]) -> None:
    store = cms.open(where["config_dir"])
    snapshot, key = store.snapshot(), store.key("network.lan.ipaddr")
    assert store["network.lan.ipaddr"] == "192.168.1.1"
    store.close()
    store.close()
    for use in (lambda: store["network.lan.ipaddr"], lambda: store["network"], store.snapshot, lambda: store.revision):
        with pytest.raises(ValueError, match="closed"):
            use()
    assert snapshot["network.lan.ipaddr"] == key.value == "192.168.1.1"
    assert "closed" in repr(store)


def test_an_edit_is_seen_after_refresh(store: cms.Store, edit: Callable[[str, str], None]) -> None:
    assert store["system.@system[0].hostname"] == "one"
    revision = store.revision
    assert not store.refresh()
    edit("system", "config system\n\toption hostname 'two'\n")
    assert store.refresh()
    assert store["system.@system[0].hostname"] == "two"
    assert store.revision > revision


def test_get_without_a_store_sees_commits_and_edits(
    store: cms.Store, edit: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cms.get("network.lan.mtu", 1500, type=int) == 1500
    store.set("network.lan.mtu", 1400)
    assert cms.get("network.lan.mtu", 1500, type=int) == 1400
    edit("system", "config system\n\toption hostname 'three'\n")
    assert cms.get("system.@system[0].hostname") == "three"
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("CMS_CONFIG_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("CMS_RUN_DIR", str(tmp_path / "run2"))
    monkeypatch.setenv("CMS_STATE_DIR", str(tmp_path / "state2"))
    assert cms.get("network.lan.mtu") is None


def test_more_keys_than_are_remembered_are_read(store: cms.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_keys, "REMEMBERED", 3)
    snapshot = store.snapshot()
    for name in ("device", "proto", "ipaddr", "netmask", "device"):
        assert store[f"network.lan.{name}"] == snapshot[f"network.lan.{name}"]
        assert len(_keys.OPTIONS) <= 8192
        assert len(snapshot._values) <= 3


def texts() -> List[str]:
    """Strings that are numbers, or similar to numbers."""
    fixed = (
        "0 -7 +7 0x1F -0x10 007 - 0x 1.0 1e3 .5 5. . e inf nan 1e999 1,5 1_0 --1 +-1 1k 2MiB 1GB 3B k 1.5k 1kk 1iB 1KIB"
    )
    more = "9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615"
    more += " 18446744073709551616 17179869184G 20000000T on ON off yes no true True enabled disabled \u0661 1\u00a0"
    generator = random.Random(7)
    letters = "0123456789abcdefx+-.eEkKMBi_ "
    made = ["".join(generator.choices(letters, k=generator.randint(1, 5))).strip() for _ in range(400)]
    return sorted({text for text in [*fixed.split(" "), *more.split(" "), *made] if text})


def test_numbers_are_read_as_the_c_library_reads_them(store: cms.Store) -> None:
    lib, all_texts = _library.library(), texts()
    with store.transaction() as txn:
        for index, text in enumerate(all_texts):
            txn.set(f"system.@system[0].n{index}", text)
    kinds: List[Any] = [
        ("cms_get_int", c_int64, _convert.integer),
        ("cms_get_bool", c_int32, _convert.boolean),
        ("cms_get_double", c_double, _convert.number),
        ("cms_get_size", c_uint64, _convert.size),
    ]
    for index, text in enumerate(all_texts):
        raw = f"system.@system[0].n{index}".encode()
        for name, ctype, convert in kinds:
            place = ctype()
            status = getattr(lib, name)(store._use(), raw, 0, byref(place))
            try:
                ours = convert(text)
            except ValueError:
                ours = None
            theirs = place.value if status == cms.Status.OK else None
            assert ours == theirs, (name, text)
