"""`agent apply`: the file is the truth about the agents it lists, brought there in one act or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhictl.core.identity.attributes import ATTRIBUTES
from nhictl.core.policy.registry import parse_agents
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import agents, apply_agents
from nhictl.ops.change_agent import change
from nhictl.ops.register_agent import Registration, register
from tests.ops.agent_house import Agents

SAMPLE = Path(__file__).parents[2] / "samples" / "agents.yaml"


def file(*listed: dict[str, Any]) -> bytes:
    """An agents file; owner and purpose are filled in."""
    filled = [{"owner": "o@example.org", "purpose": "p"} | one for one in listed]
    return json.dumps({"nhictl_agents": 1, "agents": filled}, ensure_ascii=False).encode()


def apply(home: Agents, *listed: dict[str, Any]) -> list[str]:
    """Apply and return what happened: `+name` and `~name`."""
    changes, _ = apply_agents.apply(home.house, apply_agents.read("a.yaml", file(*listed)))
    return [("+" if one.row is None else "~") + one.wanted.name for one in changes]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    yield made
    made.house.close()


def test_missing_are_registered_differing_updated_others_left_alone(home: Agents) -> None:
    home.add("a", trust=1)
    home.add("c", trust=3)
    before, size = home.show("c"), home.size()
    assert apply(home, {"name": "a", "trust": 2, "purpose": "reading"}, {"name": "b", "groups": ["g"]}) == ["~a", "+b"]
    assert [(r["type"], r["agent"]) for r in home.records()[size:]] == [
        ("agent.updated", "a"),
        ("agent.registered", "b"),
    ]
    assert home.records()[size]["ext"] == {"changed": ["trust"], "to": {"trust": 2}}
    assert home.show("c") == before
    assert home.show("b")["groups"] == ["g"]


def test_what_the_file_leaves_out_is_at_its_default(home: Agents) -> None:
    apply(home, {"name": "a", "env": "prod", "trust": 2, "groups": ["g"], "labels": {"k": "v"}, "aliases": ["x"],
                 "expires": "2027-01-01", "attested": True})  # fmt: skip
    assert apply(home, {"name": "a"}) == ["~a"]
    shown = home.show("a")
    assert [shown[n] for n in ("env", "trust", "groups", "labels", "expires", "attested", "aliases")] == [
        None, 0, [], {}, None, False, [],
    ]  # fmt: skip


def test_again_is_nothing(home: Agents) -> None:
    listed = {"name": "a", "groups": ["y", "x"], "labels": {"z": "1", "a": "2"}, "expires": "2027-01-01"}
    apply(home, listed)
    size = home.size()
    changes, head = apply_agents.apply(home.house, apply_agents.read("a.yaml", file(listed)))
    assert changes == []
    assert home.unchanged(head, size)


def test_key_and_state_are_left_alone(home: Agents) -> None:
    home.add("a")
    change(home.house, "a", "suspend", None)
    apply(home, {"name": "a", "trust": 3})
    assert (home.show("a")["state"], home.show("a")["trust"]) == ("suspended", 3)


def _retired(home: Agents) -> None:
    home.add("gone")
    change(home.house, "gone", "retire", None)


def _alias(home: Agents) -> None:
    apply(home, {"name": "other", "aliases": ["taken", "ext:1"]})


CONFLICTS = [
    ("retired", _retired, {"name": "gone"}, "agent_retired", "`gone`"),
    ("alias is another's", _alias, {"name": "z", "aliases": ["taken"]}, "alias_taken", "`other`"),
    ("alias is another's name", _alias, {"name": "z", "aliases": ["other"]}, "alias_taken", "`other`"),
    ("alias is another's SPIFFE ID", _alias, {"name": "z", "aliases": ["spiffe://example.org/agent/other"]},
     "alias_taken", "`other`"),
    ("alias is the SPIFFE ID of nobody yet", _alias, {"name": "z", "aliases": ["spiffe://example.org/agent/later"]},
     "alias_taken", "`later`"),
    ("name is another's alias", _alias, {"name": "taken"}, "alias_taken", "`other`"),
]  # fmt: skip


@pytest.mark.parametrize(("prepare", "bad", "code", "named"), [r[1:] for r in CONFLICTS], ids=[r[0] for r in CONFLICTS])
def test_one_bad_entry_and_nothing_happens(
    home: Agents, prepare: Any, bad: dict[str, Any], code: str, named: str
) -> None:
    prepare(home)
    size, before = home.size(), agents.everyone(home.house)
    wanted = apply_agents.read("a.yaml", file({"name": "fine"}, bad, {"name": "fine-too"}))
    for act in (apply_agents.dry_run, apply_agents.apply):
        with pytest.raises(ConflictError) as caught:
            act(home.house, wanted)
        assert caught.value.code == code
        assert named in caught.value.message
    assert (home.size(), agents.everyone(home.house)) == (size, before)


def test_aliases_that_mean_no_other_are_taken(home: Agents) -> None:
    _alias(home)
    assert apply(home, {"name": "z", "aliases": ["spiffe://example.org/agent/z", "spiffe://elsewhere.org/agent/other"]})
    change(home.house, "other", "retire", None)
    assert apply(home, {"name": "y", "aliases": ["taken"]}) == ["+y"]  # what a retired agent was called is free


def test_an_alias_moves_within_one_file(home: Agents) -> None:
    apply(home, {"name": "a", "aliases": ["x", "y"]}, {"name": "b"})
    then = home.now
    home.now += 1_000_000
    assert apply(home, {"name": "b", "aliases": ["x"]}, {"name": "a", "aliases": ["y"]}) == ["~b", "~a"]
    now, before = agents.known_as(home.house, "x"), agents.known_as(home.house, "x", agents.below_of(home.house, then))
    assert (now and now.name, before and before.name) == ("b", "a")


def test_policy_questions_may_use_an_alias_and_no_name_is_one(home: Agents) -> None:
    apply(home, {"name": "a", "aliases": ["mira@example.org"]})
    for name in ("a", "mira@example.org", "spiffe://example.org/agent/a"):
        assert home.decision(name) == "permitted"
    assert home.decision("mira@example.com") == "invalid_request"
    with pytest.raises(NotFoundError):  # what acts names its agent itself
        home.task(agent="mira@example.org")
    apply(home, {"name": "a"})
    assert home.decision("mira@example.org") == "invalid_request"
    apply(home, {"name": "b", "aliases": ["c"]})
    with pytest.raises(ConflictError, match="is an alias of agent `b`"):
        register(home.house, Registration("c", "o", "p"))


TEXT = "nhictl_agents: 1\nagents:\n  - name: a\n    owner: {owner}\n    purpose: p\n{more}"
MALFORMED = [
    ("owner: not printable", TEXT.format(owner='"a\\u202eb"', more=""), 4, 12),
    ("owner: two lines", TEXT.format(owner='"a\\nb"', more=""), 4, 12),
    ("owner: long", TEXT.format(owner="x" * 501, more=""), 4, 12),
    ("env: not ascii", TEXT.format(owner="o", more="    env: é\n"), 6, 10),
    ("group: not ascii", TEXT.format(owner="o", more="    groups: [é]\n"), 6, 13),
    ("label: a space", TEXT.format(owner="o", more="    labels: {k: a b}\n"), 6, 13),
    ("alias: not ascii", TEXT.format(owner="o", more="    aliases: [é]\n"), 6, 14),
    ("trust", TEXT.format(owner="o", more="    trust: 4\n"), 6, 12),
    ("unknown key", TEXT.format(owner="o", more="    state: active\n"), 6, 5),
    ("twice", TEXT.format(owner="o", more="  - {name: a, owner: o, purpose: p}\n"), 6, 12),
]


@pytest.mark.parametrize(("text", "line", "column"), [r[1:] for r in MALFORMED], ids=[r[0] for r in MALFORMED])
def test_malformed_is_refused_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as caught:
        apply_agents.read("a.yaml", text.encode())
    assert (caught.value.details["line"], caught.value.details["column"]) == (line, column)
    assert caught.value.message.startswith(f"a.yaml:{line}:{column}: ")


def test_the_sample_applies_cleanly(home: Agents) -> None:
    wanted = apply_agents.read("agents.yaml", SAMPLE.read_bytes())
    assert len(apply_agents.apply(home.house, wanted)[0]) == 5
    assert apply_agents.dry_run(home.house, wanted) == []


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
WORDS = st.text("abcXYZ019._-:/@\"\\'{}#", min_size=1, max_size=8)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,5}[a-z0-9])?", fullmatch=True)


@st.composite
def listings(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The agents of a valid file; aliases hold the name, so that they mean no other."""
    from unicodedata import normalize

    def one(name: str) -> dict[str, Any]:
        made: dict[str, Any] = {"name": name}
        made |= {key: normalize("NFC", draw(TEXTS)) for key in ("owner", "purpose")}
        optional: dict[str, st.SearchStrategy[Any]] = {
            "env": WORDS, "trust": st.integers(0, 3), "labels": st.dictionaries(WORDS, WORDS, max_size=3),
            "groups": st.lists(WORDS, min_size=1, max_size=3, unique=True), "attested": st.booleans(),
            "expires": st.sampled_from(["2020-01-01", "2027-06-30", "2030-01-01T12:00:00.5+02:00"]),
            "aliases": st.lists(WORDS.map(lambda w: f"{name}|{w}"), min_size=1, max_size=2, unique=True),
        }  # fmt: skip
        return made | {key: draw(values) for key, values in optional.items() if draw(st.booleans())}

    return [one(name) for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Agents:
    return Agents(tmp_path_factory.mktemp("bare"))


def content(home: Agents) -> dict[str, list[Any]]:
    """The attributes that `agent list` shows, by name."""
    shown = ["expires" if name == "expires_us" else name for name in ATTRIBUTES]
    return {agent["name"]: [agent[name] for name in shown] for agent in agents.everyone(home.house)}


def stated(data: bytes) -> dict[str, list[Any]]:
    """The attributes that a file states, by name, as they are shown."""
    from nhictl.core.times import rfc3339

    found = {}
    for agent in parse_agents("f", data):
        values = [getattr(agent, name) for name in ATTRIBUTES]
        values = [list(v) if isinstance(v, tuple) else v for v in values]
        at = ATTRIBUTES.index("expires_us")
        values[at] = rfc3339(values[at]) if values[at] is not None else None
        found[agent.name] = values
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(first=listings(), second=listings())
def test_a_file_applied_is_what_there_is_and_again_it_is_nothing(
    bare: Agents, first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    home = bare.copy()
    one, two = file(*first), file(*second)
    for data, expected in ((one, stated(one)), (two, stated(one) | stated(two))):
        wanted = apply_agents.read("f", data)
        size, due = home.size(), apply_agents.dry_run(home.house, wanted)
        done, head = apply_agents.apply(home.house, wanted)
        assert [c.to_json() for c in done] == [c.to_json() for c in due]
        assert head.size == size + len(done)
        assert content(home) == expected
        assert apply_agents.dry_run(home.house, wanted) == []
        again, unmoved = apply_agents.apply(home.house, wanted)
        assert again == []
        assert unmoved == head
    home.house.close()
