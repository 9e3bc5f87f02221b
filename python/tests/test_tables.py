"""Tables: the sections of a type as rows."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

import pytest

import cms


@pytest.fixture
def users(where: Dict[str, Path], store: cms.Store) -> cms.Store:
    with store.transaction() as txn:
        table = txn.table("users", "user")
        table.insert("admin", id=1, name="admin", groups=["wheel", "users"])
        table.insert(id=10, name="guest", groups=["users"])
        table.insert("root", id=9, name="root")
        assert [row["name"] for row in table] == ["admin", "guest", "root"]
    return store


def test_a_row_is_found_by_a_column(users: cms.Store) -> None:
    table = users.table("users", "user")
    row = table.find(id=1)
    assert row is not None and row["name"] == "admin" and row.key == "users.admin"
    assert table.find(id=2) is None
    assert table.find(name="root", id="9") == {"id": "9", "name": "root"}
    assert table.find(name="root", id=1) is None
    assert [row["name"] for row in table.rows(groups="users")] == ["admin", "guest"]
    assert [row.get("id", type=int) for row in table.rows(groups="wheel")] == [1]
    assert table["admin"].type == "user" and len(table) == 3
    assert table.columns == ["id", "name", "groups"]
    with pytest.raises(cms.NotFound, match=r"users\.nobody: not found"):
        table["nobody"]
    with pytest.raises(cms.NotFound):
        users.table("nothing", "user").find(id=1)
    with pytest.raises(cms.Invalid):
        table.find(**{"not-a-name": 1})
    assert users.table("network", "route").find(target="10.0.0.0/8") is not None


@pytest.mark.parametrize("changing", [False, True])
def test_rows_are_sorted_by_a_column(users: cms.Store, changing: bool) -> None:
    with users.transaction() as txn:
        txn.table("users", "user").insert("last", name="B")
    table: cms.Table = users.transaction().table("users", "user") if changing else users.table("users", "user")
    assert [row["name"] for row in table.rows(sort="id")] == ["admin", "root", "guest", "B"]
    assert [row["name"] for row in table.rows("name")] == ["B", "admin", "guest", "root"]
    assert [row["name"] for row in table.rows("name", groups="users")] == ["admin", "guest"]
    assert [row["name"] for row in table.rows("groups")] == ["guest", "admin", "root", "B"]


def test_rows_are_changed_in_a_transaction(users: cms.Store) -> None:
    before = users.table("users", "user")
    with users.transaction() as txn:
        table = txn.table("users", "user")
        table.update("root", name="superuser", id=None)
        found = table.find(name="guest")
        assert found is not None
        found["id"] = 11
        table.delete("admin")
        with pytest.raises(cms.NotFound):
            table.delete("admin")
        with pytest.raises(cms.NotFound):
            table.update("admin", id=2)
    assert [row["name"] for row in before] == ["admin", "guest", "root"]
    after = users.table("users", "user")
    assert [dict(row) for row in after] == [
        {"id": "11", "name": "guest", "groups": ["users"]},
        {"name": "superuser"},
    ]


def test_a_row_that_cannot_be_made_leaves_nothing(users: cms.Store) -> None:
    with users.transaction() as txn:
        table = txn.table("users", "user")
        with pytest.raises(cms.Exists, match=r"users\.root: the name is in use"):
            table.insert("root", id=12)
        with pytest.raises(cms.Invalid):
            table.insert("other", id=12, name="\x01")
        with pytest.raises(cms.Invalid):
            table.update("root", id=12, name="\x01")
        assert txn.count == 0
        with pytest.raises(ValueError, match="is not the name of a package"):
            txn.table("users.user", "user")
    with pytest.raises(cms.Invalid):
        users.table("users.user", "user")
