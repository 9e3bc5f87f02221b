"""Changes: transactions, history, undo, errors."""

from __future__ import annotations

import copy
import inspect
import pickle
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

import cms


def text(where: Dict[str, Path], package: str) -> str:
    return (where["config_dir"] / package).read_text()


def test_a_block_commits_and_comments_stay(store: cms.Store, where: Dict[str, Path]) -> None:
    before = store.revision
    with store.transaction() as txn:
        txn["network.lan.ipaddr"] = "10.0.0.1"
        txn.set("system.@system[0].hostname", "two")
        assert store["network.lan.ipaddr"] == "192.168.1.1"
    assert store["network.lan.ipaddr"] == "10.0.0.1"
    assert store["system.@system[0].hostname"] == "two"
    assert txn.revision == store.revision > before
    assert "# Comments of a person must stay." in text(where, "network")
    assert "'10.0.0.1'\t# the printer knows this one" in text(where, "network")


def test_texts_may_come_later(where: Dict[str, Path]) -> None:
    with pytest.raises(cms.Invalid, match="full, log or none"):
        cms.open(durability="most")
    store = cms.open(durability="full,network=log", text_delay=3600)
    for value, put in ("10.0.0.1", store.flush), ("10.0.0.2", store.close):
        assert store["network.lan.ipaddr"] != value
        with store.transaction() as txn:
            txn["network.lan.ipaddr"] = value
        assert store["network.lan.ipaddr"] == value
        assert value not in text(where, "network")
        put()
        assert value in text(where, "network")


def test_an_exception_rolls_back(store: cms.Store, where: Dict[str, Path]) -> None:
    before = text(where, "network")
    with pytest.raises(ZeroDivisionError), store.transaction() as txn:
        txn["network.lan.ipaddr"] = "10.0.0.1"
        raise ZeroDivisionError
    assert text(where, "network") == before
    assert store["network.lan.ipaddr"] == "192.168.1.1"
    with pytest.raises(ValueError, match="rolled back"):
        txn["network.lan.ipaddr"] = "10.0.0.2"
    with pytest.raises(ValueError, match="not committed"):
        txn.revision  # noqa: B018


def test_a_change_that_cannot_be_made_leaves_the_others(store: cms.Store) -> None:
    with store.transaction() as txn:
        txn["network.lan.ipaddr"] = "10.0.0.1"
        with pytest.raises(cms.NotFound):
            txn["network.nowhere.proto"] = "static"
        with pytest.raises(cms.Invalid):
            txn["network.lan.bad name"] = "x"
    assert store["network.lan.ipaddr"] == "10.0.0.1"


def test_all_kinds_of_changes(store: cms.Store) -> None:
    with store.transaction() as txn:
        txn.add("network", "route", {"target": "10.9.0.0/16", "metric": 7, "on": True, "via": ["a", "b"]})
        txn.append("network.lan.dns", "9.9.9.9")
        txn.remove("network.lan.dns", "8.8.8.8")
        txn["network.guest"] = "interface"
        txn["network.guest.mtu"] = 1400
        txn.rename("network.wan", "uplink")
        txn.rename("network.lan.netmask", "mask")
        del txn["network.lan.device"]
        txn.reorder("network.guest", 0)
        txn.delete("firewall.@rule[0]")
    # Generated names shift when sections move.
    route = store.section("network.@route[metric=7]")
    assert route.to_dict() == {"target": "10.9.0.0/16", "metric": "7", "on": "1", "via": ["a", "b"]}
    assert store["network.lan"].to_dict() == {
        "proto": "static", "ipaddr": "192.168.1.1", "mask": "255.255.255.0", "dns": ["1.1.1.1", "9.9.9.9"],
    }  # fmt: skip
    assert list(store["network"])[:3] == ["guest", "lan", "uplink"]
    assert store["network.guest.mtu"] == "1400"
    assert len(store["firewall"]) == 1


def test_a_section_that_was_added_has_the_name_it_was_given(store: cms.Store) -> None:
    with store.transaction() as txn:
        name = txn.add("network", "route", {"target": "10.9.0.0/16"})
        txn[f"network.{name}.metric"] = 7
    assert store[f"network.{name}"].to_dict() == {"target": "10.9.0.0/16", "metric": "7"}
    assert store.section(f"network.{name}").anonymous


def test_a_list_takes_the_place_of_what_was_there(store: cms.Store) -> None:
    store.set("network.lan.dns", ["a"])
    assert store["network.lan.dns"] == ["a"]
    store.set("network.lan.ipaddr", ("b", 7))
    assert store["network.lan.ipaddr"] == ["b", "7"]
    store.set("network.lan.dns", [])
    assert "network.lan.dns" not in store
    store.set("network.lan.ipaddr", "")
    assert "network.lan.ipaddr" not in store


