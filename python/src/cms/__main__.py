"""`python -m cms`: the command `cms` if it is installed, which does all that the manual describes. Without it, the few
commands that this package can do itself: get, show, list, ensure, version. Output and exit codes are the same."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, Callable, Dict, Iterator, List, Tuple, Type, Union

from . import _errors, _keys
from ._section import Package, Section
from ._store import Store, open as open_store

USAGE = """\
Usage: python -m cms COMMAND [ARGUMENTS]

The command 'cms' is not installed. Without it, there are:
  get KEY...           print values
  show [KEY...]        print packages, sections or options as KEY='value'
  list [KEY]           list packages, sections or options
  ensure KEY=VALUE...  set and commit the values that differ; says whether anything changed
  version              print the version
"""

# Exit codes as 'cms help' lists them; the first that fits counts.
CODES: Tuple[Tuple[Union[Type[BaseException], Tuple[Type[BaseException], ...]], int], ...] = (
    (_errors.NotFound, 1),
    (_errors.PermissionDenied, 4),
    (_errors.Conflict, 5),
    ((_errors.IoError, _errors.NoSpace, _errors.NotDurable), 6),
    (_errors.Locked, 8),
    (_errors.Refused, 9),
    (_errors.Error, 3),
)


class Usage(Exception):
    """The command line is wrong."""


def quoted(text: str) -> str:
    """Returns a value as `cms show` prints it.

    >>> print(quoted("it's"))
    'it'\\''s'
    """
    return "'" + text.replace("'", "'\\''") + "'"


def lines(key: str, found: Any) -> List[str]:
    """Returns the lines of `cms show` for what a key leads to."""
    if isinstance(found, (str, list)):
        return [f"{key}=" + " ".join(map(quoted, [found] if isinstance(found, str) else found))]
    if isinstance(found, Package):
        return [line for name, section in named(found) for line in lines(f"{key}.{name}", section)]
    options = [line for name, value in found.items() for line in lines(f"{key}.{name}", value)]
    return [f"{key}={found.type}", *options]


def named(package: Package) -> Iterator[Tuple[str, Section]]:
    """Iterates over the sections of a package with their names, and selectors for anonymous ones."""
    counts: Dict[str, int] = {}
    for section in package.sections():
        index = counts[section.type] = counts.get(section.type, -1) + 1
        yield f"@{section.type}[{index}]" if section.anonymous else section.name, section


def get(store: Store, *keys: str) -> List[str]:
    if not keys:
        raise Usage("an argument is missing: cms get KEY...")
    printed = []
    for key in keys:
        if _keys.parts(key) == 1:
            raise Usage(f"'{key}' is a package; 'cms show' prints packages")
        found = store[key]
        printed.append(found if isinstance(found, str) else " ".join(found) if isinstance(found, list) else found.type)
    return printed


def show(store: Store, *keys: str) -> List[str]:
    found = ((key, store[key]) for key in keys or list(store))
    return [line for key, one in found for line in lines(key if isinstance(one, Package) else store.resolve(key), one)]


def names(store: Store, key: str = "") -> List[str]:
    if not key:
        return list(store)
    if _keys.parts(key) == 1:
        return [f"{section.name} {section.type}" for section in store.package(key).sections()]
    return list(store.section(key)) if _keys.parts(key) == 2 else show(store, key)


def ensure(store: Store, *assignments: str) -> List[str]:
    if not assignments:
        raise Usage("an argument is missing: cms ensure KEY=VALUE...")
    told = []
    with store.transaction() as txn:
        for assignment in assignments:
            # A selector may hold an equals sign; what is behind it may not hold "].".
            head, bracket, tail = assignment.rpartition("].")
            name, assigned, value = tail.partition("=")
            if not assigned:
                raise Usage(f"'{assignment}' has no value: KEY=VALUE")
            key = head + bracket + name
            changed = txn.get(key) != value
            if changed:
                txn[key] = value
            told.append(f"{'changed' if changed else 'unchanged'} {key}")
    return told


COMMANDS: Dict[str, Callable[..., List[str]]] = {"get": get, "show": show, "list": names, "ensure": ensure}


def run(arguments: List[str]) -> int:
    """Runs a command of this module; returns its exit code."""
    name, *rest = arguments or ["help"]
    try:
        if name in ("version", "--version"):
            from . import VERSION

            print(f"cms {VERSION} (python)")
            return 0
        if name in ("help", "--help", "-h"):
            print(USAGE, end="")
            return 0 if arguments else 2
        if name not in COMMANDS:
            raise Usage(f"'{name}' needs the command 'cms', which is not installed")
        with open_store(source="cms") as store:
            for line in COMMANDS[name](store, *rest):
                # Bytes that are not UTF-8 are printed as they are.
                os.write(1, f"{line}\n".encode("utf-8", "surrogateescape"))
        return 0
    except Usage as error:
        print(f"cms: {error}\nhint: see 'python -m cms help'", file=sys.stderr)
        return 2
    except TypeError as error:
        print(f"cms: {name}: too many arguments, or not enough ({error})", file=sys.stderr)
        return 2
    except _errors.Error as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        print(f"cms: {error.message}{hint}", file=sys.stderr)
        return next(code for kind, code in CODES if isinstance(error, kind))


def main() -> int:
    """Hands over to the installed command, else runs the one of this module."""
    command = shutil.which("cms")
    if command is not None:
        os.execv(command, ["cms", *sys.argv[1:]])
    return run(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
