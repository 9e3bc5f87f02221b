"""M29: a read has the type of `type`, else that of its default; a value of another type is an error that names it."""

from __future__ import annotations

import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, auto
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, ip_address, ip_network
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Callable,
    Dict,
    FrozenSet,
    List,
    Literal,
    Mapping,
    NewType,
    Optional,
    Sequence,
    Set,
    Tuple,
    Union,
)
from uuid import UUID

import pytest

import cms
from cms._duration import duration, seconds

Port = NewType("Port", int)


class Proto(Enum):
    STATIC = "static"
    DHCP = "dhcp"


class Level(IntEnum):
    LOW = 1
    HIGH = 16


class Shape(Enum):
    ROUND = (1, 2)
    FLAT = (3, 4)


class Access(Flag):
    READ = auto()
    WRITE = auto()


@pytest.fixture(params=["store", "snapshot", "section", "transaction", "key", "module"])
def get(request: pytest.FixtureRequest, store: cms.Store) -> Callable[..., Any]:
    """Each way to read the options of network.lan, by their names."""
    way = request.param
    if way == "key":
        return lambda name, *rest, **named: store.key(f"network.lan.{name}").get(*rest, **named)
    if way == "module":
        return lambda name, *rest, **named: cms.get(f"network.lan.{name}", *rest, **named)

    def read(name: str, *rest: Any, **named: Any) -> Any:
        if way == "section":
            return store.section("network.lan").get(name, *rest, **named)
        root = {"store": lambda: store, "snapshot": store.snapshot, "transaction": store.transaction}[way]()
        return root.get(f"network.lan.{name}", *rest, **named)

    return read


def test_m29_the_type_follows_the_default(store: cms.Store, get: Callable[..., Any]) -> None:
    store.set("network.lan.mtu", 1400)
    store.set("network.lan.ratio", 1.5)
    store.set("network.lan.up", "on")
    store.set("network.lan.ports", [80, 443])
    store.set("network.lan.lease", "12h")
    for name, default, value in (
        ("mtu", 1500, 1400),
        ("mtu", 0.5, 1400.0),
        ("mtu", "1500", "1400"),
        ("mtu", b"", b"1400"),
        ("mtu", None, "1400"),
        ("ratio", 1.0, 1.5),
        ("up", False, True),
        ("ports", [1], [80, 443]),
        ("ports", [], ["80", "443"]),
        ("ports", (1,), (80, 443)),
        ("ports", {1}, {80, 443}),
        ("ports", frozenset([1]), frozenset([80, 443])),
        ("mtu", [1], [1400]),
        ("ipaddr", IPv4Address("0.0.0.0"), IPv4Address("192.168.1.1")),
        ("proto", Proto.DHCP, Proto.STATIC),
        ("device", Path("/dev"), Path("br-lan")),
        ("lease", timedelta(0), timedelta(hours=12)),
        ("mtu", Decimal(1), Decimal(1400)),
        ("dns", [IPv4Address("9.9.9.9")], [IPv4Address("1.1.1.1"), IPv4Address("8.8.8.8")]),
    ):
        found = get(name, default)
        assert found == value, (name, default)
        assert type(found) is type(value), (name, default)
        assert get("nono", default) is default
    untyped = object()
    assert get("dns", untyped) == ["1.1.1.1", "8.8.8.8"]
    assert get("nono", untyped) is untyped


def test_m29_what_could_not_be_read_back_is_not_written(store: cms.Store) -> None:
    revision = store.revision
    for value in (object(), object, print, lambda: 1, 1j, None, {}, [[1]], [object()]):
        with pytest.raises(TypeError, match="a value is text, bytes, a number or a truth value, not"):
            store.set("network.lan.mtu", value)
    for number in (float("nan"), float("inf"), -float("inf"), Decimal("nan"), Decimal("-inf")):
        with pytest.raises(cms.Invalid, match="not a finite decimal number"):
            store.set("network.lan.mtu", number)
    assert store.revision == revision


def test_m29_type_comes_before_the_default(store: cms.Store, get: Callable[..., Any]) -> None:
    store.set("network.lan.mtu", 1400)
    assert get("mtu", "none", type=int) == 1400
    assert get("nono", "none", type=int) == "none"
    assert get("nono", type=int) is None


