"""One test for each fault that was found in the bindings: its name begins with the fault's id."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

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
        assert txn.count == 0
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


@pytest.mark.parametrize(
    "value",
    [
        "@read_file /etc/passwd",
        "@format {env[HOME]}",
        "@jinja {{ 7 * 7 }}",
        '@json {"a": 1}',
        "@int 7",
        "@bool true",
        "@str @format {this}",
        "@none",
        "@del",
        "@reset",
        "@merge",
        "@insert 0",
        "@get lan",
        "@empty",
        "@",
        "@nothing known",
        "dynaconf_merge",
        "dynaconf_merge_unique",
    ],
)
@pytest.mark.filterwarnings("ignore:Data(Dict|List):DeprecationWarning")  # of dynaconf 3.3.0 for Python 3.9
def test_m5_dynaconf_takes_values_as_data(store: cms.Store, value: str) -> None:
    dynaconf = pytest.importorskip("dynaconf")
    with store.transaction() as txn:
        txn["network.lan.note"] = value
        txn["network.lan.dns"] = [value, "1.1.1.1", value]
        txn["network.lan.dynaconf_merge"] = value
    settings = dynaconf.Dynaconf(core_loaders=[], loaders=["cms.dynaconf"], CMS_STORE_FOR_DYNACONF=store)
    for _ in range(2):
        assert settings.network.lan.note == value
        assert list(settings.network.lan.dns) == [value, "1.1.1.1", value]
        assert settings.network.lan.dynaconf_merge == value
        assert settings("network.lan.note") == settings.get("network.lan.note") == value
        assert settings.as_dict()["NETWORK"]["lan"]["note"] == value
        assert settings.get_fresh("network").lan.note == value
        store.delete("network.lan.proto")
        assert "proto" in settings.network.lan
        settings.reload()
        assert "proto" not in settings.network.lan
        store.set("network.lan.proto", "static")
        settings.reload()


def test_m5_dynaconf_validates_what_was_loaded(store: cms.Store) -> None:
    dynaconf = pytest.importorskip("dynaconf")
    settings = dynaconf.Dynaconf(
        core_loaders=[],
        loaders=["cms.dynaconf"],
        CMS_STORE_FOR_DYNACONF=store,
        validators=[dynaconf.Validator("NETWORK.lan.proto", is_in=["static"])],
    )
    assert settings.network.lan.proto == "static"
    store.set("network.lan.proto", "dhcp")
    with pytest.raises(dynaconf.ValidationError):
        settings.reload()
        settings.validators.validate_all()


def _settings(fields: Dict[str, Any], key: str, store: cms.Store) -> Any:
    """Makes settings with these fields, each a type and a default, that come from a section or a package."""
    settings = pytest.importorskip("pydantic_settings")
    pydantic = pytest.importorskip("pydantic")
    from cms.pydantic import StoreSource

    def sources(cls: Any, /, settings_cls: Any, **_: Any) -> Any:
        return (StoreSource(settings_cls, key, store),)

    base = type("Base", (settings.BaseSettings,), {"settings_customise_sources": classmethod(sources)})
    return pydantic.create_model("Made", __base__=base, **fields)()


def test_m6_optional_fields_are_converted_as_those_without(store: cms.Store) -> None:
    with store.transaction() as txn:
        txn["network.lan.on"], txn["network.lan.off"] = "enabled", "disabled"
        txn["network.lan.flags"] = ["on", "off"]
        txn["network.lan.mtu"] = 1400
    fields: Dict[str, Any] = {
        "on": (Optional[bool], None),
        "off": (Union[None, bool], None),
        "flags": (Optional[List[bool]], None),
        "mtu": (Optional[int], None),
        "device": (Optional[List[str]], None),
        "dns": (Optional[Tuple[str, ...]], None),
        "proto": (Union[str, List[str]], ""),
        "missing": (Optional[bool], None),
    }
    if sys.version_info >= (3, 10):
        fields["netmask"] = (eval("str | None"), None)
        fields["ipaddr"] = (eval("list[str] | None"), None)
        fields["mtu"] = (eval("int | None"), None)
    lan = _settings(fields, "network.lan", store)
    assert (lan.on, lan.off, lan.flags, lan.mtu) == (True, False, [True, False], 1400)
    assert (lan.device, lan.dns, lan.proto, lan.missing) == (["br-lan"], ("1.1.1.1", "8.8.8.8"), "static", None)
    if sys.version_info >= (3, 10):
        assert (lan.netmask, lan.ipaddr) == ("255.255.255.0", ["192.168.1.1"])


def test_m6_optional_models_are_filled_as_those_without(store: cms.Store) -> None:
    pydantic = pytest.importorskip("pydantic")
    with store.transaction() as txn:
        txn["network.lan.force_link"] = "enabled"
    aliased = (Optional[bool], pydantic.Field(None, validation_alias="force_link"))
    lan = pydantic.create_model("Lan", forced=aliased, device=(Optional[List[str]], None))
    network = _settings({"lan": (Optional[lan], None), "guest": (Optional[lan], None)}, "network", store)
    assert (network.lan.forced, network.lan.device, network.guest) == (True, ["br-lan"], None)


def test_m6_an_alias_that_no_option_can_have_is_not_in_the_store(store: cms.Store) -> None:
    pydantic = pytest.importorskip("pydantic")
    choices = pydantic.AliasChoices("no-option", "kuchnia łącze", "", "proto")
    fields = {
        "force": (bool, pydantic.Field(True, validation_alias="force-link")),
        "proto": (str, pydantic.Field("none", validation_alias=choices)),
    }
    lan = _settings(fields, "network.lan", store)
    assert (lan.force, lan.proto) == (True, "static")


COMMIT = "import cms; print(cms.open().set('network.lan.metric', 'other'))"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_x_h10_children_that_only_sleep_hold_no_locks(store: cms.Store) -> None:
    forking = multiprocessing.get_context("fork")
    done = threading.Event()
    failures: List[BaseException] = []

    def commit() -> None:
        try:
            for number in itertools.takewhile(lambda _: not done.is_set(), itertools.count()):
                store.set("network.lan.metric", number)
        except cms.Error as error:
            failures.append(error)

    writer = threading.Thread(target=commit)
    writer.start()
    children = [forking.Process(target=time.sleep, args=(3600,), daemon=True) for _ in range(20)]
    for child in children:
        time.sleep(0.005)
        child.start()
    done.set()
    writer.join()
    started = time.monotonic()
    try:
        other = subprocess.run([sys.executable, "-c", COMMIT], capture_output=True, text=True, check=False)
    finally:
        for child in children:
            child.kill()
            child.join()
    assert (failures, other.returncode, other.stderr) == ([], 0, "")
    assert time.monotonic() - started < 8
    assert store["network.lan.metric"] == "other"


TOO_LITTLE = """
import resource, cms
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
store = cms.open()
store["network.lan.proto"]
resource.setrlimit(resource.RLIMIT_AS, (taken + (24 << 20),) * 2)
try:
    store["big.s7.o"]
