"""Measures the time from a commit until a subscriber's Python code runs, and the cost of an idle watcher.

    python events.py [COMMITS]

The writer is another process, which records the time when a commit has returned; the watcher records the time when it
has the event. A negative time means before the commit has returned. The same run measures the limit: a byte through a
pipe, from the return of the write until the other process has read it."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

import cms

WRITER = """
import sys, time, cms
with cms.open(source="writer") as store:
    for number in range(int(sys.argv[1])):
        revision = store.set("bench.s.number", number)
        now = time.monotonic_ns()
        print(revision, now, flush=True)
        time.sleep(0.005)
"""
PIPE = """
import os, sys, time
for number in range(int(sys.argv[1])):
    os.write(int(sys.argv[2]), b"x")
    now = time.monotonic_ns()
    print(number, now, flush=True)
    time.sleep(0.005)
"""


def percentiles(name: str, latencies: List[float]) -> str:
    ranked = sorted(latencies)
    shown = (statistics.median(ranked), ranked[len(ranked) * 99 // 100], ranked[-1])
    return f"| {name} | {' | '.join(f'{latency / 1000:.0f}' for latency in shown)} |"


def times(program: str, *arguments: str, fds: List[int] = []) -> "subprocess.Popen[str]":  # noqa: B006
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=fds)


def noted(writer: "subprocess.Popen[str]") -> Dict[int, int]:
    """Returns when each was done, as the writer has noted it."""
    assert writer.stdout
    with writer.stdout as output:
        lines = [line.split() for line in output]
    writer.wait()
    return {int(number): int(at) for number, at in lines}


def watched(store: cms.Store, commits: int) -> List[float]:
    seen = {}
    with store.watch("bench") as watch:
        writer = times(WRITER, str(commits))
        for entry in watch:
            seen[entry.revision] = time.monotonic_ns()
            if len(seen) == commits:
                break
    done = noted(writer)
    assert sorted(done) == sorted(seen), "an event is missing"
    return [seen[revision] - at for revision, at in done.items()]


def piped(count: int) -> List[float]:
    ours, theirs = os.pipe()
    writer = times(PIPE, str(count), str(theirs), fds=[theirs])
    seen = {}
    for number in range(count):
        os.read(ours, 1)
        seen[number] = time.monotonic_ns()
    return [seen[number] - at for number, at in noted(writer).items()]


def called_back(store: cms.Store, commits: int) -> List[float]:
    """In the same process, with a callback on the library's thread."""
    seen: Dict[int, int] = {}
    done: Dict[int, int] = {}
    with store.subscribe("bench", lambda entry: seen.__setitem__(entry.revision, time.monotonic_ns())):
        for number in range(commits):
            revision = store.set("bench.s.number", -number)
            done[revision] = time.monotonic_ns()
            time.sleep(0.005)
    return [seen[revision] - at for revision, at in done.items()]


def idle(store: cms.Store, seconds: float) -> float:
    """Returns the processor time that a watcher uses, in microseconds per second."""
    with store.watch("bench") as watch:
        while watch.next(0):
            pass
        before = resource.getrusage(resource.RUSAGE_SELF)
        watch.next(seconds)
        after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / seconds * 1e6


def main(commits: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("config", "save", "run", "state"):
            (Path(temporary) / name).mkdir()
            os.environ[f"CMS_{name.upper()}_DIR"] = str(Path(temporary) / name)
        (Path(temporary) / "config" / "bench").write_text("config s 's'\n\toption number 'none'\n")
        with cms.open() as store:
            store["bench.s.number"]
            print(f"| us from the commit's return, {commits} commits | p50 | p99 | most |\n|---|---|---|---|")
            print(percentiles("`for event in store.watch`, another process", watched(store, commits)))
            print(percentiles("`store.subscribe`, the same process", called_back(store, commits)))
            print(percentiles("a byte through a pipe, another process", piped(commits)))
            print(f"\nidle watcher: {idle(store, 2):.0f} us of processor in a second")
            print(f"peak memory of the watcher: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
