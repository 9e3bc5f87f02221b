"""Importing, threads, forks, and the release of handles."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

import cms
from cms import _ffi, _library


def python(program: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ok(program: str, *arguments: str, **environment: str) -> str:
    done = python(program, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_importing_loads_no_library_and_starts_no_thread() -> None:
    printed = ok("""
        import os, sys
        before = set(sys.modules)
        import cms
        assert "libcms" not in open("/proc/self/maps").read()
        assert len(os.listdir("/proc/self/task")) == 1
        assert not {"asyncio", "threading", "socket", "logging", "subprocess"} & (set(sys.modules) - before)
        assert cms.get("network.lan.ipaddr") == "192.168.1.1"
        assert "libcms" in open("/proc/self/maps").read()
        assert len(os.listdir("/proc/self/task")) == 1
    """)
    assert printed == ""


def test_what_is_exported_is_there_and_no_exception_is_missing() -> None:
    assert {kind.__name__ for kind in cms.Error.__subclasses__()} <= set(cms.__all__) <= set(dir(cms))
    for name in cms.__all__:
        assert getattr(cms, name)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        cms.nothing_of_the_kind  # type: ignore[attr-defined]  # noqa: B018


def test_a_library_that_cannot_be_found_is_told_with_where_it_was_looked_for() -> None:
    done = python("import cms; cms.open()", CMS_LIBRARY="/nowhere/libcms.so")
    assert done.returncode == 1
    assert "ImportError" in done.stderr
    assert "/nowhere/libcms.so: cannot open shared object file" in " ".join(done.stderr.split())
    assert "CMS_LIBRARY" in done.stderr


def test_a_library_that_is_another_one_is_not_taken(tmp_path: Path) -> None:
    done = python("import cms; cms.open()", CMS_LIBRARY="libc.so.6")
    assert "ImportError" in done.stderr
    assert "undefined symbol: cms_version_number" in done.stderr
    with pytest.raises(ImportError, match=r"libcms 9\.2\.1; this package is made for 0\."):
        _library._check_version("/x/libcms.so", 9 << 16 | 2 << 8 | 1)
    _library._check_version("/x/libcms.so", 0 << 16 | 1 << 8 | 99)


def test_a_function_that_the_library_does_not_have_is_told(store: cms.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_ffi.SIGNATURES, "cms_of_tomorrow", (None,))
    with pytest.raises(NotImplementedError, match="too old: it has no cms_of_tomorrow"):
        _library.library().cms_of_tomorrow()


def in_threads(work: Callable[[], object], count: int = 6) -> None:
    """Runs the same in several threads, and raises what one of them raised."""
    failures: List[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.fixture
def impatient() -> Any:
    """Threads take turns after a few instructions, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_threads_share_a_store_a_key_and_a_snapshot_while_one_commits(store: cms.Store, impatient: None) -> None:
    key, stop = store.key("network.lan.ipaddr"), threading.Event()
    values = {"192.168.1.1", *("x" * length for length in (1, 300, 510, 511, 512, 2000))}

    def write() -> None:
        while not stop.is_set():
            for value in values:
                store.set("network.lan.ipaddr", value)

    def read() -> None:
        for _ in range(1500):
            assert store["network.lan.ipaddr"] in values
            assert key.value in values
            assert store["network.lan.proto"] == "static"
            with store.snapshot() as snapshot:
                assert snapshot["network.lan.ipaddr"] == snapshot.section("network.lan")["ipaddr"]

    writer = threading.Thread(target=write)
    writer.start()
    try:
        in_threads(read)
    finally:
        stop.set()
        writer.join()


def test_a_store_may_be_closed_while_others_read(where: Dict[str, Path], impatient: None) -> None:
    for _ in range(20):
        store = cms.open(where["config_dir"])
        started = threading.Barrier(5)

        def read(store: cms.Store = store, started: threading.Barrier = started) -> None:
            started.wait()
            with pytest.raises(ValueError, match="closed"):
                while True:
                    assert store["network.lan.ipaddr"] == "192.168.1.1"

        def close(store: cms.Store = store, started: threading.Barrier = started) -> None:
            started.wait()
            time.sleep(0.002)
            store.close()

        closer = threading.Thread(target=close)
        closer.start()
        in_threads(read, 4)
        closer.join()