CASES: List[Tuple[Any, Any, Any]] = [
    ("7", int, 7),
    ("0x1F", int, 31),
    ("enabled", bool, True),
    ("1.5", float, 1.5),
    ("text", bytes, b"text"),
    ("64k", cms.size, 65536),
    (["1", "2"], List[int], [1, 2]),
    ("1", List[int], [1]),
    (["1", "2"], list, ["1", "2"]),
    (["1", "2"], Sequence[int], [1, 2]),
    (["1", "2"], Tuple[int, ...], (1, 2)),
    (["1", "on"], Tuple[int, bool], (1, True)),
    (["1", "2"], Set[int], {1, 2}),
    (["1", "2"], FrozenSet[int], frozenset([1, 2])),
    (["on", "off"], List[bool], [True, False]),
    ("7", Optional[int], 7),
    (["7"], Optional[List[int]], [7]),
    ("7", Union[int, bool], 7),
    ("on", Union[int, bool], True),
    ("auto", Union[int, Literal["auto"]], "auto"),
    ("auto", Literal["auto", "off"], "auto"),
    ("2", Literal[1, 2], 2),
    ("0x2", Literal[1, 2], 2),
    ("off", Literal[False, "maybe"], False),
    ("dhcp", Proto, Proto.DHCP),
    ("16", Level, Level.HIGH),
    ("FLAT", Shape, Shape.FLAT),
    ("3", Access, Access.READ | Access.WRITE),
    ("/etc/config", Path, Path("/etc/config")),
    ("/etc/config", PurePosixPath, PurePosixPath("/etc/config")),
    ("10.0.0.1", IPv4Address, IPv4Address("10.0.0.1")),
    ("fe80::1", IPv6Address, IPv6Address("fe80::1")),
    ("fe80::1", ip_address, IPv6Address("fe80::1")),
    ("10.0.0.0/8", IPv4Network, IPv4Network("10.0.0.0/8")),
    ("10.0.0.0/8", ip_network, IPv4Network("10.0.0.0/8")),
    ("10.0.0.1/8", IPv4Interface, IPv4Interface("10.0.0.1/8")),
    (["10.0.0.1", "fe80::1"], List[Union[IPv4Address, IPv6Address]], [IPv4Address("10.0.0.1"), IPv6Address("fe80::1")]),
    ("90", timedelta, timedelta(seconds=90)),
    ("1h30m", timedelta, timedelta(minutes=90)),
    ("2026-11-28", date, date(2026, 11, 28)),
    ("2026-11-28T20:15:00", datetime, datetime(2026, 11, 28, 20, 15)),
    ("20:15:00", time, time(20, 15)),
    ("1.10", Decimal, Decimal("1.10")),
    ("12345678-1234-5678-1234-567812345678", UUID, UUID("12345678-1234-5678-1234-567812345678")),
    ("7", Annotated[int, ["not hashable"]], 7),
    (["7"], List[Annotated[int, ["not hashable"]]], [7]),
    ("7", Port, 7),
    (["1", "2"], Any, ["1", "2"]),
    ("text", str.upper, "TEXT"),
]


@pytest.mark.parametrize(("written", "kind", "value"), CASES, ids=[str(case[1]) for case in CASES])
def test_m29_each_type_is_read_and_written_back(store: cms.Store, written: Any, kind: Any, value: Any) -> None:
    store.set("network.lan.x", written)
    found = store.get("network.lan.x", type=kind)
    assert found == value
    assert type(found) is type(value)
    store.set("network.lan.y", value)
    assert store.get("network.lan.y", type=kind) == value


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 has no `int | None`")
def test_m29_types_are_written_in_the_new_way_too(store: cms.Store) -> None:
    store.set("network.lan.x", 7)
    assert store.get("network.lan.x", type=eval("int | None")) == 7
    assert store.get("network.lan.x", type=eval("list[int] | None")) == [7]
    assert store.get("network.lan.dns", type=list[IPv4Address], default=[])[0] == IPv4Address("1.1.1.1")