def test_what_is_no_value_is_refused(store: cms.Store) -> None:
    for value in (None, bytearray(b"bytes"), {"a": 1}, [None], [["a"]]):
        with pytest.raises(TypeError):
            store.set("network.lan.x", value)
    with pytest.raises(cms.Invalid):
        store.set("network.lan.x", "a\0b")
    with pytest.raises(ValueError, match="positions"), store.transaction() as txn:
        txn.reorder("network.lan", -1)


def test_a_transaction_ends_once(store: cms.Store) -> None:
    txn = store.begin()
    txn["network.lan.mtu"] = 1
    assert txn.commit() == store.revision
    for end in (txn.commit, txn.rollback):
        with pytest.raises(ValueError, match="committed"):
            end()
    with store.transaction() as txn:
        txn["network.lan.mtu"] = 2
        txn.rollback()
    assert store["network.lan.mtu"] == "1"


def test_a_name_in_use_is_exists(store: cms.Store) -> None:
    with pytest.raises(cms.Exists), store.transaction() as txn:
        txn.rename("network.lan", "wan")


def test_an_error_in_a_file_has_its_place(store: cms.Store, edit: Callable[[str, str], None]) -> None:
    edit("bad", "config a 'b'\n\toption c 'open\n")
    with pytest.raises(cms.ParseError) as caught:
        store["bad.b.c"]
    error = caught.value
    assert error.file.endswith("/config/bad")
    assert error.line == 2
    assert error.column > 0
    assert error.hint
    assert error.status == cms.Status.PARSE
    assert f"{error.file}:2" in str(error) or error.file in str(error)
    assert store["network.lan.ipaddr"] == "192.168.1.1"


def test_where_there_is_no_configuration_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(cms.NotFound, match="nowhere"):
        cms.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(cms.IoError) as caught:
        cms.open(tmp_path / "file")
    assert isinstance(caught.value, OSError)


def test_a_map_that_would_be_too_large_is_full(where: Dict[str, Path]) -> None:
    with cms.open(private=True, map_limit=5000) as store, pytest.raises(cms.Full):
        store.set("network.lan.long", "x" * 100_000)


def test_every_exception_survives_pickling_and_copying() -> None:
    kinds = [kind for _, kind in inspect.getmembers(cms, inspect.isclass) if issubclass(kind, cms.Error)]
    assert len(kinds) == 24
    for kind in kinds:
        error = kind("why", file="/etc/config/a", line=3, column=7, key="a.b.c", hint="do that")
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(again) is kind
            assert str(again) == str(error) == "why (do that)"
            assert (again.file, again.line, again.column, again.key) == ("/etc/config/a", 3, 7, "a.b.c")


def test_the_history_tells_who_changed_what(store: cms.Store, edit: Callable[[str, str], None]) -> None:
    store["network.lan.ipaddr"]
    first = store.set("network.lan.ipaddr", "10.0.0.1")
    second = store.set("network.lan.dns", ["9.9.9.9"])
    entries = list(store.history("network.lan"))
    assert [entry.revision for entry in entries if entry.by is cms.By.COMMIT] == [second, first]
    entry = next(store.history("network.lan.ipaddr", limit=1))
    assert (entry.revision, entry.source) == (first, "tests")
    assert entry.changes[0] == ("network.lan.ipaddr", cms.ChangeKind.SET, "192.168.1.1", "10.0.0.1", -1, -1)
    assert abs(entry.time - datetime.now(timezone.utc)) < timedelta(minutes=1)
    dns = next(store.history("network.lan.dns"))
    assert [(change.old, change.new) for change in dns.changes if change.key == "network.lan.dns"] == [
        (["1.1.1.1", "8.8.8.8"], ["9.9.9.9"])
    ]
    edit("system", "config system\n\toption hostname 'two'\n")
    assert next(store.history("system")).by is cms.By.EDIT


def test_undo_takes_one_back_and_rollback_all(store: cms.Store) -> None:
    start = store.set("network.lan.ipaddr", "10.0.0.1")
    changed = store.set("network.lan.proto", "dhcp")
    store.set("network.lan.mtu", 1400)
    undone = store.undo(changed, "not that")
    assert store["network.lan.proto"] == "static"
    assert store["network.lan.mtu"] == "1400"
    entry = next(store.history())
    assert (entry.revision, entry.by, entry.refers, entry.message) == (undone, cms.By.UNDO, changed, "not that")
    with pytest.raises(cms.Conflict):
        store.undo(changed)
    store.set("network.lan.mtu", 1300)
    store.undo()
    assert store["network.lan.mtu"] == "1400"
    assert store.get_at("network.lan.proto", changed) == "dhcp"
    assert store.get_at("network.lan.dns", "-1") == ["1.1.1.1", "8.8.8.8"]
    assert store.rollback(start) == store.revision
    assert "network.lan.mtu" not in store
    assert store.rollback(start) == 0
    with pytest.raises(cms.NotFound):
        store.rollback("nosuchlabel")


