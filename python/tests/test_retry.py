"""`retry`, `async with`, the functions of the module, and state that is written when it is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import Thread
from typing import List

import pytest

import cms
from cms import _retry


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """The waits between attempts, which take no time."""
    waits: List[float] = []
    monkeypatch.setattr(_retry, "sleep", waits.append)
    return waits


def test_a_retry_loop_goes_on_until_it_is_committed(store: cms.Store, quick: List[float]) -> None:
    attempts = 0
    for txn in store.retry(message="counted"):
        with txn:
            count = txn.get("network.lan.count", 0)
            attempts += 1
            if attempts < 3:
                store.set("network.lan.count", count + 10)
            txn["network.lan.count"] = count + 1
    assert (attempts, store.get("network.lan.count", 0)) == (3, 21)
    assert txn.revision == store.revision
    assert next(store.history()).message == "counted"
    assert len(quick) == 2
    assert all(0 <= wait <= 0.2 for wait in quick)


def test_the_last_conflict_of_a_retry_loop_is_raised(store: cms.Store) -> None:
    attempts = 0
    with pytest.raises(cms.Conflict) as caught:
        for txn in store.retry(attempts=4):
            with txn:
                txn["network.lan.count"] = 1
                attempts += 1
                store.set("network.lan.count", attempts + 1)
    assert attempts == 4
    assert (caught.value.mine, caught.value.theirs) == ("1", "5")


def test_other_exceptions_leave_a_retry_loop_at_once(store: cms.Store) -> None:
    attempts = 0
    with pytest.raises(ZeroDivisionError):
        for txn in store.retry():
            with txn:
                txn["network.lan.count"] = 1
                attempts += 1
                raise ZeroDivisionError
    assert attempts == 1
    assert "network.lan.count" not in store


def test_a_retry_loop_without_a_block_says_so(store: cms.Store) -> None:
    with pytest.raises(RuntimeError, match="with txn:"):
        for txn in store.retry():
            txn["network.lan.count"] = 1
    assert "network.lan.count" not in store
    with pytest.raises(ValueError, match="at least one"):
        store.retry(attempts=0)
    for txn in store.retry():
        txn["network.lan.count"] = 1
        txn.commit()
    assert store["network.lan.count"] == "1"


def test_a_function_is_retried_as_a_whole(store: cms.Store) -> None:
    calls: List[int] = []

    @store.retry(attempts=5)
    def add(txn: cms.Transaction, key: str, by: int = 1) -> int:
        """Adds."""
        count = txn.get(key, 0) + by
        calls.append(count)
        if len(calls) == 1:
            store.set(key, 100)
        txn[key] = count
        return count

    assert add("network.lan.count", by=7) == 107
    assert calls == [7, 107]
    assert store["network.lan.count"] == "107"
    assert add.__doc__ == "Adds."


def test_counters_of_many_threads_lose_nothing(store: cms.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    @store.retry(attempts=1000)
    def add(txn: cms.Transaction) -> None:
        txn["network.lan.count"] = txn.get("network.lan.count", 0) + 1

    def often() -> None:
        for _ in range(10):
            add()

    threads = [Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("network.lan.count", 0) == 40


def test_stores_transactions_and_watches_work_with_async_with(where: "dict[str, Path]") -> None:
    async def run() -> None:
        async with cms.open(where["config_dir"]) as store:
            async with store.watch("network") as watch:
                async with store.transaction("from a task") as txn:
                    txn["network.lan.mtu"] = 1400
                async for entry in watch:
                    assert (entry.revision, entry.message) == (txn.revision, "from a task")
                    break
            with pytest.raises(ValueError, match="watch is closed"):
                watch.fileno()
            with pytest.raises(ZeroDivisionError):
                async with store.transaction() as txn:
                    txn["network.lan.mtu"] = 1
                    raise ZeroDivisionError
            with pytest.raises(cms.Conflict):
                async with store.transaction() as txn:
                    txn["network.lan.mtu"] = 1
                    store.set("network.lan.mtu", 2)
            for attempt in store.retry():
                async with attempt as txn:
                    if txn.get("network.lan.mtu", 0) == 2:
                        store.set("network.lan.mtu", 3)
                    txn["network.lan.mtu"] = txn.get("network.lan.mtu", 0) + 1
            assert store["network.lan.mtu"] == "4"
        with pytest.raises(ValueError, match="closed"):
            store["network.lan.mtu"]

    asyncio.run(run())


def test_a_task_that_commits_lets_others_run(store: cms.Store) -> None:
    async def run() -> None:
        ran = asyncio.Event()
        with store.verify("network") as verifier:

            @verifier
            def check(_: cms.Entry) -> None:
                # The commit waits for this, and this for the event loop.
                asyncio.run_coroutine_threadsafe(ran.wait(), loop).result(30)

            async def other() -> None:
                ran.set()

            async def commit() -> None:
                async with store.transaction() as txn:
                    txn["network.lan.mtu"] = 1400

            await asyncio.gather(commit(), other())
        assert store["network.lan.mtu"] == "1400"

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(run())
    finally:
        loop.close()


def test_pya15_pya16_the_module_reads_and_changes_without_a_store(store: cms.Store) -> None:
    assert cms.get("network.lan.mtu", 1500) == 1500
    revision = cms.set("network.lan.mtu", 1400)
    assert revision == store.revision
    assert cms.get("network.lan.mtu", 1500) == store.get("network.lan.mtu", 1500) == 1400
    assert cms.delete("network.lan.mtu") > revision
    assert cms.get("network.lan.mtu") is None
    with pytest.raises(cms.NotFound):
        cms.delete("network.lan.mtu")


def test_pya16_preload_opens_all_packages_at_once(where: "dict[str, Path]") -> None:
    def maps() -> List[str]:
        return sorted(path.stem for path in where["run_dir"].rglob("*.map"))

    (where["config_dir"] / "broken").write_text("nonsense\n")
    with cms.open(where["config_dir"]):
        assert maps() == []
    with cms.open(where["config_dir"], preload=True) as store:
        assert maps() == ["firewall", "network", "system"]
        with pytest.raises(cms.ParseError):
            store["broken.a.b"]


def test_pya18_changes_wait_in_a_transaction_until_they_are_saved(store: cms.Store) -> None:
    state = store.transaction("saved on leaving")
    state["network.lan.mtu"] = 1400
    state["network.lan.note"] = "not yet"
    assert state.get("network.lan.mtu", 0) == 1400
    assert "network.lan.mtu" not in store
    assert state.count == 2
    state.commit()
    assert store.get("network.lan.mtu", 0) == 1400
    discarded = store.transaction()
    discarded["network.lan.mtu"] = 1
    discarded.close()
    discarded.close()
    assert store.get("network.lan.mtu", 0) == 1400


def test_m22_undo_goes_further_back_and_redo_comes_forward(store: cms.Store) -> None:
    for mtu in (1, 2, 3):
        store.set("network.lan.mtu", mtu)
    store.undo()
    assert store["network.lan.mtu"] == "2"
    store.undo()
    assert store["network.lan.mtu"] == "1"
    store.redo()
    assert store["network.lan.mtu"] == "2"
    store.redo(message="again")
    assert store["network.lan.mtu"] == "3"
    assert next(store.history()).message == "again"
    with pytest.raises(cms.NotFound):
        store.redo()
    store.undo("now")
    assert store["network.lan.mtu"] == "2"
