"""Whatever a dataclass holds is loaded as it was saved, and a second save writes nothing (hypothesis)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address
from typing import Any, ClassVar, Dict, Iterator, List, Optional, Union

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import cms


class Target(Enum):
    ACCEPT = "ACCEPT"
    DROP = "DROP"


@dataclass
class Rule:
    cms_type: ClassVar[str] = "rule"
    name: Optional[str] = None
    target: Target = Target.ACCEPT
    ports: List[int] = field(default_factory=list)
    on: bool = True


@dataclass
class Kinds:
    cms_type: ClassVar[str] = "kinds"
    number: int
    real: float
    text: Optional[str]
    raw: Optional[bytes]
    span: timedelta
    address: IPv4Address
    items: List[str]
    mixed: Union[int, str, None] = None
    weight: int = 7


@dataclass
class All:
    cms_key: ClassVar[str] = "all"
    kinds: Kinds
    other: Optional[Kinds] = None
    rules: List[Rule] = field(default_factory=list, metadata={"cms": "all.rule"})
    named: Dict[str, Rule] = field(default_factory=dict, metadata={"cms": "all.named"})


LETTERS = st.characters(exclude_categories=["Cc", "Cs"])
TEXTS = st.text(LETTERS, min_size=1, max_size=6)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
BYTES = st.binary(min_size=1, max_size=6).filter(lambda raw: all(byte >= 32 for byte in raw))
RULES = st.builds(
    Rule,
    st.none() | st.sampled_from(["a", "b", "c"]),
    st.sampled_from(Target),
    st.lists(st.integers(0, 3), max_size=2),
    st.booleans(),
)
KINDS = st.builds(
    Kinds,
    INTEGERS,
    st.floats(allow_nan=False, allow_infinity=False),
    st.none() | TEXTS,
    st.none() | BYTES,
    st.timedeltas(),
    st.ip_addresses(v=4),
    st.lists(st.text(LETTERS, max_size=4), max_size=3),
    # True would be written as 1, and that is an int.
    st.none() | INTEGERS | st.sampled_from(["auto", "never"]),
    INTEGERS,
)
STATES = st.builds(
    All,
    KINDS,
    st.none() | KINDS,
    st.lists(RULES, max_size=5),
    st.dictionaries(st.sampled_from(["x", "y", "z"]), RULES, max_size=3),
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cms.Store]:
    directory = tmp_path_factory.mktemp("saved")
    names = ("config", "save", "run", "state")
    for name in names:
        (directory / name).mkdir()
    directories: Dict[str, Any] = {f"{name}_dir": directory / name for name in names}
    with cms.open(**directories, durability="none") as store:
        store.add_package("all")
        yield store


@given(state=STATES)
@settings(deadline=None, database=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_loaded_and_saved_once(saved: cms.Store, state: All) -> None:
    """The store has what the example before has left, so each save is a change from any state to any other."""
    saved.save(state)
    loaded = saved.load(All)
    assert loaded == state
    with saved.transaction() as txn:
        txn.save(loaded)
        assert txn.count == 0


@given(first=st.lists(RULES, max_size=6), second=st.lists(RULES, max_size=6))
@settings(deadline=None, database=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sections_of_a_list_keep_what_the_class_does_not_know(
    saved: cms.Store, first: List[Rule], second: List[Rule]
) -> None:
    """Sections that are equal at the start and at the end keep their other options, and so do all that stay."""
    state = All(Kinds(1, 1.0, None, None, timedelta(0), IPv4Address("10.0.0.1"), []), rules=first)
    with saved.transaction() as txn:
        txn.clear()
        txn.add_package("all")
        txn.save(state)
        for at, section in enumerate(txn["all"].sections("rule")):
            section["note"] = at
    state.rules = second
    saved.save(state)
    assert saved.load(All).rules == second
    notes = [section.get("note", -1) for section in saved["all"].sections("rule")]
    kept = [note for note in notes if note >= 0]
    assert len(set(kept)) == len(kept)
    common = min(len(first), len(second))
    start = next((at for at in range(common) if first[at] != second[at]), common)
    end = next((at for at in range(common - start) if first[-1 - at] != second[-1 - at]), common - start)
    assert notes[:start] == list(range(start))
    assert notes[len(notes) - end :] == list(range(len(first) - end, len(first)))


def test_sections_of_a_list_that_moves_keep_their_comments(where: Dict[str, Any]) -> None:
    text = "".join(f"# about {name}\nconfig rule\n\toption name '{name}' # {name}\n\n" for name in "abcd")
    (where["config_dir"] / "moving").write_text(f"# rules\n\nconfig zone 'z'\n\n{text}config zone 'y'\n")

    @dataclass
    class Rules:
        cms_key: ClassVar[str] = "moving"
        rules: List[Rule] = field(default_factory=list, metadata={"cms": "moving.rule"})

    with cms.open(**where) as store:
        loaded = store.load(Rules)
        for order in ("dcba", "badc", "bdac", "dxa", "adx"):
            known = {rule.name: rule for rule in loaded.rules}
            loaded.rules = [known.get(name) or Rule(name=name) for name in order]
            store.save(loaded)
            loaded = store.load(Rules)
            assert "".join(str(rule.name) for rule in loaded.rules) == order
            text = (where["config_dir"] / "moving").read_text()
            for name in set(order) - {"x"}:
                assert f"# about {name}\nconfig rule\n\toption name '{name}' # {name}\n" in text, (order, text)
            assert text.startswith("# rules\n\nconfig zone 'z'\n"), text
            first, last = text.index("config rule"), text.rindex("config rule")
            assert text.index("zone 'z'") < first < last < text.index("zone 'y'"), text
