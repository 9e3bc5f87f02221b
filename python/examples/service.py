"""A service that works with one consistent state at a time, and takes up a new one when there is one.

Prints what it serves, and where it is configured; ends with SIGTERM or after as many states as its argument says.
"""

from __future__ import annotations

import signal
import sys
import time
from ipaddress import IPv4Address
from typing import NamedTuple, Optional

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
    """Serves, configured anew whenever something was committed."""

    def __init__(self, store: cms.Store) -> None:
        self.store = store
        self.seen = -1
        self.stopped = False

    def stop(self, *_: object) -> None:
        self.stopped = True

    def configuration(self) -> Optional[Config]:
        """Returns the configuration if there is a new one that is in order; else it goes on with the old one."""
        try:
            self.store.refresh()
            if self.store.revision == self.seen:
                return None
            with self.store.snapshot() as state:
                self.seen = state.revision
                return Config.read(state)
        except cms.Error as error:
            print(f"not taken up: {error}", file=sys.stderr, flush=True)
            return None

    def run(self, states: int = -1) -> None:
        signal.signal(signal.SIGTERM, self.stop)
        while not self.stopped and states:
            config = self.configuration()
            if config:
                states -= 1
                print(f"serving {config.address}, mtu {config.mtu}", flush=True)
            time.sleep(0.02)


if __name__ == "__main__":
    with cms.open(source="service.py") as store:
        Service(store).run(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
