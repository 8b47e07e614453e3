"""Policies and agents that a question is about: from files, which need no home, or from the home."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nhictl.errors import InputError, NotFoundError
from nhictl.ops import policies
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import sqlite, work

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.places import Places
    from nhictl.core.policy.registry import Agent

MAX_FILE = 10_000_000
ACTIVE = "@active"
_ENDINGS = (".yaml", ".yml", ".json")
File = tuple[str, bytes]


def joined(name: str, read: Callable[[str, int], bytes]) -> list[File]:
    """The files that one argument names: a file, several with commas between, or a folder with all its YAML and JSON."""
    path = Path(name)
    if name != "-" and path.is_dir():
        found = sorted(str(each) for each in path.iterdir() if each.suffix in _ENDINGS and each.is_file())
        if not found:
            raise InputError(f"no policy file in `{name}`", hint=f"files that end in {', '.join(_ENDINGS)}")
        return [(each, read(each, MAX_FILE)) for each in found]
    if "," in name and not path.exists():
        return [(each, read(each, MAX_FILE)) for each in name.split(",")]
    return [(name, read(name, MAX_FILE))]


def parsed(files: Sequence[File], places: Places | None = None) -> Policy:
    """The policy that files make together."""
    from nhictl.core.policy.document import parse_policy

    return parse_policy(files, places)


def registered(file: File, now_us: int) -> list[Agent]:
    """The agents of an agents file that are not expired."""
    from nhictl.core.policy.registry import parse_agents

    return _living(parse_agents(*file), now_us)


def at_home(house: House) -> list[Agent]:
    """The agents of the home that may act: active and not expired."""
    with sqlite.guarded("read the agents"):
        rows = agent_table.everyone(house.db, agent_table.LATEST)
    return _living([policies.agent_facts(row) for row in rows], house.clock())


def _living(agents: list[Agent], now_us: int) -> list[Agent]:
    return [
        agent for agent in agents if agent.state == "active" and (agent.expires_us is None or now_us < agent.expires_us)
    ]  # fmt: skip


def active_files(house: House) -> list[File]:
    """The source files of the policy in force; NotFoundError (4) if there is none."""
    with sqlite.guarded("read the policy"):
        row = work.active_policy(house.db, agent_table.LATEST)
    if row is None:
        raise NotFoundError("no policy is in force", code="no_policy", hint="nhictl policy activate FILE")
    return [(name, text.encode()) for name, text in json.loads(row[3])]
