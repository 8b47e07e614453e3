"""Steps 14 to 20 as data, where not the token is wrong but what the authority knows of it, or what is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze
from nhictl.ops.revoke_token import Selector, revoke
from tests.ops.token_home import AUDIENCE, Case
from tests.ops.token_vectors import Vector


def agent_is(verb: str) -> Callable[[Case], None]:
    """Suspend or retire the agent."""

    def carry_out(case: Case) -> None:
        change(case.house, "report-bot", verb, None)

    return carry_out


def task_is(outcome: str) -> Callable[[Case], None]:
    """Close or kill the task."""

    def carry_out(case: Case) -> None:
        end_task(case.house, case.authority.task, outcome, None)

    return carry_out


def revoked(**selector: Any) -> Callable[[Case], None]:
    """Revoke by one selector; a callable value is asked with the case."""

    def carry_out(case: Case) -> None:
        given = {k: v(case) if callable(v) else v for k, v in selector.items()}
        revoke(case.house, Selector(**given), None)

    return carry_out


def frozen(kind: str, value: str) -> Callable[[Case], None]:
    """Freeze somebody."""

    def carry_out(case: Case) -> None:
        freeze(case.house, kind, value, "x")

    return carry_out


def sql(statement: str, *values: Any) -> Callable[[Case], None]:
    """Change the store; a callable value is asked with the case."""
    return lambda case: case.sql(statement, *(v(case) if callable(v) else v for v in values))


def asked(**question: Any) -> Callable[[Case], None]:
    """Ask about another call."""
    return lambda case: case.asked.update(question)


def _unlinked(change: Callable[[Case], None]) -> Callable[[Case], None]:
    def both(case: Case) -> None:
        case.linked = False
        change(case)

    return both


def _calls_used_up(case: Case) -> None:
    case.sql("UPDATE task SET doc = json_set(doc, '$.max_calls', 2), calls = 2 WHERE name = ?", case.authority.task)


def _jti(case: Case) -> bytes:
    return case.jti


_EXPIRED: Final = "UPDATE agent_version SET doc = json_set(doc, '$.expires_us', ?)"
_LATE: Final = "UPDATE task SET doc = json_set(doc, '$.deadline_us', ?)"
_GONE: Final = (
    "UPDATE task SET lease = json_object('seq', 1, 'host', 'h', 'boot', 'b', 'pid_namespace', '1', 'pid', 1, 'start', '1')"
    " WHERE name = ?"
)
_USES: Final = "UPDATE token SET uses = ? WHERE jti = ?"
_PLAIN: Final[dict[str, Any]] = {"args": {}, "resource": None}

STATE: Final[list[Vector]] = [
    Vector("the agent is suspended", agent_is("suspend"), 14, "agent_suspended", "agent"),
    Vector("the agent is retired", agent_is("retire"), 14, "agent_retired", "agent cut"),
    Vector("the agent has expired", sql(_EXPIRED, lambda c: c.clock.now_us), 14, "agent_retired", "agent"),
    Vector("revoked by jti", revoked(jti=lambda c: c.authority.token.jti), 17, "token_revoked", "cut"),
    Vector("revoked by the token", revoked(token=lambda c: c.authority.token.token.encode()), 17, "token_revoked", "cut"),
    Vector("cut off by task", revoked(task=lambda c: c.authority.task), 17, "token_revoked", "cut"),
    Vector("cut off by agent", revoked(agent="report-bot"), 17, "token_revoked", "cut"),
    Vector("not in the store",
           _unlinked(sql("DELETE FROM token WHERE jti = ?", _jti)), 17, "token_unknown", "cut link nhictl uses"),
    Vector("another digest in the store",
           _unlinked(sql("UPDATE token SET digest = zeroblob(32) WHERE jti = ?", _jti)), 17, "token_unknown", "link"),
    Vector("issued before the log it names",
           sql("UPDATE token SET seq = 3 WHERE jti = ?", _jti), 17, "token_unknown", "nhictl cut"),
    Vector("no use left", sql(_USES, 0, _jti), 18, "uses_exhausted", "uses"),
    Vector("the task is closed", task_is("closed"), 19, "task_closed", "task cut"),
    Vector("the task is killed", task_is("killed"), 19, "task_killed", "task cut"),
    Vector("the agent is frozen", frozen("agent", "report-bot"), 19, "frozen", "task cut"),
    Vector("all are frozen", frozen("all", ""), 19, "frozen", "task cut"),
    Vector("the task's process is gone", sql(_GONE, lambda c: c.authority.task), 19, "lease_lost", "task cut"),
    Vector("the task is past its deadline", sql(_LATE, lambda c: c.clock.now_us), 19, "task_closed", "task"),
    Vector("a tool beyond the scope", asked(tool="mail.send", **_PLAIN), 19, "authz_insufficient", "call"),
    Vector("a tool in capitals", asked(tool="Reports.Read"), 19, "authz_insufficient", "call"),
    *(
        Vector(f"args {args}", asked(args=args), 19, "authz_insufficient", "call")
        for args in ({"limit": 101}, {"limit": 100.5}, {}, {"limit": None}, {"limit": "10"}, {"limit": True},
                     {"limit": [10]}, {"Limit": 10}, {"limit": 10, "more": 1}, {"limit": {"lte": 10}})
    ),
    *(
        Vector(f"resource {resource!r}", asked(resource=resource), 19, "authz_insufficient", "call")
        for resource in (None, "https://api.example.org/reports-secret", "https://api.example.org/", "/reports",
                         AUDIENCE + "/../admin", AUDIENCE + "/%2e%2e/admin", "https://evil.example/reports", "")
    ),
    Vector("no rule for the tool", asked(tool="reports.audit", **_PLAIN), 20, "not_permitted", "call"),
    Vector("no policy at all", sql("DELETE FROM policy_version"), 20, "not_permitted", "policy"),
    Vector("a forbidden tool", asked(tool="reports.purge", **_PLAIN), 20, "forbidden", "call"),
    Vector("a tool nobody declared", asked(tool="reports.undeclared", **_PLAIN), 20, "invalid_request", "call"),
    Vector("an argument nobody declared",
           asked(tool="reports.purge", args={"x": 1}, resource=None), 20, "invalid_request", "call"),
    Vector("no call left", _calls_used_up, 20, "limit_exceeded", "calls"),
]  # fmt: skip
UNDECIDED: Final = Vector("a use-limited token", sql(_USES, 3, _jti), 18, "use_required", "uses")