except cms.OutOfMemory as error:
    assert isinstance(error, MemoryError)
    print(error.status, store["network.lan.proto"])
"""


def test_a13_too_little_memory_is_an_exception(store: cms.Store, edit: Callable[[str, str], None]) -> None:
    edit("big", "".join(f"config t 's{number}'\n\toption o '{number}'\n" for number in range(60000)))
    done = subprocess.run([sys.executable, "-c", TOO_LITTLE], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{int(cms.Status.MEMORY)} static\n", "")


def test_m13_writing_creates_a_package(store: cms.Store, where: Dict[str, Path]) -> None:
    path = where["config_dir"] / "fresh"
    with pytest.raises(cms.NotFound) as caught, store.transaction() as txn:
        txn["fresh.a.o"] = "1"
    assert "'cms" not in caught.value.hint
    with pytest.raises(ZeroDivisionError), store.transaction() as txn:
        txn["fresh.a"] = "t"
        raise ZeroDivisionError
    assert not path.exists()
    with store.transaction() as txn:
        txn["fresh.a"] = "t"
        txn["fresh.a.o"] = "1"
        name = txn.add("other", "t", {"o": "2"})
    assert store["fresh.a.o"] == "1"
    assert store[f"other.{name}.o"] == store["other.@t[0].o"] == "2"
    assert path.read_text() == "config t 'a'\n\toption o '1'\n"
    store.undo()
    assert "fresh" not in store
    assert not path.exists()
    for key in ("../fresh.a", ".fresh.a", "a/b.c"):
        with pytest.raises(cms.Error):
            store.set(key, "t")


def test_m13_a_transaction_creates_packages(store: cms.Store, where: Dict[str, Path]) -> None:
    with store.transaction() as txn:
        with pytest.raises(cms.NotFound):
            txn.set("fresh.a.x", "1")
        txn.set("fresh.a", "kind")
        txn.set("fresh.a.x", "1")
    assert store["fresh.a.x"] == "1"
    assert (where["config_dir"] / "fresh").read_text() == "config kind 'a'\n\toption x '1'\n"


def test_a6_a_message_hook_is_told_of_each_warning_once(where: Dict[str, Path]) -> None:
    os.mkfifo(where["config_dir"] / "pipe")
    told: List[Tuple[int, str]] = []
    with cms.open(on_message=lambda level, text: told.append((level, text))) as store:
        assert list(store) == ["firewall", "network", "system"]
        assert list(store) == ["firewall", "network", "system"]
    assert [level for level, _ in told] == [logging.WARNING]
    assert "pipe is skipped" in told[0][1]


def test_a6_a_logger_is_a_message_hook(where: Dict[str, Path], caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(where["config_dir"] / "pipe")
    with cms.open(on_message=logging.getLogger("cms").log) as store:
        list(store)
    assert [(one.name, one.levelname) for one in caplog.records] == [("cms", "WARNING")]


def test_a6_what_a_message_hook_raises_stops_nothing(where: Dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(where["config_dir"] / "pipe")
    raised: List[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)

    def hook(_level: int, _text: str) -> None:
        raise ValueError("not today")

    store = cms.open(on_message=hook)
    assert list(store) == ["firewall", "network", "system"]
    assert [str(one.exc_value) for one in raised] == ["not today"]
    # A transaction goes on when the store is gone, and its hook with it.
    txn = store.transaction()
    del store
    with txn:
        txn["network.lan.mtu"] = 1400
    assert cms.get("network.lan.mtu") == "1400"