def test_labels_and_backups_bring_back_what_was(store: cms.Store, tmp_path: Path) -> None:
    store.create_archive("good")
    with pytest.raises(cms.Exists):
        store.create_archive("good")
    store.backup(tmp_path / "backup")
    for name in ("good", tmp_path / "backup"):
        store.set("network.lan.ipaddr", "10.0.0.1")
        assert store.restore(name) == store.revision
        assert store["network.lan.ipaddr"] == "192.168.1.1"
    assert store.find_revision("good") <= store.revision
    assert store.pending() is None
    with pytest.raises(cms.NotFound):
        store.confirm()


def test_snapshots_are_listed_and_deleted(store: cms.Store) -> None:
    assert store.archives() == []
    revision = store.create_archive("good")
    (info,) = store.archives()
    assert (info.label, info.revision, info.source, info.automatic) == ("good", revision, "tests", False)
    assert info.size > 100
    assert abs(info.time - datetime.now(timezone.utc)) < timedelta(minutes=1)
    store.set("network.lan.mtu", 1400)
    store.restore("good")
    assert [info.automatic for info in store.archives()] == [False, True]
    store.delete_archive("good")
    assert "good" not in [info.label for info in store.archives()]
    with pytest.raises(cms.NotFound):
        store.delete_archive("good")
    with pytest.raises(cms.Invalid):
        store.delete_archive("../good")


def test_blame_tells_where_each_line_comes_from(store: cms.Store, edit: Callable[[str, str], None]) -> None:
    with store.transaction("for the tunnel") as txn:
        txn["network.lan.mtu"] = 1400
    edit("network", store.text_at("network", "now") + "# by hand\n")
    lines = store.blame("network")
    assert lines[0] == ("# Comments of a person must stay.", None)
    entries = {line.text: line.entry for line in lines if line.entry}
    mtu, hand = entries["\toption mtu '1400'"], entries["# by hand"]
    assert (mtu.revision, mtu.message, mtu.by, mtu.changes) == (txn.revision, "for the tunnel", cms.By.COMMIT, [])
    assert hand.by is cms.By.EDIT
    assert len(entries) == 2
    with pytest.raises(cms.NotFound):
        store.blame("nowhere")


def test_texts_of_a_revision_and_what_has_changed_since(store: cms.Store, where: Dict[str, Path]) -> None:
    before = text(where, "network")
    assert store.text_at("network", 0) == before
    start = store.find_revision("now")
    revision = store.set("network.lan.mtu", 1400)
    store.set("network.lan.mtu", 1300)
    assert store.text_at("network", start) == before
    assert "\toption mtu '1400'\n" in store.text_at("network", revision)
    assert store.text_at("network", "now") == text(where, "network")
    assert store.changed_since(start) == ["network"]
    assert store.changed_since("now") == []
    long = "x" * 100_000
    revision = store.set("system.@system[0].long", long)
    store.set("system.@system[0].long", "y")
    assert long in store.text_at("system", revision)
    with pytest.raises(cms.NotFound):
        store.text_at("nowhere", revision)


def test_the_log_is_checked_and_mended(
    store: cms.Store, where: Dict[str, Path], edit: Callable[[str, str], None]
) -> None:
    revision = store.set("network.lan.mtu", 1400)
    good = store.check_log()
    assert (good.last, good.problems) == (revision, [])
    assert len(bytes.fromhex(good.chain)) > 0
    assert store.repair() == ([], [])
    edit("network", "config interface 'lan\n")
    # Reads continue to return the last good state.
    assert store["network.lan.mtu"] == "1400"
    with pytest.raises(cms.ParseError):
        store.refresh()
    assert store["network.lan.mtu"] == "1400"
    (repaired,) = store.repair().packages
    assert (repaired.package, repaired.text_revision) == ("network", revision)
    assert repaired.revision > revision
    assert store["network.lan.mtu"] == "1400"
    log = next(where["state_dir"].rglob("*.log"))
    log.write_bytes(log.read_bytes().replace(b"tests", b"other", 1))
    assert str(log) in store.check_log().problems[0]
    assert str(log) in store.repair().problems[0]
    assert store.check_log().problems == []
    assert store["network.lan.mtu"] == "1400"


