"""The mapping protocol of stores, snapshots, transactions, packages and sections, compared with dicts; copies,
equality, pickling."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, Iterator, List, Union

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import cms

Model = Dict[str, Dict[str, Dict[str, Union[str, List[str]]]]]

MODEL: Model = {
    "network": {
        "lan": {"device": "br-lan", "proto": "static", "dns": ["1.1.1.1", "8.8.8.8"]},
        "wan": {"proto": "dhcp"},
    },
    "system": {"one": {"hostname": "one"}},
}
TEXTS = {
    "network": "config interface 'lan'\n\toption device 'br-lan'\n\toption proto 'static'\n\tlist dns '1.1.1.1'\n"
    "\tlist dns '8.8.8.8'\n\nconfig interface 'wan'\n\toption proto 'dhcp'\n",
    "system": "config system 'one'\n\toption hostname 'one'\n",
}


def write(directory: Path) -> None:
    directory.mkdir(parents=True)
    for package, text in TEXTS.items():
        (directory / package).write_text(text)


def opened(directory: Path) -> cms.Store:
    write(directory / "config")
    named = {f"{name}_dir": directory / name for name in ("config", "save", "run", "state")}
    return cms.open(named.pop("config_dir"), **named, source="tests")  # type: ignore[arg-type]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[cms.Store]:
    with opened(tmp_path / "plain") as store:
        yield store


@pytest.fixture(params=["store", "snapshot", "transaction"])
def root(request: pytest.FixtureRequest, plain: cms.Store) -> Any:
    return {"store": lambda: plain, "snapshot": plain.snapshot, "transaction": plain.transaction}[request.param]()


def compare(found: Any, model: Any) -> None:
    """Compares every method of a mapping with that of a dict."""
    assert isinstance(found, Mapping)
    assert list(found) == list(found.keys()) == list(model)
    assert len(found) == len(model)
    assert list(found.values()) == list(model.values())
    assert list(found.items()) == list(model.items())
    assert dict(found) == model
    assert {**found} == model
    assert list(reversed(list(found))) == list(reversed(model))
    for key in [*model, "nono"]:
        assert (key in found) == (key in model)
        assert found.get(key) == model.get(key)
        assert found.get(key, None) == model.get(key, None)
        missing = object()
        assert (found.get(key, missing) is missing) == (key not in model)
        assert (key in found.keys()) == (key in model)  # noqa: SIM118
    for key, value in model.items():
        assert found[key] == value
        assert (key, value) in found.items()
        assert value in found.values()
    with pytest.raises(KeyError):
        found["nono"]
    assert found.keys() == model.keys()
    assert found.keys() | {"x"} == model.keys() | {"x"}
    assert bool(found)


def test_each_level_is_a_mapping_like_a_dict(root: Any) -> None:
    compare(root, MODEL)
    for package, sections in MODEL.items():
        compare(root[package], sections)
        for section, options in sections.items():
            compare(root[package][section], options)
            assert root[f"{package}.{section}"] == root[package][section]


def test_what_can_be_changed_is_a_mutable_mapping_and_nothing_else_is(plain: cms.Store) -> None:
    with plain.snapshot() as snapshot:
        for fixed in (plain, snapshot, snapshot["network"], snapshot["network"]["lan"]):
            assert not isinstance(fixed, MutableMapping)
            with pytest.raises(TypeError):
                fixed["network"] = "x"  # type: ignore[index]
    txn = plain.transaction()
    for changing in (txn, txn["network"], txn["network"]["lan"]):
        assert isinstance(changing, MutableMapping)
    txn.rollback()


def test_sections_and_packages_are_equal_by_content_and_handles_by_identity(plain: cms.Store) -> None:
    with plain.snapshot() as one, plain.snapshot() as other:
        assert one["network"] == other["network"] == MODEL["network"]
        assert one["network"]["lan"] == other["network"]["lan"] == MODEL["network"]["lan"]
        assert one["network"]["lan"] != one["network"]["wan"]
        assert one["network"]["lan"] != "lan"
        assert hash(one["network"]) == hash(other["network"])
        assert len({one["network"]["lan"], other["network"]["lan"], one["network"]["wan"]}) == 2
        assert one != other
        assert one == one
        assert len({one, other, plain}) == 3
    txn = plain.transaction()
    assert txn["network"]["lan"] == MODEL["network"]["lan"]
    for changing in (txn["network"], txn["network"]["lan"]):
        with pytest.raises(TypeError, match="unhashable"):
            hash(changing)
    assert len({txn}) == 1
    txn.rollback()


def test_copies_and_pickles_hold_their_values_themselves(plain: cms.Store) -> None:
    with plain.snapshot() as snapshot:
        package, section = snapshot["network"], snapshot["network.lan"]
        ways: List[Callable[[Any], Any]] = [
            copy.copy,
            copy.deepcopy,
            lambda one: one.copy(),
            lambda one: pickle.loads(pickle.dumps(one)),
        ]
        copies = [(make(package), make(section)) for make in ways]
        with plain.transaction() as txn:
            copies.append((txn["network"].copy(), txn["network.lan"].copy()))
            txn["network.lan.proto"] = "dhcp"
    plain.close()
    for copied, of_section in copies:
        compare(copied, MODEL["network"])
        compare(of_section, MODEL["network"]["lan"])
        assert type(copied) is cms.Package
        assert type(of_section) is cms.Section
        assert (of_section.name, of_section.type, of_section.key, of_section.anonymous) == (
            "lan", "interface", "network.lan", False,
        )  # fmt: skip
        assert copied["lan.dns"] == ["1.1.1.1", "8.8.8.8"]
        assert copied["@interface[-1].proto"] == "dhcp"
        assert copied["@interface[proto=dhcp]"].name == "wan"
        assert copied["@interface[1]"].name == "wan"
        assert "@interface[7]" not in copied
        assert of_section.get("mtu", 1500) == 1500
        assert of_section.list("proto") == ["static"]
        of_section["dns"].append("mine")
        assert of_section["dns"] == ["1.1.1.1", "8.8.8.8"]


def test_changes_and_errors_survive_pickling(plain: cms.Store) -> None:
    revision = plain.set("network.lan.mtu", 1400)
    entry = next(plain.history())
    assert pickle.loads(pickle.dumps(entry)) == entry == copy.deepcopy(entry)
    assert entry.revision == revision
    assert {entry.changes[0]: 1}
    with pytest.raises(cms.WrongType) as caught:
        plain.get("network.lan.proto", 7)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.key, again.value) == (str(caught.value), "network.lan.proto", "static")
    with pytest.raises(cms.Conflict) as conflict, plain.transaction() as txn:
        txn["network.lan.mtu"] = 1
        plain.set("network.lan.mtu", 2)
    again = pickle.loads(pickle.dumps(conflict.value))
    assert (again.key, again.mine, again.theirs) == ("network.lan.mtu", "1", "2")


def test_reprs_say_what_an_object_is(plain: cms.Store) -> None:
    assert repr(plain).startswith("<cms.Store '/")
    assert repr(plain["network"]) == "<cms.Package network>"
    assert repr(plain["network.lan"]) == "<cms.Section network.lan (interface)>"
    with plain.snapshot() as snapshot:
        assert repr(snapshot) == f"<cms.Snapshot of revision {snapshot.revision}>"
    assert repr(snapshot) == "<cms.Snapshot, closed>"
    with plain.transaction() as txn:
        txn["network.lan.mtu"] = 1
        assert repr(txn) == "<cms.Transaction, changes: 1>"
    assert repr(txn) == "<cms.Transaction, is committed>"
    assert repr(plain.key("network.lan.mtu")) == "<cms.Key network.lan.mtu>"


def test_pya17_options_are_no_attributes(plain: cms.Store) -> None:
    with pytest.raises(AttributeError):
        plain.network  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError):
        plain["network.lan"].mtu = 1400


def test_a_conflict_has_both_values(plain: cms.Store) -> None:
    def conflict(mine: Any, theirs: Any, key: str = "network.lan.dns", read: bool = False) -> cms.Conflict:
        with pytest.raises(cms.Conflict) as caught, plain.transaction() as txn:
            if read:
                txn.get(key)
                txn["system.one.x"] = "changed"
            elif mine is None:
                del txn[key]
            else:
                txn[key] = mine
            if theirs is None:
                plain.delete(key)
            else:
                plain.set(key, theirs)
        assert caught.value.key == key
        return caught.value

    for mine, theirs in ((["a"], ["b"]), ("a", ["c"]), (["d"], "e"), (None, "f"), ("g", None)):
        error = conflict(mine, theirs)
        assert (error.mine, error.theirs) == (mine, theirs)
    plain.set("network.lan.dns", "seen")
    error = conflict("", "changed", read=True)
    assert (error.mine, error.theirs) == ("seen", "changed")


NAMES = st.sampled_from(["a", "b", "c"])
# What a text may hold: see cms_txn_set. An option has no empty string and no empty list.
ITEMS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=5)
VALUES = st.one_of(ITEMS.filter(bool), st.lists(ITEMS, min_size=1, max_size=4))


class Changes(RuleBasedStateMachine):
    """A section of a transaction beside a dict, with all methods that change."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.store = opened(Path(self.directory.name) / "store")
        self.begin()
        self.model: Dict[str, Any] = dict(MODEL["network"]["lan"])

    def begin(self) -> None:
        self.txn = self.store.transaction()
        self.section = self.txn["network"]["lan"]

    def teardown(self) -> None:
        self.txn.close()
        self.store.close()
        self.directory.cleanup()

    @rule(name=NAMES, value=VALUES)
    def set(self, name: str, value: Any) -> None:
        self.section[name] = self.model[name] = value

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in self.model:
            del self.section[name], self.model[name]
        else:
            with pytest.raises(KeyError):
                del self.section[name]

    @rule(name=NAMES, value=VALUES)
    def setdefault(self, name: str, value: Any) -> None:
        # As in a dict, but the value has the type of the default.
        expected = self.model.setdefault(name, value)
        if type(expected) is type(value):
            assert self.section.setdefault(name, value) == expected

    @rule(name=NAMES)
    def pop(self, name: str) -> None:
        assert self.section.pop(name, None) == self.model.pop(name, None)

    @precondition(lambda self: self.model)
    @rule()
    def popitem(self) -> None:
        name, value = self.section.popitem()
        assert self.model.pop(name) == value

    @rule(values=st.dictionaries(NAMES, VALUES, max_size=3))
    def update(self, values: Dict[str, Any]) -> None:
        self.section.update(values)
        self.model.update(values)

    @rule()
    def clear(self) -> None:
        self.section.clear()
        self.model.clear()

    @rule(values=st.dictionaries(NAMES, VALUES, max_size=3))
    def replace(self, values: Dict[str, Any]) -> None:
        self.txn["network"]["lan"] = values
        self.model = dict(values)

    @rule()
    def commit(self) -> None:
        self.txn.commit()
        assert self.store["network"]["lan"] == self.model
        self.begin()

    @invariant()
    def is_the_same(self) -> None:
        # A dict keeps the order of insertion, and so does a section; but assigning a whole one keeps what is there.
        assert self.section == self.model
        assert len(self.section) == len(self.model)
        assert set(self.section) == set(self.model)