def test_what_is_no_longer_used_is_given_back(store: cms.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    released: List[str] = []
    monkeypatch.setattr(_library, "_owned", {})
    for name, release in _ffi.RELEASES.items():
        kind = getattr(_ffi, name)
        _library._owned[kind] = counted(kind, release, released)
    lan = store["network"]["lan"]
    assert lan["ipaddr"]
    list(lan)
    del lan
    key = store.key("network.lan.ipaddr")
    with store.transaction() as txn:
        txn["network.lan.mtu"] = 1
    store.begin()
    list(store.history("network.lan"))
    del key, txn
    gc.collect()
    for name in (
        "cms_snapshot_close",
        "cms_key_close",
        "cms_option_iter_close",
        "cms_txn_rollback",
        "cms_history_close",
    ):
        assert name in released, name
    # The commit has freed the committed transaction.
    assert released.count("cms_txn_rollback") == 1


def counted(kind: Any, release: str, released: List[str]) -> Any:
    """As _library._owned_type, and records released handles."""
    owned = _library._owned_type(kind)
    give_back = owned.__dict__["__del__"]

    def note(self: Any) -> None:
        if self.wanted:
            released.append(release)
        give_back(self)

    return type(kind.__name__, (owned,), {"__del__": note})


FORKING = """
    import os, sys, threading, cms
    store = cms.open()
    key, snapshot = store.key("network.lan.ipaddr"), store.snapshot()
    assert store["network.lan.ipaddr"] == key.value == snapshot["network.lan.ipaddr"]
    txn = store.begin()
    txn["network.lan.mtu"] = 1400
    stop = threading.Event()
    def read():
        while not stop.is_set():
            store["network.lan.ipaddr"], key.value
    threads = [threading.Thread(target=read) for _ in range(int(sys.argv[1]))]
    for thread in threads: thread.start()
    for turn in range(20):
        child = os.fork()
        if not child:
            try:
                assert store["network.lan.ipaddr"] == key.value == "192.168.1.1"
                assert snapshot["network.lan.ipaddr"] == "192.168.1.1"
                try:
                    txn.commit()
                    os._exit(1)
                except ValueError as error:
                    assert "belongs to the process that began it" in str(error)
                store.set("network.lan.turn", turn)
                assert store["network.lan.turn"] == str(turn)
                del txn, key, snapshot, store
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(2)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert store["network.lan.turn"] == str(turn)
    stop.set()
    for thread in threads: thread.join()
    txn.commit()
    assert store["network.lan.mtu"] == key._store["network.lan.mtu"] == "1400"
"""


@pytest.mark.parametrize("threads", ["0", "3"])
def test_a_child_process_reads_and_writes_with_what_it_has_inherited(threads: str) -> None:
    program = FORKING
    if threads != "0":
        # Python 3.12 warns of any fork in a process with threads.
        program = "    import warnings; warnings.simplefilter('ignore')\n" + FORKING.lstrip("\n")
    ok(program, threads)


def test_x_h10_children_that_only_sleep_keep_no_lock() -> None:
    ok("""
        import warnings; warnings.simplefilter("ignore")
        import os, random, signal, threading, time, cms
        store, stop, failed = cms.open(), threading.Event(), []
        def write():
            turn = 0
            while not stop.is_set():
                turn += 1
                try:
                    store.set("network.lan.turn", turn)
                except cms.Error as error:
                    failed.append(error)
        thread = threading.Thread(target=write)
        thread.start()
        children = []
        for _ in range(60):
            time.sleep(random.random() / 100)
            child = os.fork()
            if not child:
                time.sleep(60)
                os._exit(0)
            children.append(child)
        time.sleep(0.5)
        stop.set()
        thread.join()
        try:
            assert not failed, failed
            cms.open().set("network.lan.turn", "last")
        finally:
            for child in children:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
    """)


def test_processes_of_a_pool_use_the_store_of_their_parent() -> None:
    printed = ok("""
        import multiprocessing, cms
        store = cms.open()
        def read(number):
            return store["network.lan.ipaddr"], cms.get("network.lan.proto")
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(3) as pool:
                print(set(pool.map(read, range(50))))
    """)
    assert printed == "{('192.168.1.1', 'static')}\n"


def test_a_signal_handler_may_read_in_the_middle_of_a_read() -> None:
    ok("""
        import signal, cms
        store = cms.open()
        key, seen = store.key("network.lan.ipaddr"), []
        def handler(*_):
            assert store["network.lan.proto"] == "static"
            assert key.value == "192.168.1.1"
            seen.append(1)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        while len(seen) < 300:
            assert store["network.lan.ipaddr"] == "192.168.1.1"
            assert key.value == "192.168.1.1"
        signal.setitimer(signal.ITIMER_REAL, 0)
    """)


def test_a_program_may_end_with_everything_open() -> None:
    printed = ok("""
        import cms
        store = cms.open(); key = store.key("network.lan.ipaddr"); snapshot = store.snapshot(); txn = store.begin()
        sections = snapshot["network"].sections(); next(sections); entries = store.history(); packages = iter(snapshot)
        next(packages); store.set("network.lan.mtu", 1); next(entries)
    """)
    assert printed == ""
