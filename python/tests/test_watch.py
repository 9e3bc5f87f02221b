"""Changes as they happen: watches in loops, in event loops, callbacks."""

from __future__ import annotations

import asyncio
import gc
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

import cms

ADDRESS = "network.lan.ipaddr"


def in_a_moment(work: Callable[[], object]) -> threading.Thread:
    """Runs a function on another thread, while this one waits."""

    def run() -> None:
        time.sleep(0.05)
        work()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_loop_gets_each_transaction_once_and_in_order(store: cms.Store) -> None:
    with store.watch("network.lan.*") as watch:

        def write() -> None:
            for number in range(20):
                with store.transaction() as txn:
                    txn[ADDRESS] = f"10.0.0.{number}"
                    txn["network.lan.mtu"] = 1000 + number
                    txn["system.@system[0].hostname"] = "not asked for"

        thread, seen = in_a_moment(write), []
        for entry in watch:
            # A read returns the value of the event, or a newer one.
            assert store.get("network.lan.mtu", 0, type=int) >= int(str(entry.changes[1].new))
            assert [change.key for change in entry.changes] == [ADDRESS, "network.lan.mtu"]
            assert (entry.by, entry.source, entry.pid) == (cms.By.COMMIT, "tests", os.getpid())
            seen.append(entry.changes[0].new)
            if len(seen) == 20:
                break
        thread.join()
        assert seen == [f"10.0.0.{number}" for number in range(20)]
        assert watch.next(0) is None
        assert watch.revision == store.revision


def test_what_is_in_the_log_can_be_had_later(store: cms.Store) -> None:
    store[ADDRESS]
    revision = store.set(ADDRESS, "10.0.0.1")
    store.set("network.lan.dns", ["9.9.9.9"])
    store.delete("network.lan.proto")
    with store.watch(ADDRESS + " *.lan.dns network.lan.proto", since=revision - 1) as watch:
        found = [watch.next(1) for _ in range(3)]
        assert [(entry.changes[0].old, entry.changes[0].new) for entry in found if entry] == [
            ("192.168.1.1", "10.0.0.1"), (["1.1.1.1", "8.8.8.8"], ["9.9.9.9"]), ("static", None),
        ]  # fmt: skip
        assert watch.next(0) is None
    with store.watch(since=revision - 1, merge=True) as watch:
        merged = watch.next(1)
        assert merged
        assert len(merged.changes) == 3
        assert watch.next(0) is None


def test_an_edit_is_told_and_one_of_a_comment_only_is_not(
    store: cms.Store, edit: Callable[[str, str], None], where: Dict[str, Path]
) -> None:
    store["system"]
    with store.watch("system") as watch:
        text = (where["config_dir"] / "system").read_text()
        edit("system", "# a comment\n" + text)
        assert watch.next(0.5) is None
        edit("system", text.replace("'one'", "'two'"))
        entry = watch.next(10)
        assert entry
        assert entry.by is cms.By.EDIT
        assert [(change.old, change.new) for change in entry.changes] == [("one", "two")]


def test_waiting_ends_in_time_when_closed_and_for_signals(store: cms.Store) -> None:
    watch = store.watch()
    started = time.monotonic()
    assert watch.next(0.05) is None
    assert 0.04 < time.monotonic() - started < 5
    thread = in_a_moment(watch.close)
    assert list(watch) == []
    thread.join()
    assert list(watch) == []
    for use in (watch.next, watch.fileno, lambda: watch.revision, watch.__enter__):
        with pytest.raises(ValueError, match="the watch is closed"):
            use()

    class Alarm(Exception):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with store.watch() as waiting, pytest.raises(Alarm):
            waiting.next()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_watch_fits_a_selector(store: cms.Store) -> None:
    with store.watch(ADDRESS) as watch:
        while watch.next(0):
            pass
        assert not select.select([watch], [], [], 0)[0]
        store.set(ADDRESS, "10.0.0.1")
        assert select.select([watch], [], [], 10)[0]
        assert watch.next(0)
        assert watch.next(0) is None