Changes.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
TestChanges = Changes.TestCase


def test_packages_of_a_transaction_change_like_dicts(plain: cms.Store) -> None:
    with plain.transaction() as txn:
        network = txn["network"]
        network["guest"] = "interface"
        network["guest"]["proto"] = "static"
        assert network["guest"].type == "interface"
        assert network.pop("guest") == {"proto": "static"}
        assert network.pop("guest", "none") == "none"
        with pytest.raises(KeyError):
            network.pop("guest")
        with pytest.raises(KeyError):
            del network["guest"]
        network["copy"] = network["lan"]
        assert network["copy"] == network["lan"]
        assert network["copy"].type == "interface"
        with pytest.raises(TypeError, match="no type"):
            network["nono"] = {"proto": "static"}
        assert txn.pop("network.lan.proto") == "static"
        assert txn.setdefault("network.lan.mtu", 1500) == 1500
        txn.update({"network.lan.mtu": 1400, "network.wan.proto": "static"})
        assert txn.setdefault("network.lan.mtu", 1500) == 1400
    assert list(plain["network"]) == ["lan", "wan", "copy"]
    assert plain["network.wan.proto"] == "static"


def test_a_transaction_makes_replaces_and_deletes_packages(plain: cms.Store, tmp_path: Path) -> None:
    with plain.transaction() as txn:
        txn.add_package("made")
        assert txn["made"] == {}
        txn["made.a"] = "b"
        txn["copy"] = txn["network"]
        assert list(txn) == ["copy", "made", "network", "system"]
        assert txn.pop("system") == MODEL["system"]
        assert "system" not in txn
        with pytest.raises(KeyError):
            del txn["system"]
        with pytest.raises(cms.Exists):
            txn.add_package("network")
    assert dict(plain) == {"copy": MODEL["network"], "made": {"a": {}}, "network": MODEL["network"]}
    assert not (tmp_path / "plain" / "config" / "system").exists()
    plain.undo()
    compare(plain, MODEL)
    with plain.transaction() as txn:
        name, package = txn.popitem()
        assert (name, package) == ("network", MODEL["network"])
        txn["system"] = package
        txn["system"] = {"lan": package["lan"], "wan": {"proto": "none"}}
        assert list(txn["system"]) == ["lan", "wan"]
        txn.clear()
        assert dict(txn) == {}
    assert len(plain) == 0
    plain.undo()
    plain.add_package("made")
    assert plain["made"] == {}
    plain.delete("made")
    compare(plain, MODEL)


