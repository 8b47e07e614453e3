"""`trust add|list|remove|lint`: which foreign issuers are believed, for what; every change is recorded and kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.token.claims import still_good
from nhictl.core.trust.value import Trust
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import agents, end_task, policies
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import log, sqlite
from nhictl.store import trusts as table

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.trust.document import Source
    from nhictl.core.trust.lint import Finding

MAX_FILE: Final = 1_000_000
LATEST = agent_table.LATEST


class Linted(NamedTuple):
    """A trust as it was read, and what there is to say about it."""

    source: Source
    findings: list[Finding]

    @property
    def valid(self) -> bool:
        """Whether it may be added: no finding is an error."""
        return not any(finding.error for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """`{"id","valid","findings"}` as for a key set; the id is the trust's name."""
        said = [finding.to_json(self.source) for finding in self.findings]
        return {"id": self.source.trust.name, "valid": self.valid, "findings": said}


class Refused(NamedTuple):
    """A trust that was not added, because lint found errors."""

    linted: Linted


def look(file: str, data: bytes, policy: Policy | None = None) -> Linted:
    """Read and lint a trust file; InputError (2) with its place if it is malformed."""
    from nhictl.core.trust.document import read
    from nhictl.core.trust.lint import lint

    folder = Path() if file in ("-", "<stdin>") else Path(file).parent

    def read_file(name: str) -> tuple[str, bytes]:
        path = folder / name
        try:
            with path.open("rb") as handle:
                found = handle.read(MAX_FILE + 1)
        except (OSError, ValueError) as e:
            why = (getattr(e, "strerror", None) or str(e)).lower()
            raise InputError(f"cannot read the key set `{path}`: {why}", code="unreadable") from e
        if len(found) > MAX_FILE:
            raise InputError(f"`{path}` is over {MAX_FILE} bytes", code="too_large")
        return str(path), found

    source = read("<stdin>" if file == "-" else file, data, read_file, policy)
    return Linted(source, lint(source))


def add(
    house: House, file: str, data: bytes, *, replace: bool = False
) -> tuple[Refused | tuple[dict[str, Any], list[dict[str, Any]]], Head | None]:
    """Put a trust in force, and return it with lint's warnings; `Refused` if lint finds an error.

    With `replace` one of the same name ends in the same act, so that keys can be renewed without a gap. NotFoundError
    (4) for an unknown agent; ConflictError (5) if the name is taken, the agent retired, or the issuer ourselves.
    """
    linted = look(file, data, policies.active(house))
    if not linted.valid:
        return Refused(linted), None
    trust = linted.source.trust
    if trust.issuer == house.meta["issuer"]:
        raise ConflictError("the issuer is this authority itself: its tokens cannot open tasks", code="issuer_own")

    def decide(act: Act) -> dict[str, Any]:
        agent = agents.find(act.house, trust.agent)
        if agent.state == "retired":
            raise wrong_state("agent", agent.name, agent.state)
        before = table.newest(act.db, trust.name)
        standing = before is not None and before.ended is None
        if standing and not replace:
            raise ConflictError(
                f"there is a trust `{trust.name}`", code="trust_exists", hint="give --replace to put this one in its place"
            )  # fmt: skip
        ext: dict[str, Any] = {
            "trust": trust.name,
            "iss": trust.issuer,
            "jwks": trust.key_digest,
            "trust_sha256": trust.digest,
        }
        if before is not None and standing:
            ext["replaces"] = before.seq
        seq = act.record("trust.added", agent=agent.name, sealed={"trust": trust.to_json()}, ext=ext)
        if before is not None and standing:
            table.end(act.db, before.id, seq)
        table.add(act.db, trust.name, seq, trust.digest, strict_json.dumps(trust.to_json()))
        return to_json(act.house, find(act.house, trust.name), act.now_us)

    made, head = transact(house, decide)
    return (made, linted.to_json()["findings"]), head


def remove(
    house: House, name: str, reason: str | None, *, end_tasks: bool = False
) -> tuple[dict[str, Any], table.Counts, int, Head]:
    """End a trust: no exchange from now on. Returns it, what is still open through it, how many tasks ended, the head.

    Tasks that were opened through it stand on their own and go on, unless `end_tasks` kills them in the same act.
    NotFoundError (4) for one that is not in force.
    """

    def decide(act: Act) -> tuple[dict[str, Any], table.Counts, int]:
        row = find(act.house, name)
        counts = table.counts(act.db, name, act.now_us, still_good(act.now_us))
        going = table.open_tasks(act.db, name, act.now_us) if end_tasks else []
        ext = {
            "trust": name,
            "open_tasks": counts.open_tasks,
            "live_tokens": counts.live_tokens,
            "ended_tasks": len(going),
        }
        trust = Trust.from_json(row.doc)
        sealed = {"reason": reason} if reason else None
        seq = act.record("trust.removed", agent=trust.agent, sealed=sealed, ext=ext)
        table.end(act.db, row.id, seq)
        for task in going:
            end_task.ending(task, "killed", reason)(act)
        return to_json(act.house, row._replace(ended=seq), act.now_us), counts, len(going)

    (trust, counts, ended), head = transact(house, decide, grants=False)
    return trust, counts, ended, head


def find(house: House, name: str, below: int = LATEST) -> table.TrustRow:
    """The trust of that name that is in force; NotFoundError (4)."""
    row = table.newest(house.db, name, below)
    if row is None or row.ended is not None:
        gone = "" if row is None else f": it was removed by record {row.ended}"
        raise NotFoundError(f"no trust `{name}`{gone}", code="trust_unknown", hint="nhictl trust list")
    return row


def to_json(house: House, row: table.TrustRow, at_us: int, below: int = LATEST) -> dict[str, Any]:
    """The trust as `nhictl.trust/v1` shows it."""
    trust = Trust.from_json(row.doc)
    counts = table.counts(house.db, row.name, at_us, still_good(at_us), below)
    return {
        "name": trust.name,
        "state": "in_force" if row.ended is None else "removed",
        "provider": trust.provider,
        "issuer": trust.issuer,
        "audience": trust.audience,
        "match": trust.match,
        "agent": trust.agent,
        "intents": trust.intents,
        "scope": trust.scope,
        "token_audiences": trust.token_audiences,
        "deadline": times.duration(trust.deadline_s),
        "ttl": times.duration(trust.ttl_s),
        "max_tokens": trust.max_tokens,
        "max_calls": trust.max_calls,
        "max_lifetime": times.duration(trust.max_lifetime_s),
        "algorithms": trust.algorithms,
        "keys": [{"kid": key.get("kid"), "kty": key.get("kty"), "alg": key.get("alg")} for key in trust.keys],
        "jwks": trust.key_digest,
        "digest": row.digest,
        "seq": row.seq,
        "since": _since(house, row.seq),
        "tasks": counts.tasks,
        "open_tasks": counts.open_tasks,
        "live_tokens": counts.live_tokens,
    }


def _since(house: House, seq: int) -> str | None:
    found = log.time(house.db, seq)
    return times.rfc3339(found) if found is not None else None


def everything(house: House, at_us: int | None = None) -> list[dict[str, Any]]:
    """The trusts in force now or at a moment, by name."""
    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the trusts"):
        below = agents.below_of(house, at_us)
        return [to_json(house, row, now, below) for row in table.in_force(house.db, below)]