@pytest.mark.parametrize(
    ("written", "kind", "why"),
    [
        ("much", int, "'much' is not a whole number"),
        ("maybe", bool, "'maybe' is not one of 1, on"),
        ("1,5", float, "'1,5' is not a finite"),
        ("1,5", Decimal, "'1,5' is not a finite"),
        ("x", Optional[int], "'x' is not a whole number"),
        ("x", Union[int, bool], r"'x' is not Union\[int, bool\]"),
        ("x", Literal["a", "b"], "'x' is not one of a, b"),
        ("x", Proto, "'x' is not one of static, dhcp"),
        ("9", Level, "'9' is not one of 1, 16"),
        ("9", Access, "'9' is not one of 1, 2"),
        (["1", "x"], List[int], "'x' is not a whole number"),
        (["1"], Tuple[int, int], r"has 1 items, not 2"),
        (["1", "2"], int, "is a list"),
        (["1", "2"], timedelta, "is a list"),
        (["a"], Literal["a"], "is a list"),
        ("soon", timedelta, "'soon' is not a duration"),
        ("1h ", timedelta, "'1h ' is not a duration"),
        ("9" * 20, timedelta, "is longer than"),
        ("300.1.1.1", IPv4Address, "300.1.1.1"),
        ("10.0.0.1/8", IPv4Network, "host bits set"),
        ("yesterday", date, "yesterday"),
    ],
)
def test_m29_a_value_of_another_type_is_an_error_that_names_it(
    store: cms.Store, where: Dict[str, Path], get: Callable[..., Any], written: Any, kind: Any, why: str
) -> None:
    store.set("network.lan.x", written)
    with pytest.raises(cms.WrongType, match=why) as caught:
        get("x", type=kind)
    error = caught.value
    assert (error.key, error.value) == ("network.lan.x", written)
    path = where["config_dir"] / "network"
    assert error.file == str(path)
    assert path.read_text().splitlines()[error.line - 1].split()[1] == "x"
    assert str(error).startswith("network.lan.x: ")
    assert f" ({path}:{error.line})" in str(error)


def test_m29_a_default_of_another_type_is_an_error_too(store: cms.Store, get: Callable[..., Any]) -> None:
    with pytest.raises(cms.WrongType, match="'static' is not a whole number"):
        get("proto", 1500)
    with pytest.raises(cms.WrongType, match="is a list"):
        get("dns", "9.9.9.9")


def test_m29_sections_become_dicts(store: cms.Store) -> None:
    store.set("network.wan.mtu", 1400)
    assert store.get("network.wan", type=dict) == {"proto": "dhcp", "mtu": "1400"}
    del_proto = store.transaction()
    del del_proto["network.wan.proto"]
    del_proto.commit()
    assert store.get("network.wan", type=Dict[str, int]) == {"mtu": 1400}
    assert store.get("network.wan", type=Mapping[str, int]) == {"mtu": 1400}
    assert store.get("network", type=Dict[str, Dict[str, Any]], default={})["wan"] == {"mtu": "1400"}
    with pytest.raises(cms.WrongType, match=r"network\.wan: is a section, not an option"):
        store.get("network.wan", 7)
    with pytest.raises(cms.WrongType, match="network: is a package, not an option"):
        store.get("network", type=int)


def test_m29_a_transaction_reads_like_a_store(store: cms.Store) -> None:
    with store.transaction() as txn:
        assert "network.lan.ipaddr" in txn
        assert "network.lan.mtu" not in txn
        assert "network.lan" in txn
        assert "network" in txn
        assert "nono" not in txn
        assert 7 not in txn  # type: ignore[comparison-overlap]
        assert txn.get("network.lan.mtu") is None
        assert txn.get("network.lan.mtu", 1500) == 1500
        txn["network.lan.mtu"] = 1400
        assert txn.get("network.lan.mtu", 1500) == 1400
        assert "network.lan.mtu" in txn
        assert txn.get("network.lan.dns", type=List[IPv4Address], default=[])[0] == IPv4Address("1.1.1.1")
        with pytest.raises(cms.NotFound):
            txn["network.lan.nono"]


def test_m29_get_without_a_configuration_directory_returns_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIG", "SAVE", "RUN", "STATE"):
        monkeypatch.setenv(f"CMS_{name}_DIR", str(tmp_path / "none" / name.lower()))
    assert cms.get("network.lan.mtu", 1500) == 1500
    assert cms.get("network.lan.mtu") is None
    assert cms.get("network.lan.mtu", type=int) is None
    assert cms.get("network.lan", 7) == 7
    assert cms.get("network", None) is None
    assert not (tmp_path / "none").exists()


def test_durations_are_read_with_units_and_written_in_seconds() -> None:
    for text, span in (
        ("0", timedelta(0)),
        ("-5", timedelta(seconds=-5)),
        ("1.5", timedelta(milliseconds=1500)),
        ("250ms", timedelta(milliseconds=250)),
        ("1d 2h 3min 4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("1.5 h", timedelta(minutes=90)),
        ("2w", timedelta(weeks=2)),
    ):
        assert duration(text) == span
        assert duration(seconds(span)) == span
    for span in (timedelta.max, timedelta.min, timedelta(microseconds=1), timedelta(microseconds=-1)):
        assert duration(seconds(span)) == span
    for text in ("", "h", "1x", "1h2", "1 h 2", "1h  2m", "1e3", "\u0661", "1h-2m"):
        with pytest.raises(ValueError, match="not a duration"):
            duration(text)