@given(value=st.binary(max_size=40))
@settings(deadline=None, suppress_health_check=list(HealthCheck), database=None, max_examples=300)
def test_what_is_read_can_be_written_back_for_every_value(shared: cms.Store, value: bytes) -> None:
    """Bytes that a value may have (see cms_txn_set) come back as they are, from every reader, as strings and in lists;
    others are refused, and nothing is changed."""
    controls = {*range(32)} - {9, 10, 13}
    if not controls.isdisjoint(value):
        before = shared.snapshot()
        with pytest.raises(cms.Invalid):
            shared.set("network.lan.odd", value)
        with pytest.raises(cms.Invalid):
            shared.set("network.lan.odd", [b"x", value])
        assert shared.revision == before.revision
        return
    for wanted in (value, [value], [b"x", value, b""]):
        shared.set("network.lan.odd", wanted)
        with shared.snapshot() as snapshot, shared.transaction() as txn:
            readers = (shared, snapshot, txn)
            found = [reader.get("network.lan.odd") for reader in readers]
            found += [reader.section("network.lan").get("odd") for reader in readers]
            found += [shared.key("network.lan.odd").get(), snapshot["network"]["lan"].copy().get("odd")]
            if wanted == b"":
                assert found == [None] * len(found)
                continue
            assert all(one == found[0] for one in found)
            kind: Any = bytes if isinstance(wanted, bytes) else List[bytes]
            assert shared.get("network.lan.odd", type=kind) == wanted
            txn["network.lan.odd"] = found[0]
            assert txn.count == 0
            txn["network.lan.again"] = found[0]
        assert shared["network.lan.again"] == found[0]
        assert shared.get("network.lan.again", type=kind) == wanted


