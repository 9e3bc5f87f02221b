"""Verifiers: functions that decide on transactions before they are made."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Dict, List

import pytest

import cms

MTU = "network.lan.mtu"


def large(entry: cms.Entry) -> None:
    for change in entry.changes:
        if int(str(change.new or 0)) > 9000:
            raise cms.Refused(f"an MTU of {change.new} is too large")


def test_a_function_accepts_and_refuses(store: cms.Store) -> None:
    seen: List[cms.Entry] = []

    @store.verify("network.*.mtu")
    def check(entry: cms.Entry) -> None:
        # The verifier may read the state before.
        assert store.get(MTU) == entry.changes[0].old
        seen.append(entry)
        large(entry)

    store.set(MTU, 1400)
    store.set("network.lan.ipaddr", "10.0.0.1")
    with pytest.raises(cms.Refused, match=rf"refused by tests \(process {os.getpid()}\): an MTU of 9999 is too large"):
        store.set(MTU, 9999)
    with pytest.raises(cms.Refused) as caught:
        store.set(MTU, 9999)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.program, error.pid, error.reason) == ("tests", os.getpid(), "an MTU of 9999 is too large")
    assert seen.pop().changes[0].new == "9999"
    assert store[MTU] == "1400"
    assert [(entry.revision, entry.source, entry.changes[0].new) for entry in seen] == [
        (0, "tests", "1400"),
        (0, "tests", "9999"),
    ]
    assert callable(check)


def test_what_it_returns_or_raises_is_the_reason(store: cms.Store) -> None:
    said: List[object] = []

    def decide(entry: cms.Entry) -> object:
        answer = said.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    with store.verify("network", decide) as verifier:
        for answer, reason in (
            ("not today", "not today"),
            (False, "it gave no reason"),
            (ValueError("1 < 2"), "ValueError: 1 < 2"),
            ("\u00e4" * 5000, "\u00e4" * 500),
        ):
            said.append(answer)
            with pytest.raises(cms.Refused) as refused:
                store.set(MTU, 1400)
            assert reason in refused.value.message
            assert refused.value.status == cms.Status.REFUSED
        for accepted in (None, True):
            said.append(accepted)
            store.set(MTU, 1400 + bool(accepted))
        verifier.close()
        store.set(MTU, 1300)
    with pytest.raises(cms.Invalid):
        store.verify("a.b..d", decide)


def test_a_verifier_cannot_commit_while_it_is_asked(store: cms.Store) -> None:
    errors: List[str] = []

    def decide(entry: cms.Entry) -> None:
        with pytest.raises(cms.Invalid) as error:
            store.set("system.@system[0].hostname", "two")
        errors.append(error.value.message)

    with store.verify("network", decide):
        store.set(MTU, 1400)
    assert "cannot change anything while it decides" in errors[0]
    assert store["system.@system[0].hostname"] == "one"


def test_another_process_decides(store: cms.Store, where: Dict[str, Path]) -> None:
    program = """
        import os, time, cms
        store = cms.open(source="guard")
        @store.verify("network")
        def check(entry):
            return f"{entry.source} may not"
        # A child that inherits the lock and the socket is not the verifier.
        other = os.fork()
        if other:
            print(other, flush=True)
        time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE)
    assert child.stdout
    other = int(child.stdout.readline())
    with pytest.raises(cms.Refused, match=rf"refused by guard \(process {child.pid}\): tests may not"):
        store.set(MTU, 1400)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    store.set(MTU, 1400)
    assert store[MTU] == "1400"
    os.kill(other, signal.SIGKILL)


def test_a_child_made_by_fork_leaves_the_verifier_to_its_parent(store: cms.Store) -> None:
    with store.verify("network", large) as verifier:
        child = os.fork()
        if child == 0:
            verifier.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(cms.Refused):
            store.set(MTU, 9999)


def test_an_interpreter_that_ends_ends_it(where: Dict[str, Path]) -> None:
    program = "import cms; store = cms.open(); store.verify('network', print); print('ready')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert (done.stdout, done.stderr) == ("ready\n", "")
    assert not (where["run_dir"] / "verifiers").exists()


def test_who_commits_waits_for_as_long_as_it_was_told(store: cms.Store) -> None:
    with store.verify(MTU, lambda _: time.sleep(1)), cms.open(verify_timeout=0.1) as hasty:
        begun = time.monotonic()
        with pytest.raises(cms.Refused) as caught:
            hasty.set(MTU, 1400)
        assert time.monotonic() - begun < 1
        assert caught.value.reason == "it has not answered within 0.1 s"
