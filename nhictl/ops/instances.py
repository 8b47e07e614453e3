"""Running copies: which one the caller is, unless it says, and suspending one while the others go on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.identity import spiffe
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import agents
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import belongings, svids
from nhictl.store.cuts import Cut

MAX_LENGTH: Final = 128
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Instance(NamedTuple):
    """An instance id and where it comes from: `given`, `claimed` (CI's environment, which a job can set), `verified` (the
    claims of a CI job's own token) or `host`.
    """

    id: str
    source: str


def chosen(given: str | Instance | None) -> Instance:
    """The instance that was named or found, else this one; InputError (2) for what is no instance id."""
    if isinstance(given, Instance):
        return given
    if given is None:
        return this_instance()
    check(given)
    return Instance(given, "given")


def check(text: str) -> None:
    """InputError (2) for what is no instance id."""
    if why := spiffe.instance_fault(text):
        raise InputError(f"`{text}` is no instance: {why}", code="invalid_instance")


def this_instance(
    env: Mapping[str, str] | None = None, proc: Path = Path("/proc"), leader: int | None = None
) -> Instance:
    """One running copy of the caller: its CI job if CI's variables are there, else its session on this boot of this host.

    A session is told by its leader's pid and start time inside its pid namespace, so that neither a reused pid nor the
    same pid in another container is taken for it. A leader outside the namespace has no pid in it (0): then the session
    is told by the namespace's first process, which is what a container's one session amounts to. `leader` is
    another process to be told by.
    """
    found = _ci(os.environ if env is None else env)
    if found is not None:
        return Instance(_short(f"claimed.{found}"), "claimed")
    if leader is None:
        leader = os.getsid(0)
    parts = (
        _clean(os.uname().nodename)[:48] or "host",
        _boot(proc),
        pid_namespace(proc),
        leader,
        start_of(proc, leader or 1),
    )
    return Instance(_short("host." + ".".join(str(part) for part in parts)), "host")


def _ci(env: Mapping[str, str]) -> str | None:
    run, attempt, job = (env.get(f"GITHUB_{name}", "") for name in ("RUN_ID", "RUN_ATTEMPT", "JOB"))
    if _number(run) and _number(attempt) and job:
        return f"github.{run}.{attempt}.{_clean(job)}"
    job = env.get("CI_JOB_ID", "")
    return f"gitlab.{job}" if _number(job) else None


def _number(text: str) -> bool:
    return 1 <= len(text) <= 20 and text.isascii() and text.isdigit()


def _clean(text: str) -> str:
    return "".join(c if c in _PLAIN else "_" for c in text)


def _short(text: str) -> str:
    """The text, or its beginning and a digest of the whole if it is too long."""
    if len(text) <= MAX_LENGTH:
        return text
    return f"{text[: MAX_LENGTH - 17]}.{sha256(text.encode()).hexdigest()[:16]}"


def _boot(proc: Path) -> str:
    try:
        return (
            _clean((proc / "sys/kernel/random/boot_id").read_text(encoding="ascii")[:13].replace("-", "")) or "unknown"
        )
    except (OSError, ValueError):
        return "unknown"


def pid_namespace(proc: Path) -> str:
    """The number of our pid namespace, `unknown` where that cannot be read."""
    try:
        name = str((proc / "self/ns/pid").readlink())  # pid:[4026531836]
    except OSError:
        return "unknown"
    return "".join(c for c in name if c.isdigit()) or "unknown"


def start_of(proc: Path, pid: int) -> str:
    """When a process started, in clock ticks since boot (proc(5), field 22); the name before it may hold anything."""
    try:
        stat = (proc / str(pid) / "stat").read_bytes()
        return str(int(stat[stat.rindex(b")") + 1 :].split()[19]))
    except (OSError, ValueError, IndexError):
        return "unknown"


def refuse_suspended(act: Act | House, agent: table.AgentRow, instance: str) -> None:
    """ConflictError (5) if that instance of the agent is suspended."""
    if belongings.is_suspended(act.db, agent.id, instance):
        hint = f"nhictl agent resume {agent.name} --instance {instance}"
        raise wrong_state("instance", instance, "suspended", hint)


def change(house: House, name: str, instance: str, verb: str, reason: str | None) -> tuple[dict[str, Any], int, Head]:
    """`suspend` or `resume` one instance; returns the agent, how many live tokens it stopped or brought back, and the head.

    NotFoundError (4) for an unknown agent, or an instance that no task and no certificate of it
    was ever bound to; ConflictError (5) for
    a retired agent, or if the instance is in that state already. The agent's other instances go on.
    """
    from nhictl.ops import standing

    check(instance)
    stop = verb == "suspend"

    def decide(act: Act) -> tuple[dict[str, Any], int]:
        row = agents.find(act.house, name)
        if row.state == "retired":
            raise wrong_state("agent", row.name, row.state)
        if not belongings.known(act.db, row.id, instance):
            raise NotFoundError(
                f"agent `{row.name}` has had no task or certificate in instance `{instance}`", code="instance_unknown",
                hint=f"nhictl task list --agent {row.name}",
            )  # fmt: skip
        if belongings.is_suspended(act.db, row.id, instance) == stop:
            state = "suspended" if stop else "active"
            raise ConflictError(f"instance `{instance}` is {state}", code=f"instance_{state}")
        if not stop:  # first, so that what it brings back is live
            belongings.set_state(act.db, row.id, instance, act.seq, "active")
        live = standing.count(act.house, Cut("instance", value=instance, agent=row.id), act.now_us).live
        ext = {"live_tokens": live}
        if stop and (certificates := svids.live(act.db, row.id, act.now_us // 1_000_000, instance).number):
            ext["live_svids"] = certificates
        seq = act.record(
            "instance.suspended" if stop else "instance.resumed", agent=row.name, inst=instance,
            sealed={"reason": reason} if reason else None, ext=ext,
        )  # fmt: skip
        if stop:
            belongings.set_state(act.db, row.id, instance, seq, "suspended")
        return agents.to_json(act.house, row, act.now_us), live

    (agent, live), head = transact(house, decide, grants=not stop)
    from nhictl.ops.publish_trust import spread

    spread(house)
    return agent, live, head
