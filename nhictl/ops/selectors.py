"""What `token revoke` can name: one token, or what a cut-off covers, narrowed by agent and time of issue."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.token import compact
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError, NotFoundError
from nhictl.ops import agents, instances, tasks
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store.cuts import Cut

_KINDS: Final = ("jti", "token", "task", "instance", "kid", "principal", "ci_run")
_NAMES: Final = "--jti, --token-file, --task, --agent, --instance, --kid, --principal, --issued, --ci-run"


class Selector(NamedTuple):
    """A jti; a token's text; a task id; an instance; the kid of a key of ours; a principal; a CI run; an agent's name; or
    times of issue, half-open, in microseconds.

    One of them. Beside those that name no token, `agent` and `issued` may stand as well: then only that agent's tokens,
    only those issued then.
    """

    jti: str | None = None
    token: bytes | None = None
    task: str | None = None
    agent: str | None = None
    instance: str | None = None
    kid: str | None = None
    principal: str | None = None
    issued: tuple[int, int] | None = None
    ci_run: str | None = None

    def kind(self) -> str:
        """Which one it is, by the name of its option; InputError (2) if that is not one."""
        named = [name for name in _KINDS if getattr(self, name) is not None]
        if len(named) > 1 or (not named and self.agent is None and self.issued is None):
            raise InputError(f"name what to revoke: one of {_NAMES}", code="usage")
        if not named:
            return "agent" if self.agent is not None else "issued"
        if named[0] in ("jti", "token") and (self.agent is not None or self.issued is not None):
            raise InputError("--jti and --token-file name one token: nothing narrows them", code="usage")
        if named[0] == "task" and self.agent is not None:
            raise InputError("a task has one agent: --task and --agent exclude each other", code="usage")
        return named[0].replace("_", "-")


class Chosen(NamedTuple):
    """A cut-off, what it is called where people read it, and what its record says: members, `ext`, sealed content."""

    cut: Cut
    name: str
    fields: dict[str, Any]
    ext: dict[str, Any]
    sealed: dict[str, Any]


def choose(house: House, selector: Selector) -> Chosen:
    """The cut-off that a selector names; NotFoundError (4) for an unknown task, agent or key, InputError (2)."""
    kind = selector.kind()
    fields: dict[str, Any] = {}
    ext: dict[str, Any] = {"selector": kind}
    sealed: dict[str, Any] = {}
    cut, name = Cut(kind), "the times of issue"
    if kind == "task":
        row = tasks.find(house, selector.task or "")
        cut, name, fields["task"] = cut._replace(ref=row.id), f"task `{row.name}`", row.name
    elif kind == "instance":
        instances.check(selector.instance or "")
        cut, name = cut._replace(value=selector.instance), f"instance `{selector.instance}`"
        fields["inst"] = selector.instance
    elif kind == "kid":
        cut, name, ext["kid"] = cut._replace(ref=_key(house, selector.kid or "")), f"key `{selector.kid}`", selector.kid
    elif kind == "principal":
        cut, name = cut._replace(value=_text("--principal", selector.principal)), "that principal"
        sealed["principal"] = selector.principal  # personal data: the line has a commitment only
    elif kind == "ci-run":
        cut, name = cut._replace(value=_text("--ci-run", selector.ci_run)), f"CI run `{selector.ci_run}`"
        ext["run"] = selector.ci_run
    if selector.agent is not None:
        agent = agents.find(house, selector.agent)
        fields["agent"] = agent.name
        if kind == "agent":
            cut, name = cut._replace(ref=agent.id), f"agent `{agent.name}`"
        else:
            cut, name = cut._replace(agent=agent.id), f"{name}, agent `{agent.name}`"
    if selector.issued is not None:
        from_s, to_s = _seconds(*selector.issued)
        cut = cut._replace(from_s=from_s, to_s=to_s)
        ext |= {"from": times.rfc3339(from_s * 1_000_000), "to": times.rfc3339(to_s * 1_000_000)}
        name = f"{name} from {ext['from']} to {ext['to']}"
    return Chosen(cut, name, fields, ext, sealed)


def _seconds(from_us: int, to_us: int) -> tuple[int, int]:
    """Whole seconds, since a token's own time of issue (`iat`) is one; what begins or ends inside a second takes all of it."""
    if from_us >= to_us:
        raise InputError("--issued A..B: A has to be before B", code="usage", hint="B itself is not in it")
    return from_us // 1_000_000, -(-to_us // 1_000_000)


def _text(option: str, text: str | None) -> str:
    if not text or len(text) > 500 or not text.isprintable():
        raise InputError(f"{option} is 1 to 500 printable characters", code="usage")
    return text


def _key(house: House, kid: str) -> int:
    found = [row.id for row in table.keys(house.db, "token") if row.kid == kid]
    if not found:
        raise NotFoundError(
            f"no token key `{kid[:64]}` here", code="key_unknown", hint="a token's header names its kid"
        )
    return found[0]


def jti_of(token: bytes) -> str:
    """The jti a token names. It need not verify to be revoked; whoever holds it may end it."""
    try:
        _, (_, body, _) = compact.split(token)
        value = strict_json.loads(body)
    except RejectedError as e:
        raise InputError(f"not a token: {e.reason}", code=e.reason) from e
    except strict_json.StrictJSONError as e:
        raise InputError(f"not a token: {e}", code="claims_bad_json") from e
    jti = value.get("jti") if isinstance(value, dict) else None
    if not isinstance(jti, str):
        raise InputError("not a token: it names no jti", code="claim_missing:jti")
    return jti