@given(value=st.binary(min_size=1, max_size=40).map(lambda value: value.replace(b"\0", b"x")))
@settings(deadline=None, suppress_health_check=list(HealthCheck), database=None, max_examples=100)
def test_what_a_text_holds_already_can_be_set_again(shared: cms.Store, value: bytes) -> None:
    """Control characters too, which no program can write anew."""
    quoted = b"'" + value.replace(b"'", b"'\\''") + b"'"
    path = Path(str(shared).split("'")[1]) / "odd"
    beside = path.with_name(".odd.new")
    beside.write_bytes(b"config a 's'\n\toption o " + quoted + b"\n\tlist l " + quoted + b"\n")
    beside.replace(path)
    shared.refresh()
    assert shared.get("odd.s.o", type=bytes) == value
    found, items = shared["odd.s.o"], shared["odd.s.l"]
    assert items == [found]
    with shared.transaction() as txn:
        txn["odd.s.o"], txn["odd.s.l"] = found, items
        txn["odd.s"] = {"o": found, "l": items}
        assert txn.count == 0
    with shared.transaction() as txn:
        txn["odd.s.o"] = shared.get("odd.s.o", type=bytes)
        assert txn.count == 0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cms.Store]:
    with opened(tmp_path_factory.mktemp("shared") / "store") as store:
        yield store