def test_async_for_gets_each_transaction_beside_other_tasks(store: cms.Store) -> None:
    async def main() -> List[Any]:
        seen: List[Any] = []
        watch = store.watch(ADDRESS)

        async def write() -> None:
            for number in range(10):
                store.set(ADDRESS, f"10.0.0.{number}")
                await asyncio.sleep(0.002)
            await asyncio.sleep(0.05)
            watch.close()

        writing = asyncio.ensure_future(write())
        async for entry in watch:
            seen.append(entry.changes[0].new)
        await writing
        return seen

    assert asyncio.run(main()) == [f"10.0.0.{number}" for number in range(10)]


def test_an_async_wait_can_be_given_up(store: cms.Store) -> None:
    async def main() -> None:
        with store.watch(ADDRESS) as watch:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(watch.__anext__(), 0.05)
            store.set(ADDRESS, "10.0.0.1")
            assert (await watch.__anext__()).changes[0].new == "10.0.0.1"

    asyncio.run(main())


def test_patterns_and_beginnings_that_cannot_be_are_refused(store: cms.Store) -> None:
    with pytest.raises(cms.Invalid):
        store.watch("network.")
    with pytest.raises(cms.Error):
        store.watch(since=10**9)


def test_a_callback_is_called_and_may_write(store: cms.Store) -> None:
    seen, done = [], threading.Event()

    def copy(entry: cms.Entry) -> None:
        seen.append((entry.changes[0].new, threading.current_thread() is threading.main_thread()))
        store.set("network.lan.copy", entry.changes[0].new)
        if entry.changes[0].new == "3":
            done.set()

    with store.subscribe("network.lan.mtu", copy):
        for number in (1, 2, 3):
            store.set("network.lan.mtu", number)
        assert done.wait(10)
    assert seen == [("1", False), ("2", False), ("3", False)]
    assert store["network.lan.copy"] == "3"
    store.set("network.lan.mtu", 4)
    time.sleep(0.05)
    assert len(seen) == 3


def test_a_callback_may_close_its_subscription(store: cms.Store) -> None:
    seen, closed = [], threading.Event()

    def once(entry: cms.Entry) -> None:
        seen.append(entry)
        subscription.close()
        gc.collect()
        closed.set()

    subscription = store.subscribe("network.lan.mtu", once)
    store.set("network.lan.mtu", 1)
    assert closed.wait(10)
    store.set("network.lan.mtu", 2)
    time.sleep(0.05)
    gc.collect()
    assert len(seen) == 1
    with pytest.raises(ValueError, match="closed"):
        subscription.__enter__()


def test_what_a_callback_raises_is_told_and_it_is_called_again(
    store: cms.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, seen = [], threading.Semaphore(0)
    monkeypatch.setattr(sys, "unraisablehook", lambda failed: told.append(type(failed.exc_value)))

    def fail(_: cms.Entry) -> None:
        seen.release()
        raise ZeroDivisionError

    with store.subscribe("network.lan.mtu", fail):
        for number in (1, 2):
            store.set("network.lan.mtu", number)
            assert seen.acquire(timeout=10)
    assert told == [ZeroDivisionError] * 2


def test_a_program_may_end_with_watches_and_subscriptions_open() -> None:
    program = """
        import cms, time
        store = cms.open()
        watch = store.watch(); store.subscribe("*", print)
        def work(entry): time.sleep(0.2); print("called", entry.changes[0].new, flush=True)
        store.subscribe("network.lan.mtu", work)
        store.set("network.lan.mtu", 7)
        time.sleep(0.1)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_an_event_of_another_process_arrives(store: cms.Store) -> None:
    with store.watch(ADDRESS) as watch:
        program = f"import cms; cms.open(source='other').set({ADDRESS!r}, '10.0.0.9')"
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
        entry = watch.next(10)
        assert entry
        assert (entry.source, entry.changes[0].new) == ("other", "10.0.0.9")
