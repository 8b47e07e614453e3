"""Agents files: what they take, and what they refuse with its place."""

from __future__ import annotations

import pytest

from nhictl.core.policy.registry import Agent, Registry, parse_agents
from nhictl.errors import InputError

ONE = "  - {name: a, owner: o, purpose: p"
CASES: list[tuple[str, str, str, int, int]] = [
    ("no version", "agents: []\n", "`nhictl_agents: 1` is missing", 1, 1),
    ("empty", "nhictl_agents: 1\nagents: []\n", "`agents` must not be empty", 2, 9),
    ("unknown key", f"nhictl_agents: 1\nagents:\n{ONE}, envv: x}}\n", "unknown key `envv`", 3, 37),
    ("state is not for files", f"nhictl_agents: 1\nagents:\n{ONE}, state: retired}}\n", "unknown key `state`", 3, 37),
    ("no owner", "nhictl_agents: 1\nagents:\n  - {name: a, purpose: p}\n", "an agent lacks `owner`", 3, 5),
    ("upper case", "nhictl_agents: 1\nagents:\n  - {name: Bot, owner: o, purpose: p}\n", "no agent name", 3, 12),
    ("ends in a dot", "nhictl_agents: 1\nagents:\n  - {name: a., owner: o, purpose: p}\n", "no agent name", 3, 12),
    ("too long", f"nhictl_agents: 1\nagents:\n  - {{name: {'a' * 65}, owner: o, purpose: p}}\n", "no agent name", 3, 12),
    ("trust", f"nhictl_agents: 1\nagents:\n{ONE}, trust: 4}}\n", "`trust` must be", 3, 44),
    ("trust as bool", f"nhictl_agents: 1\nagents:\n{ONE}, trust: true}}\n", "`trust` must be", 3, 44),
    ("duration", f"nhictl_agents: 1\nagents:\n{ONE}, expires: 90d}}\n", "`expires` is not an RFC 3339", 3, 46),
    ("no such date", f"nhictl_agents: 1\nagents:\n{ONE}, expires: 2026-02-30}}\n", "does not exist", 3, 46),
    ("same name", f"nhictl_agents: 1\nagents:\n{ONE}}}\n{ONE}}}\n", "two agents are called `a`", 4, 12),
    ("alias of another", f"nhictl_agents: 1\nagents:\n{ONE}}}\n  - {{name: b, owner: o, purpose: p, aliases: [a]}}\n",
     "two agents are called `a`", 4, 47),
    ("alias as text", f"nhictl_agents: 1\nagents:\n{ONE}, aliases: x}}\n", "`aliases` must be a list", 3, 46),
    ("label as number", f"nhictl_agents: 1\nagents:\n{ONE}, labels: {{k: 1}}}}\n", "label `k` must be a string", 3, 49),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message", "line", "column"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_refused_with_its_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as caught:
        parse_agents("a.yaml", text.encode())
    assert message in caught.value.message
    assert caught.value.details == {"file": "a.yaml", "line": line, "column": column}


def test_names_and_attributes() -> None:
    text = (
        f"nhictl_agents: 1\nagents:\n{ONE}, expires: '2026-11-23T13:00:00+01:00', groups: [h, g], labels: {{k: v}}}}\n"
    )
    (agent,) = parse_agents("a.yaml", text.encode())
    assert agent.to_mapping() == {
        "name": "a", "owner": "o", "purpose": "p", "trust": 0, "state": "active", "expires_us": 1_795_435_200_000_000,
        "attested": False, "groups": ["g", "h"], "labels": {"k": "v"}, "aliases": [],
    }  # fmt: skip
    for name in ("a", "a1", "a" * 64, "0.x_y-z"):
        parse_agents("f", f"nhictl_agents: 1\nagents: [{{name: '{name}', owner: o, purpose: p}}]".encode())


def test_a_registry_refuses_two_of_one_name() -> None:
    with pytest.raises(InputError, match="two agents are called `a`"):
        Registry([Agent("a", "o", "p"), Agent("b", "o", "p", aliases=["a"])])
