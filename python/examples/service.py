"""A service that works with one consistent state at a time, and takes up a new one when there is one.

Prints what it serves; ends with SIGTERM or after as many states as its argument says.
"""

from __future__ import annotations

import signal
import sys
from ipaddress import IPv4Address
from typing import NamedTuple

import cms


class Config(NamedTuple):
    """What the service needs, of the right types."""

    address: IPv4Address
    mtu: int
    verbose: bool

    @classmethod
    def read(cls, state: cms.Snapshot) -> Config:
        address = state.get("network.lan.ipaddr", IPv4Address("127.0.0.1"), type=IPv4Address)
        mtu = state.get("network.lan.mtu", 1500, type=int)
        return cls(address, mtu, state.get("network.lan.verbose", False, type=bool))


class Service:
    """Serves, and reads its configuration again whenever that has changed. It sleeps in between."""

    def __init__(self, store: cms.Store) -> None:
        self.store = store
        # The watch comes first, then the reading: so nothing is missed in between.
        self.watch = store.watch("network.lan")

    def stop(self, *_: object) -> None:
        self.watch.close()

    def take_up(self) -> bool:
        """Takes up the configuration if it is in order; else it goes on with the old one."""
        try:
            with self.store.snapshot() as state:
                config = Config.read(state)
        except cms.Error as error:
            print(f"not taken up: {error}", file=sys.stderr, flush=True)
            return False
        print(f"serving {config.address}, mtu {config.mtu}", flush=True)
        return True

    def run(self, states: int = -1) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        states -= self.take_up()
        while states:
            try:
                if next(self.watch, None) is None:
                    break
            except cms.Stale:
                # So much has happened that the log begins later: what counts is what is there now.
                pass
            states -= self.take_up()


if __name__ == "__main__":
    with cms.open(source="service.py") as store:
        Service(store).run(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
