"""Dataclasses: `load`, `save` and `bind`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from queue import Queue
from typing import Any, Callable, ClassVar, Dict, List, Literal, Optional, Tuple

import pytest

import cms


class Target(Enum):
    ACCEPT = "ACCEPT"
    DROP = "DROP"


@dataclass
class Rule:
    name: str
    target: Target
    icmp_type: List[str] = field(default_factory=list)
    enabled: bool = True


@dataclass
class Lan:
    cms_key: ClassVar[str] = "network.lan"
    cms_type: ClassVar[str] = "interface"
    ipaddr: IPv4Address
    netmask: str
    proto: Literal["static", "dhcp"]
    dns: List[IPv4Address]
    device: Optional[Path] = None
    mtu: int = 1500
    lease: timedelta = timedelta(hours=12)
    up_: bool = field(default=True, metadata={"cms": "auto"})


@dataclass
class Wan:
    cms_type: ClassVar[str] = "interface"
    proto: str
    mtu: Optional[int] = None


@dataclass
class Route:
    target: IPv4Network
    metric: int = 0


@dataclass
class Network:
    cms_key: ClassVar[str] = "network"
    lan: Lan
    wan: Wan
    guest: Optional[Wan] = None
    route: List[Route] = field(default_factory=list)


@dataclass
class Everything:
    network: Network
    rules: Tuple[Rule, ...] = field(metadata={"cms": "firewall.rule"})
    hostname: str = field(metadata={"cms": "system.@system[0].hostname"})
    interfaces: Dict[str, Wan] = field(metadata={"cms": "network.interface"})
    log_size: Optional[str] = field(default=None, metadata={"cms": "system.@system[0].log_size"})


def text(where: Dict[str, Path], package: str) -> str:
    return (where["config_dir"] / package).read_text()


LAN = Lan(
    IPv4Address("192.168.1.1"),
    "255.255.255.0",
    "static",
    [IPv4Address("1.1.1.1"), IPv4Address("8.8.8.8")],
    Path("br-lan"),
)


def test_a_section_fills_a_dataclass(store: cms.Store) -> None:
    assert store.load(Lan) == LAN
    assert store.load(Lan, "network.lan") == LAN
    assert store.get("network.lan", type=Lan) == LAN
    assert store.section("network.lan").get("proto") == LAN.proto
    with store.snapshot() as snapshot:
        assert snapshot.load(Lan) == LAN
    with store.transaction() as txn:
        txn["network.lan.auto"] = "off"
        txn["network.lan.lease"] = "30m"
        changed = txn.load(Lan)
        assert (changed.up_, changed.lease) == (False, timedelta(minutes=30))
    assert store.load(Lan) == changed


def test_a_package_and_the_whole_store_fill_nested_dataclasses(store: cms.Store) -> None:
    network = store.load(Network)
    assert network == Network(LAN, Wan("dhcp"), None, [Route(IPv4Network("10.0.0.0/8"))])
    everything = store.load(Everything)
    assert everything.network == network
    assert everything.rules == (
        Rule("Allow-DHCP-Renew", Target.ACCEPT),
        Rule("Allow-Ping", Target.ACCEPT, ["echo-request"]),
    )
    assert (everything.hostname, everything.log_size) == ("one", "64k")
    assert everything.interfaces == {"lan": Wan("static"), "wan": Wan("dhcp")}


def test_all_faults_are_told_at_once_each_with_its_place(store: cms.Store, where: Dict[str, Path]) -> None:
    with store.transaction() as txn:
        txn["network.lan.mtu"] = "much"
        txn["network.lan.proto"] = "pppoe"
        txn["network.lan.dns"] = ["1.1.1.1", "dns.example"]
        txn["network.wan.mtu"] = "more"
        txn["network.@route[0].metric"] = "far"
        del txn["network.lan.netmask"]
    with pytest.raises(cms.LoadError) as caught:
        store.load(Network)
    error = caught.value
    assert [fault.key for fault in error.errors] == [
        "network.lan.netmask",
        "network.lan.proto",
        "network.lan.dns",
        "network.lan.mtu",
        "network.wan.mtu",
        f"{store.section('network.@route[0]').key}.metric",
    ]
    assert str(error).startswith("6 values do not fit Network:\n  network.lan.netmask: not found")
    assert "\n  network.lan.mtu: 'much' is not a whole number" in str(error)
    assert isinstance(error, cms.WrongType)
    path = where["config_dir"] / "network"
    lines = path.read_text().splitlines()
    for fault in error.errors:
        assert fault.file == str(path)
        assert f"({path}:{fault.line})" in str(fault)
        option = fault.key.rpartition(".")[2]
        assert lines[fault.line - 1].split()[1] in (option, "interface"), fault
    assert error.line == error.errors[0].line


def test_one_fault_is_told_in_one_line(store: cms.Store) -> None:
    store.set("network.lan.mtu", "much")
    with pytest.raises(cms.LoadError, match=r"^network\.lan\.mtu: 'much' is not a whole number.*\(.*network:[0-9]+\)$"):
        store.load(Lan)


def test_what_a_dataclass_checks_itself_is_a_fault_of_its_section(store: cms.Store) -> None:
    @dataclass
    class Picky:
        ipaddr: str

        def __post_init__(self) -> None:
            raise ValueError("no address will do")

    with pytest.raises(cms.LoadError, match=r"network\.lan: no address will do") as caught:
        store.load(Picky, "network.lan")
    assert caught.value.errors[0].key == "network.lan"


def test_sections_that_are_missing_and_classes_that_cannot_be_are_named(store: cms.Store) -> None:
    with pytest.raises(cms.LoadError, match=r"network\.nono\.proto: not found"):
        store.load(Wan, "network.nono")
    with pytest.raises(TypeError, match="not a dataclass"):
        store.load(int, "network.lan")
    with pytest.raises(ValueError, match="a section, a package or the whole store"):
        store.load(Wan, "network.lan.proto")


def test_what_was_not_changed_writes_nothing(store: cms.Store, where: Dict[str, Path]) -> None:
    store.set("network.lan.auto", "enabled")
    store.set("network.lan.lease", "12h")
    before, revision = text(where, "network"), store.revision
    for key, instance in (
        ("", store.load(Everything)),
        ("network", store.load(Network)),
        ("network.lan", store.load(Lan)),
    ):
        with store.transaction() as txn:
            txn.save(instance, key)
            assert txn.count == 0
    assert (text(where, "network"), store.revision) == (before, revision)


def test_saving_makes_the_smallest_change(store: cms.Store, where: Dict[str, Path]) -> None:
    before = text(where, "network")
    lan = store.load(Lan)
    lan.ipaddr, lan.mtu, lan.up_ = IPv4Address("10.0.0.1"), 1400, False
    lan.lease = timedelta(minutes=90)
    lan.device = None
    lan.dns.pop(0)
    revision = store.save(lan, message="smaller")
    assert next(store.history()).message == "smaller"
    assert revision == store.revision
    assert store.load(Lan) == lan
    after = text(where, "network")
    assert after == (
        before.replace("\toption device 'br-lan'\n", "")
        .replace("192.168.1.1", "10.0.0.1")
        .replace("\tlist dns '1.1.1.1'\n", "")
        .replace(
            "\tlist dns '8.8.8.8'\n",
            "\tlist dns '8.8.8.8'\n\toption mtu '1400'\n\toption lease '5400'\n\toption auto '0'\n",
        )
    )


def test_lists_of_sections_are_saved_with_what_is_there(store: cms.Store, where: Dict[str, Path]) -> None:
    with store.transaction() as txn:
        txn["firewall.@rule[1].note"] = "options that the class does not know stay"
    everything = store.load(Everything)
    first, ping = everything.rules
    ssh, web = Rule("Allow-SSH", Target.DROP), Rule("Allow-Web", Target.ACCEPT, enabled=False)
    for rules in ((ssh, first, ping), (ssh, first, web, ping), (ping,), (), (ssh,), (first, ping, ssh, web)):
        everything.rules = rules
        store.save(everything, "")
        assert store.load(Everything) == everything
        if rules == (ping,):
            assert store["firewall.@rule[name=Allow-Ping].note"].startswith("options")
    everything.network.guest = Wan("static", 1280)
    everything.network.route = [Route(IPv4Network("10.1.0.0/16"), 5), *everything.network.route]
    everything.interfaces = {"lan": Wan("dhcp"), "guest": Wan("static", 1280), "wan": Wan("dhcp")}
    everything.network.lan.proto = "dhcp"
    store.save(everything, "")
    assert store.load(Everything) == everything
    assert store.section("network.guest").type == "interface"
    assert "# Comments of a person must stay." in text(where, "network")


def test_a_section_in_a_dict_is_saved_option_by_option(store: cms.Store, where: Dict[str, Path]) -> None:
    @dataclass
    class Interfaces:
        lan: Dict[str, Any]

    loaded, before = store.load(Interfaces, "network"), (where["config_dir"] / "network").read_text()
    store.save(loaded, "network")
    assert (where["config_dir"] / "network").read_text() == before, "nothing was changed"
    del loaded.lan["netmask"]
    loaded.lan.update(mtu=1400, dns=["1.1.1.1"])
    store.save(loaded, "network")
    assert store.load(Interfaces, "network").lan == {**loaded.lan, "mtu": "1400"}
    assert "network.lan.netmask" not in store and store.get("network.lan.dns", type=list) == ["1.1.1.1"]


def test_what_would_be_read_as_something_else_is_refused(store: cms.Store) -> None:
    @dataclass
    class Dns:
        dns: List[str] = field(default_factory=lambda: ["9.9.9.9"])
        proto: str = "none"

    dns = store.load(Dns, "network.lan")
    changes: List[Dict[str, Any]] = [{"dns": []}, {"proto": ""}, {"proto": None}]
    for change in changes:
        dns.__dict__.update(change)
        with pytest.raises(cms.Invalid, match="cannot be stored, since an option that does not exist is read as"):
            store.save(dns, "network.lan")
        dns = store.load(Dns, "network.lan")
    with pytest.raises(TypeError, match="cms_type"):
        store.save(Dns(), "network.nono")
    store.save(Wan("dhcp"), "network.made")
    assert store.load(Wan, "network.made") == Wan("dhcp")


def test_a_binding_follows_the_store(store: cms.Store, edit: Callable[[str, str], None]) -> None:
    changes: Queue[Wan] = Queue()
    errors: Queue[cms.Error] = Queue()
    with store.bind(Wan, "network.wan", on_change=changes.put, on_error=errors.put) as bound:
        assert bound.value == Wan("dhcp")
        assert repr(bound) == "<cms.Binding Wan(proto='dhcp', mtu=None)>"
        store.set("network.wan.mtu", 1400)
        assert changes.get(timeout=30) == bound.value == Wan("dhcp", 1400)
        store.set("network.lan.mtu", 1280)
        store.set("network.wan.mtu", "much")
        error = errors.get(timeout=30)
        assert isinstance(error, cms.LoadError)
        assert error.key == "network.wan.mtu"
        assert bound.value == Wan("dhcp", 1400)
        edit("network", "config interface 'wan'\n\toption proto 'static'\n")
        store.refresh()
        assert changes.get(timeout=30) == bound.value == Wan("static")
    store.set("network.wan.proto", "none")
    assert changes.empty()
    assert bound.value == Wan("static")


def test_a_binding_needs_a_state_that_fits_at_first(store: cms.Store) -> None:
    store.set("network.wan.mtu", "much")
    with pytest.raises(cms.LoadError):
        store.bind(Wan, "network.wan")
