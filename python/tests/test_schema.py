"""Schemas: a transaction that breaks one is refused, with all that is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Dict

import pytest

import cms

SCHEMA = """\
config field
\toption section 'interface'
\toption name 'mtu'
\toption type 'range(68,9200)'

config field
\toption section 'interface'
\toption name 'proto'
\toption required '1'
"""


@pytest.fixture
def schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "network").write_text(SCHEMA)
    monkeypatch.setenv("CMS_SCHEMA_DIR", str(tmp_path / "schema"))


def test_a_refused_transaction_says_all_that_is_wrong(schema: None, where: Dict[str, Path]) -> None:
    before = (where["config_dir"] / "network").read_text()
    with cms.open(where["config_dir"]) as store:
        with pytest.raises(cms.SchemaError) as caught, store.transaction() as txn:
            txn["network.lan.mtu"] = "9201"
            del txn["network.wan.proto"]
        found = [(one.key, one.rule, one.value) for one in caught.value.violations]
        assert found == [("network.lan.mtu", "type", "9201"), ("network.wan.proto", "required", "")]
        assert caught.value.key == "network.lan.mtu" and "68 to 9200" in str(caught.value)
        assert (where["config_dir"] / "network").read_text() == before
        copied = pickle.loads(pickle.dumps(caught.value))
        assert [one.key for one in copied.violations] == ["network.lan.mtu", "network.wan.proto"]
        with store.transaction(force=True) as txn:
            txn["network.lan.mtu"] = "1"
        assert store["network.lan.mtu"] == "1"