def test_a_transaction_reads_its_own_changes_and_goes_back_to_savepoints(store: cms.Store) -> None:
    with store.transaction("the office moved") as txn:
        assert txn["network.lan.ipaddr"] == "192.168.1.1"
        txn["network.lan.ipaddr"] = "10.0.0.1"
        assert txn.get("network.lan.ipaddr") == "10.0.0.1"
        point = txn.savepoint()
        txn["network.lan.mtu"] = 1400
        assert txn.count == 2
        txn.rollback_to(point)
        assert (txn.count, bool(txn)) == (1, True)
        with pytest.raises(cms.NotFound):
            txn["network.lan.mtu"]
    assert "network.lan.mtu" not in store
    assert next(store.history()).message == "the office moved"


def test_s18_who_waits_is_told_and_so_is_who_commits_meanwhile(store: cms.Store) -> None:
    assert store.waiting() == []
    with store.transaction("a new address", confirm=600) as waits:
        waits["network.lan.ipaddr"] = "10.9.9.9"
    [entry] = store.waiting()
    assert (entry.revision, entry.message, entry.confirm_within) == (waits.revision, "a new address", 600)
    assert [(change.key, change.new) for change in entry.changes] == [("network.lan.ipaddr", "10.9.9.9")]
    assert store.pending_notice(waits.revision) is None
    with store.transaction() as txn:
        txn["network.lan.ipaddr"] = "10.7.7.7"
    notice = store.pending_notice(txn.revision)
    assert notice
    assert "waits to be confirmed" in notice
    assert "network.lan.ipaddr" in notice
    store.confirm()
    assert store.pending_notice(txn.revision) is None
    assert store.waiting() == []


def test_s18_a_commit_that_is_not_confirmed_goes_back_by_itself(store: cms.Store) -> None:
    before = store["network.lan.ipaddr"]
    with store.watch("*") as watch:
        with store.transaction(confirm=0.5) as txn:
            txn["network.lan.ipaddr"] = "10.9.9.9"
        told = [next(watch), next(watch)]
    assert [entry.by for entry in told] == [cms.By.COMMIT, cms.By.ROLLBACK]
    assert told[0].confirm_within == 0.5
    assert store["network.lan.ipaddr"] == before


def test_a_commit_that_is_not_confirmed_is_pending(store: cms.Store) -> None:
    with store.transaction(confirm=600) as txn:
        txn["network.lan.ipaddr"] = "10.0.0.1"
    pending = store.pending()
    assert pending
    assert pending.revision == txn.revision
    assert 500 < pending.seconds_left <= 600
    store.confirm(pending.revision)
    assert store.pending() is None


def test_an_error_of_a_bad_value_has_its_key_and_the_value(store: cms.Store) -> None:
    changes: List[Tuple[str, Any]] = [("network.lan.proto", "a\x01b"), ("network.lan.dns", ["1", "a\x01b"])]
    for key, value in changes:
        with pytest.raises(cms.Invalid) as caught:
            store.set(key, value)
        assert (caught.value.key, caught.value.value) == (key, "a\x01b")
    with pytest.raises(cms.Invalid) as caught:
        store.set("network.lan.bad-name", "1")
    assert caught.value.value is None


def test_sums_lose_no_addition_of_other_threads_and_refuse_what_is_no_number(store: cms.Store) -> None:
    from threading import Thread

    store.set("network.lan.count", 1)

    def add() -> None:
        for _ in range(10):
            store.incr("network.lan.count", 2)

    threads = [Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("network.lan.count", 0) == 81
    assert store.incr("network.lan.fresh") == 1
    with pytest.raises(cms.WrongType):
        store.incr("network.lan.proto")
    with pytest.raises(cms.OutOfRange):
        store.incr("network.lan.count", 2**63 - 1)
    with store.transaction() as txn:
        assert txn.incr("network.lan.count", -1) == 80


def test_a_value_is_set_only_if_it_is_as_expected(store: cms.Store) -> None:
    store.set("network.lan.count", 1)
    revision = store.set_if("network.lan.count", 2, 1)
    with pytest.raises(cms.Conflict):
        store.set_if("network.lan.count", 3, 1)
    with pytest.raises(cms.Conflict):
        store.set_if("network.lan.count", 3)
    store.set_if("network.lan.new", "x")
    store.set_if("network.lan.count", 4, revision=revision)
    with pytest.raises(cms.Conflict):
        store.set_if("network.lan.count", 5, revision=revision)
    assert store["network.lan.count"] == "4"


def test_values_with_a_type_become_words_of_uci(store: cms.Store) -> None:
    with store.transaction() as txn:
        txn["network.lan.on"] = True
        txn["network.lan.ratio"] = 1.0
        txn["network.lan.huge"] = 2**70
        txn["network.lan.bits"] = [True, False]
        txn["network.lan.ids"] = [1, 2]
    assert (store["network.lan.on"], store["network.lan.ratio"]) == ("1", "1.0")
    assert store["network.lan.huge"] == str(2**70)
    assert (store["network.lan.bits"], store["network.lan.ids"]) == (["1", "0"], ["1", "2"])
