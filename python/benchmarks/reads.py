"""Measures a read, compared with dict, configparser and sqlite3: in nanoseconds, and relative to a dict.

    python reads.py [ROUNDS]

200 options in five packages, read in a fixed random order. Contenders take turns; a figure is the median of the
rounds, without the loop around it.
"""

from __future__ import annotations

import configparser
import itertools
import os
import platform
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import cms
from cms import _library

PACKAGES, SECTIONS, OPTIONS = 5, 8, 5
READS = 2000

Case = Tuple[str, Callable[[List[Any]], None], List[Any]]


def configure(directory: Path) -> Dict[str, str]:
    """Writes the packages; returns their values."""
    values = {}
    for package, section in itertools.product(range(PACKAGES), range(SECTIONS)):
        with (directory / f"package{package}").open("a") as file:
            file.write(f"config section 'section{section}'\n")
            for option in range(OPTIONS):
                value = f"value of package {package}, {section}.{option}" if option else str(section * 1000)
                values[f"package{package}.section{section}.option{option}"] = value
                file.write(f"\toption option{option} '{value}'\n")
    return values


def by_item(container: Any) -> Callable[[List[Any]], None]:
    def read(keys: List[Any]) -> None:
        for key in keys:
            container[key]

    return read


def by_call(function: Callable[..., Any]) -> Callable[[List[Any]], None]:
    def read(keys: List[Any]) -> None:
        for key in keys:
            function(key)

    return read


def prepared(keys: List[Any]) -> None:
    for key in keys:
        key.value  # noqa: B018


def nothing(keys: List[Any]) -> None:
    for _ in keys:
        pass


def empty(keys: List[Any]) -> None:
    call = _library.untyped("cms_version_number")
    for _ in keys:
        call()


def sqlite(values: Dict[str, str], path: Path) -> Callable[[str], str]:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE options (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
    connection.executemany("INSERT INTO options VALUES (?, ?)", values.items())
    connection.commit()
    execute = connection.execute

    def read(key: str) -> str:
        value: str = execute("SELECT value FROM options WHERE key = ?", (key,)).fetchone()[0]
        return value

    return read


def config_parser(values: Dict[str, str], interpolation: Any) -> Callable[[Tuple[str, str]], str]:
    parser = configparser.ConfigParser(interpolation=interpolation)
    for key, value in values.items():
        section, _, option = key.rpartition(".")
        if not parser.has_section(section):
            parser.add_section(section)
        parser.set(section, option, value)
    return lambda key: parser.get(*key)


def cases(directory: Path, store: cms.Store, values: Dict[str, str]) -> List[Case]:
    keys = list(values) * (READS // len(values))
    random.Random(1).shuffle(keys)
    pairs = [tuple(key.rsplit(".", 1)) for key in keys]
    handles = {key: store.key(key) for key in values}
    uncached = store.snapshot()
    numbers = [key for key in keys if key.endswith("0")]
    missing = [key + "_" for key in keys]
    raw, basic = (config_parser(values, kind) for kind in (None, configparser.BasicInterpolation()))
    return [
        ("(the loop)", nothing, keys),
        ("dict[key]", by_item(values), keys),
        ("snapshot[key], read before", by_item(store.snapshot()), keys),
        ("an empty call through ctypes", empty, keys),
        ("prepared key.value", prepared, [handles[key] for key in keys]),
        ("snapshot[key], first time", by_call(lambda key: uncached._read(key, key.encode())), keys),
        ("store[key]", by_item(store), keys),
        ("store.get(key, type=int)", by_call(lambda key: store.get(key, 0, type=int)), numbers),
        ("store.get(key) of none", by_call(store.get), missing),
        ("store.revision", by_call(lambda _: store.revision), keys),
        ("configparser, raw", by_call(raw), pairs),
        ("configparser", by_call(basic), pairs),
        ("sqlite3, SELECT", by_call(sqlite(values, directory / "peer.sqlite")), keys),
        ("cms.get(key)", by_call(cms.get), keys),
    ]


def measure(all_cases: List[Case], rounds: int) -> Dict[str, float]:
    figures: Dict[str, List[float]] = {name: [] for name, _, _ in all_cases}
    for _ in range(rounds):
        for name, read, keys in all_cases:
            started = time.perf_counter_ns()
            read(keys)
            figures[name].append((time.perf_counter_ns() - started) / len(keys))
    medians = {name: statistics.median(one) for name, one in figures.items()}
    loop = medians.pop("(the loop)")
    return {name: median - loop for name, median in medians.items()}


def table(medians: Dict[str, float]) -> None:
    peers = ("dict[key]", "configparser", "sqlite3, SELECT")
    print(f"| ns per read | | {' | '.join('/ ' + peer for peer in peers)} |")
    print("|---" * (2 + len(peers)) + "|")
    for name, median in medians.items():
        print(f"| `{name}` | {median:.0f} | {' | '.join(f'{median / medians[peer]:.2f}' for peer in peers)} |")


def whole_process(program: str) -> float:
    """Returns the time of a whole process that runs a program, in milliseconds."""
    times = []
    for _ in range(15):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


FIRST = """
import time; started = time.perf_counter()
import cms; store = cms.open(); store["package0.section0.option0"]
print((time.perf_counter() - started) * 1000)
"""


def opening() -> None:
    """Prints what the first read costs, from nothing."""
    within = [float(subprocess.check_output([sys.executable, "-c", FIRST])) for _ in range(15)]
    print(f"\nimport, open and one read: {statistics.median(within):.1f} ms in the process")
    programs = {
        "pass": "pass",
        "import, open, read": FIRST,
        "import configparser, sqlite3": "import configparser, sqlite3",
    }
    print(
        "whole processes:", ", ".join(f"{name} {whole_process(program):.1f} ms" for name, program in programs.items())
    )


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        for name in ("config", "save", "run", "state"):
            (directory / name).mkdir()
            os.environ[f"CMS_{name.upper()}_DIR"] = str(directory / name)
        values = configure(directory / "config")
        with cms.open() as store:
            assert all(store[key] == value for key, value in values.items())
            print(
                f"Python {platform.python_version()}, {platform.machine()}, median of {rounds} rounds, {READS} reads\n"
            )
            table(measure(cases(directory, store, values), rounds))
        opening()
        print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 25)
