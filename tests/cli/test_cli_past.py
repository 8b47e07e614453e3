"""Questions about the past are answered as they would have been, and say that they are hypothetical."""

from __future__ import annotations

import time

from nhictl.core.times import rfc3339
from tests.cli.cli_help import AUDIENCE, Program


def now() -> str:
    """This very moment; what is recorded next is later."""
    text = rfc3339(time.time_ns() // 1000)
    time.sleep(0.001)
    return text


def test_agents_of_the_past(authority: Program) -> None:
    active = now()
    authority.ok("agent", "suspend", "report-bot")
    suspended = now()
    authority.ok("agent", "retire", "report-bot")
    states = [
        authority("agent", "show", "report-bot", "--at", at, "--json").json["agent"]["state"]
        for at in (active, suspended, "now")
    ]
    assert states == ["active", "suspended", "retired"]
    assert authority("agent", "show", "report-bot", "--at", "2020-01-01").code == 4
    assert authority("agent", "list", "--at", "2020-01-01", "--json").json["items"] == []


def test_lists_of_tokens(governed: Program) -> None:
    first, second = governed.task(), governed.task()
    kept, other = (
        governed.ok("token", "issue", "--task", task, "--audience", AUDIENCE)["jti"] for task in (first, second)
    )
    issued = now()
    governed.ok("token", "revoke", "--task", second)

    def jtis(*more: str) -> list[object]:
        return [item["jti"] for item in governed("token", "list", *more, "--json").json["items"]]

    assert jtis() == [kept, other]
    assert jtis("--task", first) == [kept]
    assert jtis("--live") == [kept]
    assert jtis("--live", "--at", issued) == [kept, other]
    assert jtis("--at", "2020-01-01T00:00:00Z") == []
    shown = governed("token", "show", str(other), "--json").json["token"]
    assert (shown["jti"], shown["state"], shown["task"]) == (other, "revoked", second)
    assert governed("token", "show", str(other), "--at", issued, "--json").json["token"]["state"] == "live"


def test_the_past_is_answered_as_it_was(governed: Program) -> None:
    before_task = now()
    task = governed.task()
    before_token = now()
    token = governed.token(task)
    alive = now()
    governed.ok("task", "kill", task)
    answers = {at: governed.verify(token, "--at", at) for at in (before_token, alive, "now", "+2h")}
    assert [(done.code, done.json["reason"]) for done in answers.values()] == [
        (1, "token_unknown"),
        (0, "valid"),
        (1, "task_killed"),
        (1, "token_expired"),
    ]
    for done in answers.values():
        assert (done.json["hypothetical"], done.json["recorded"]) == (True, False)
    states = {at: governed("task", "show", task, "--at", at, "--json") for at in (before_task, alive, "now")}
    assert states[before_task].code == 4
    assert states[alive].json["task"]["state"] == "open"
    assert states["now"].json["task"]["state"] == "killed"
    assert governed("task", "list", "--at", before_task, "--json").json["items"] == []
    assert governed("task", "show", governed.task(), "--at", "+2h", "--json").json["task"]["state"] == "closed"
