"""An hour of a Python programmer who has python/README.md and an installed wheel, and nothing else: a small service that
gives out addresses keeps its configuration in the store. Each function is a task; all of them are run in order."""

import asyncio
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from queue import Queue
from typing import ClassVar, List, Optional

import cms

CONFIG = """\
# The network of the office.
config interface 'lan'
\toption proto 'static'
\toption network '10.1.0.0/24'\t# agreed with the neighbours
\tlist dns '10.1.0.1'
\tlist dns '9.9.9.9'

config dhcp 'pool'
\toption interface 'lan'
\toption start '100'
\toption limit '50'
\toption leasetime '12h'
\toption enabled 'yes'

config host
\toption name 'printer'
\toption ip '10.1.0.7'

config host
\toption name 'camera'
\toption ip '10.1.0.8'
"""


class Proto(Enum):
    STATIC = "static"
    DHCP = "dhcp"


@dataclass
class Host:
    name: str
    ip: IPv4Address
    leasetime: Optional[timedelta] = None


@dataclass
class Pool:
    interface: str
    start: int
    limit: int = 150
    leasetime: timedelta = timedelta(hours=1)
    enabled: bool = True


@dataclass
class Office:
    cms_key: ClassVar[str] = "office"
    pool: Pool
    hosts: List[Host] = field(default_factory=list, metadata={"cms": "office.host"})


def read_with_types(store):
    assert store["office.lan.proto"] == "static"
    assert store.get("office.lan.proto", Proto.DHCP) is Proto.STATIC
    assert store.get("office.lan.network", type=IPv4Network) == IPv4Network("10.1.0.0/24")
    assert store.get("office.lan.mtu", 1500) == 1500
    assert store.get("office.pool.limit", 150) == 50
    assert store.get("office.pool.enabled", False) is True
    assert store.get("office.pool.leasetime", type=timedelta) == timedelta(hours=12)
    assert store.get("office.lan.dns", type=List[IPv4Address])[1] == IPv4Address("9.9.9.9")
    assert [host["name"] for host in store["office"].sections("host")] == ["printer", "camera"]
    assert "office.@host[name=camera].ip" in store
    assert "office.guest" not in store
    assert dict(store["office.pool"])["start"] == "100"


def change_in_a_transaction(store, path):
    with store.transaction("the neighbours have moved") as txn:
        txn["office.lan.network"] = IPv4Network("10.2.0.0/24")
        txn.append("office.lan.dns", "1.1.1.1")
        txn.add("office", "host", {"name": "phone", "ip": "10.2.0.9"})
    assert "# agreed with the neighbours" in path.read_text()
    try:
        with store.transaction() as txn:
            txn["office.lan.network"] = "10.3.0.0/24"
            raise RuntimeError("never mind")
    except RuntimeError:
        pass
    assert store["office.lan.network"] == "10.2.0.0/24"
    entry = next(store.history())
    assert entry.message == "the neighbours have moved"
    assert entry.source == "an_hour"
    store.undo()
    assert store["office.lan.network"] == "10.1.0.0/24"


def count_with_retry(store):
    @store.retry()
    def more(txn):
        txn["office.pool.limit"] = txn.get("office.pool.limit", 0) + 1

    more()
    for txn in store.retry():
        with txn:
            limit = txn.get("office.pool.limit", 0)
            if limit == 51:
                store.set("office.pool.limit", 60)  # as another program would
            txn["office.pool.limit"] = limit + 1
    assert store.get("office.pool.limit", 0) == 61
    try:
        with store.transaction() as txn:
            txn["office.pool.limit"] = 1
            store.set("office.pool.limit", 2)
    except cms.Conflict as error:
        assert (error.key, error.mine, error.theirs) == ("office.pool.limit", "1", "2")
    else:
        raise AssertionError("no conflict")


def use_dataclasses(store, path):
    office = store.load(Office)
    assert office.pool.leasetime == timedelta(hours=12)
    assert [host.name for host in office.hosts] == ["printer", "camera"]
    office.pool.limit = 80
    office.hosts[0].leasetime = timedelta(days=1)
    office.hosts.append(Host("phone", IPv4Address("10.1.0.9")))
    store.save(office)
    assert store.load(Office) == office
    assert path.read_text().startswith("# The network of the office.\n")
    news = Queue()
    with store.bind(Pool, "office.pool", on_change=news.put) as bound:
        assert bound.value == office.pool
        store.set("office.pool.limit", 90)
        assert news.get(timeout=30) == bound.value
        assert bound.value.limit == 90


def handle_errors(store, path):
    for wrong in (lambda: store["office.pool.nono"], lambda: store.section("office.nono")):
        try:
            wrong()
        except KeyError as error:
            assert isinstance(error, cms.NotFound)
        else:
            raise AssertionError("no error")
    with store.transaction() as txn:
        txn["office.pool.limit"] = "lots"
        txn["office.@host[0].ip"] = "10.1.0.700"
    try:
        store.load(Office)
    except cms.LoadError as error:
        assert [fault.value for fault in error.errors] == ["lots", "10.1.0.700"]
        for fault in error.errors:
            line = path.read_text().splitlines()[fault.line - 1]
            assert fault.value in line
            assert f"{path}:{fault.line}" in str(error)
    else:
        raise AssertionError("no error")
    store.undo()
    path.write_text("config interface 'lan\n")
    try:
        store.refresh()
    except cms.ParseError as error:
        assert error.file == str(path)
        assert error.line == 1
    path.write_text(CONFIG)
    store.refresh()
    assert store["office.lan.proto"] == "static"


async def watch(store):
    async with store.watch("office.pool") as changes:
        async with store.transaction("from a task") as txn:
            txn["office.pool.limit"] = 33
        async for entry in changes:
            assert entry.message == "from a task"
            assert (entry.changes[0].old, entry.changes[0].new) == ("50", "33")
            break


def without_a_store():
    assert cms.get("office.pool.limit", 0) == 33
    cms.set("office.pool.limit", 34)
    assert cms.get("office.pool.limit", 0) == 34
    assert cms.get("nothing.there.x", "default") == "default"
    done = subprocess.run([sys.executable, "-m", "cms", "get", "office.pool.limit"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "34\n"), done


def main():
    with tempfile.TemporaryDirectory() as directory:
        for name in ("config", "save", "run", "state"):
            os.mkdir(os.path.join(directory, name))
            os.environ[f"CMS_{name.upper()}_DIR"] = os.path.join(directory, name)
        path = Path(directory, "config", "office")
        path.write_text(CONFIG)
        with cms.open(source="an_hour") as store:
            read_with_types(store)
            change_in_a_transaction(store, path)
            count_with_retry(store)
            use_dataclasses(store, path)
            handle_errors(store, path)
            asyncio.run(watch(store))
            without_a_store()
    print("newcomer, Python: ok")


if __name__ == "__main__":
    main()
