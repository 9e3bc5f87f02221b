"""The types that checkers see; mypy and pyright check this file, and nothing runs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, List, Optional, Union

import cms

if TYPE_CHECKING:
    from typing_extensions import assert_type

    class Proto(Enum):
        STATIC = "static"

    @dataclass
    class Lan:
        mtu: int = 1500

    def reads(store: cms.Store, txn: cms.Transaction, key: cms.Key, section: cms.Section) -> None:
        for root in (store, txn, section):
            assert_type(root.get("a"), Any)
            assert_type(root.get("a", None), Any)
            assert_type(root.get("a", 1500), int)
            assert_type(root.get("a", "x"), str)
            assert_type(root.get("a", False), bool)
            assert_type(root.get("a", Path("x")), Path)
            assert_type(root.get("a", IPv4Address("10.0.0.1")), IPv4Address)
            assert_type(root.get("a", [1]), List[int])
            assert_type(root.get("a", type=int), Optional[int])
            assert_type(root.get("a", 0, type=int), int)
            assert_type(root.get("a", type=List[int]), Optional[List[int]])
            assert_type(root.get("a", "none", type=cms.size), Union[int, str])
            assert_type(root.get("a", type=Proto), Optional[Proto])
        assert_type(key.get(1500), int)
        assert_type(cms.get("a.b.c", 1500), int)

    def dataclasses(store: cms.Store, txn: cms.Transaction) -> None:
        assert_type(store.load(Lan), Lan)
        assert_type(txn.load(Lan, "network.lan"), Lan)
        assert_type(store.bind(Lan, on_change=lambda lan: print(lan.mtu)).value, Lan)

    def functions(store: cms.Store) -> None:
        @store.retry()
        def add(txn: cms.Transaction, by: int) -> str:
            return str(by)

        assert_type(add(7), str)
        add("7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
