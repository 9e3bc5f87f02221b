"""A service that works with one consistent state at a time, and switches to a new one when there is one.

Prints its configuration; ends on SIGTERM or after the number of states in its argument."""

from __future__ import annotations

import signal
import sys
from ipaddress import IPv4Address
from typing import NamedTuple

import cms


class Config(NamedTuple):
    """The configuration of the service, with the right types."""

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
        # Open the watch first and then read, so that no change is missed in between.
        self.watch = store.watch("network.lan")

    def stop(self, *_: object) -> None:
        self.watch.close()

    def take_up(self) -> bool:
        """Switches to the new configuration if it is valid; else keeps the old one."""
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
                # The log has dropped the next transactions: read the present state.
                pass
            states -= self.take_up()


if __name__ == "__main__":
    with cms.open(source="service.py") as store:
        Service(store).run(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
