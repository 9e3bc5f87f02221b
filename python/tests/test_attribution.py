"""Who makes a transaction, and for which request."""

from __future__ import annotations

import uuid

import pytest

import cms

KEY = "network.lan.ipaddr"


def test_a_transaction_names_the_person_for_whom_the_program_commits(store: cms.Store) -> None:
    with store.transaction("moved", author="alice@192.168.7.20") as txn:
        txn[KEY] = "10.1.0.1"
    entry = next(iter(store.history(limit=1)))
    assert (entry.author, entry.message, entry.request) == ("alice@192.168.7.20", "moved", None)
    store.set(KEY, "10.1.0.2")
    assert next(iter(store.history(limit=1))).author == ""


def test_a_request_finds_its_transaction(store: cms.Store) -> None:
    request = uuid.uuid4()
    assert store.find_request(str(request)) is None
    with store.transaction(request=str(request)) as txn:
        txn[KEY] = "10.1.0.1"
    assert store.find_request(str(request)) == txn.revision
    assert store.find_request(request.hex) == txn.revision
    assert next(iter(store.history(limit=1))).request == request.hex
    with pytest.raises(cms.Invalid):
        store.find_request("no id")
    with pytest.raises(cms.Invalid):
        store.transaction(request="no id")


def test_a_store_of_another_author_shares_everything_else(store: cms.Store) -> None:
    with store.attributed(author="bob", source="rest", message="by mail") as of_bob:
        revision = of_bob.set(KEY, "10.1.0.1")
        assert store[KEY] == "10.1.0.1"
        entry = next(iter(store.history(limit=1)))
        assert (entry.author, entry.source, entry.message) == ("bob", "rest", "by mail")
        of_bob.undo(revision)
    entry = next(iter(store.history(limit=1)))
    assert (entry.by, entry.author) == (cms.By.UNDO, "bob")
    store.set(KEY, "10.1.0.3")
    assert next(iter(store.history(limit=1))).author == ""
    with pytest.raises(ValueError):
        of_bob.get(KEY)
