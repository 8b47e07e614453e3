"""Of each detection logs that show it, and logs that come as near as they can and do not."""

from __future__ import annotations

from tests.core.replay.detection_plays import (
    Case,
    ambient,
    answered,
    answered_twice,
    approved,
    back_by,
    bypass,
    calls,
    child_scope,
    cut,
    decided,
    delegated,
    denied_after_revoke,
    drift,
    egress,
    exchanged,
    expired,
    injected,
    issued_after_cut,
    left_credential,
    lives,
    named_there,
    opened_by,
    orphan,
    other_bytes,
    parent_revoked,
    past_deadline,
    revoked,
    scope,
    second,
    shared,
    signed_by,
    spans,
    stale,
    standing,
    two_keys,
    unknown,
    unregistered,
    unused,
)
from tests.core.replay.synthetic import SCOPE, USER

TWO = [{"tools": ["crm.read", "crm.write"]}]
ROLE = {"type": "AssumedRole", "accessKeyId": "ASIA1"}
CASES: dict[str, tuple[dict[str, Case], dict[str, Case]]] = {
    "TOKEN_AFTER_REVOKE": (
        {
            "61 s later": revoked(61), "a cut-off of its agent": cut({"selector": "agent"}, agent="bot"),
            "of its task": cut({"selector": "task"}, task="t1"), "of its instance": cut({"selector": "instance"}, inst="i1"),
            "of its key": cut({"selector": "kid", "kid": "k1"}), "of its parent": parent_revoked,
        },
        {
            "60 s later": revoked(60), "another agent's": cut({"selector": "agent"}, agent="other"),
            "another's instance": cut({"selector": "instance"}, inst="i1", agent="other"),
            "issued after": issued_after_cut, "denied": denied_after_revoke,
        },
    ),
    "TOKEN_AFTER_EXPIRY": ({"61 s later": expired(61)}, {"60 s later": expired(60), "before": expired(-1)}),
    "UNKNOWN_JTI": ({"never issued": unknown, "other bytes": other_bytes}, {"issued": revoked(0)}),
    "SCOPE_VIOLATION": (
        {
            "another tool": scope("vault.read", args={"path": "p"}), "another resource": scope("crm.read", res="s3://crm-evil/a"),
            "too much": scope("pay.send", args={"amount": 6}), "outside the child's": child_scope("vault.read"),
        },
        {
            "inside": scope("crm.read"), "the bound itself": scope("pay.send", args={"amount": 5}),
            "denied": scope("vault.read", args={"path": "p"}, effect="deny"), "inside the child's": child_scope("crm.read"),
        },
    ),
    "DECISION_MISMATCH": (
        {
            "allowed, forbidden": decided("shell.run", {"cmd": "rm"}),
            "denied, permitted": decided("shell.run", {"cmd": "ls"}, effect="deny", reason="forbidden"),
            "allowed without approval": decided("pay.send", {"amount": 500}),
        },
        {
            "allowed": decided("shell.run", {"cmd": "ls"}),
            "forbidden": decided("shell.run", {"cmd": "rm"}, effect="deny", reason="forbidden"),
            "denied by the token": decided("shell.run", {"cmd": "ls"}, effect="deny", reason="token_revoked"),
            "approved": decided("pay.send", {"amount": 500}, ext={"approvals": ["a1"]}),
            "inside its guardrail": decided("pay.send", {"amount": 100}),
        },
    ),
    "SHARED_CREDENTIAL": (
        {
            "two hosts": shared(actor={**USER, "host": "h2"}), "two instances": shared(inst="i2"),
            "two agents": shared(agent="other"), "denied there": shared(actor={**USER, "host": "h2"}, effect="deny"),
            "two keys": two_keys,
        },
        {"the same twice": shared(), "another token": shared(jti="j9", actor={**USER, "host": "h2"})},
    ),
    "DELEGATION_AMPLIFIED": (
        {
            "wider": delegated(["other"], [{"tools": ["shell.run"]}]), "longer": delegated(["other"], SCOPE, ttl=601),
            "too deep": delegated(["a", "b", "c", "d", "e", "f"], SCOPE),
            "deeper than allowed": delegated(["a", "b"], SCOPE, delegation={"max_depth": 1}),
            "back to itself": delegated(["bot"], SCOPE), "its own parent": delegated(["other"], SCOPE, parent="j2"),
        },
        {
            "the same": delegated(["other"], SCOPE, ttl=600), "narrower": delegated(["other"], [{"tools": ["crm.read"]}]),
            "five deep": delegated(["a", "b", "c", "d", "e"], SCOPE),
        },
    ),
    "ORPHAN_ACTION": (
        {"no such task": orphan, "no such parent": spans(("b", "a")), "after its child": spans(("b", "a"), ("a", None)),
         "no such token": delegated(["other"], SCOPE, parent="j0")},
        {"parent first": spans(("a", None), ("b", "a")), "delegated": delegated(["other"], SCOPE)},
    ),
    "INACTIVE_AGENT": (
        {
            "suspended": standing("agent.suspended", 61), "retired": standing("agent.retired", 61),
            "never registered": unregistered,
            "its instance": standing("instance.suspended", 61, inst="i1"),
            "frozen": standing("authority.frozen", 61, ext={"selector": "agent"}),
            "all frozen": standing("authority.frozen", 61, agent=None, ext={"selector": "all"}),
        },
        {
            "within a minute": standing("agent.suspended", 60), "resumed": standing("agent.suspended", 61, "agent.resumed"),
            "another agent": standing("agent.suspended", 61, agent="other"),
            "another instance": standing("instance.suspended", 61, inst="i2"),
            "unfrozen": standing("authority.frozen", 61, "authority.unfrozen", ext={"selector": "agent"}),
        },
    ),
    "TASK_DRIFT": (
        {"made": drift("shell.run"), "denied": drift("shell.run", "deny")},
        {"named": drift("crm.read"), "named by a glob": drift("crm.write")},
    ),
    "UNTRUSTED_ARG": (
        {"from a result": injected("evil-command-7")},
        {
            "a tool the task names": injected("evil-command-7", tool="crm.write"),
            "in the prompt too": injected("evil-command-7", prompt="run evil-command-7"),
            "in no result": injected("own-command"), "5 characters": injected("evil-"),
        },
    ),
    "SECRET_THEN_EGRESS": (
        {"to a stranger": egress("x@evil.example")},
        {
            "to whom it may": egress("boss@example.org"), "no secret": egress("x@evil.example", first="crm.read"),
            "before it": egress("x@evil.example", order=(1, 0)), "another task": egress("x@evil.example", task="t2"),
            "secret denied": egress("x@evil.example", effect="deny"),
        },
    ),
    "DENY_THEN_BYPASS": (
        {
            "another tool": bypass(tool="crm.write"), "another agent": bypass(agent="other"), "another token": bypass(jti="j2"),
            "after 10 minutes": bypass(600, tool="crm.write"),
        },
        {
            "later": bypass(600.001, tool="crm.write"), "the same again": bypass(),
            "another resource": bypass(tool="crm.write", res="s3://crm/b"), "expired": bypass(reason="token_expired", jti="j2"),
        },
    ),
    "APPROVAL_GAP": (
        {
            "never asked": approved(asked=1, granted=False), "not granted": approved(granted=False),
            "for other arguments": approved(asked=400), "used twice": approved(used=2), "taken back": approved(denied=True),
            "by who asked": approved(signed=False, by="uid:1000"),
        },
        {
            "granted": approved(), "inside a guardrail": approved(amount=50, granted=False, guarded=True),
            "by another, unsigned": approved(signed=False), "no class": approved(tool="crm.read", granted=False),
        },
    ),
    "STALE_AUTHORITY": (
        {
            "used": stale(61), "killed": stale(61, kind="task.killed"), "issued": stale(61, "issue"),
            "past its deadline": past_deadline(61), "a secret left": left_credential(back=False),
            "longer than its task": lives(3661),
        },
        {"within a minute": stale(60), "at its deadline": past_deadline(0), "a secret given back": left_credential(back=True),
         "as long as its task": lives(3600)},
    ),
    "EXCESS_GRANT": (
        {"a box never used": unused(), "nothing used": unused(use=False), "too long": unused(end=False, ttl=901)},
        {"still open": unused(end=False), "all used": unused(wide=False), "as long as it may": unused(end=False, ttl=900)},
    ),
    "VELOCITY": (
        {"four in a minute": calls(4, 10)},
        {"three": calls(3, 10), "four, slower": calls(4, 20), "another tool": calls(4, 1, "crm.write"),
         "denied": calls(4, 1, effect="deny")},
    ),
    "CALL_RESULT_MISMATCH": (
        {"no result": answered(result=None), "no call": answered(result="c9", end=False),
         "twice": answered_twice},
        {"a result": answered(), "still open": answered(result=None, end=False),
         "denied": answered(result=None, effect="deny")},
    ),
    "CLOCK_REGRESSION": ({"by 61 s": back_by(61)}, {"by 60 s": back_by(60), "forwards": back_by(-3600)}),
    "ISSUER_ANOMALY": (
        {
            "another user": opened_by({**USER, "id": "uid:1001"}), "another intent": opened_by(USER, intent="else"),
            "an old key": signed_by("k1", retire=True), "no key of ours": signed_by("k9"),
            "trust removed": exchanged(remove=True), "another agent's trust": exchanged(agent="other"),
            "no such trust": exchanged(seq=9999),
        },
        {
            "an opener": opened_by(USER), "within two openers": opened_by({**USER, "id": "uid:1002"}, scope=TWO),
            "the active key": signed_by("k2", retire=True), "through a trust": exchanged(),
        },
    ),
    "SECOND_SOURCE_GAP": (
        {
            "not in our log": second(here=None), "denied here, made there": second(here="deny"),
            "not there": second(there=None),
            "a minute apart": second(apart=61), "another trace": named_there({"trace": "T1"}, {"trace": "T2"}),
            "a short id": named_there({"call": "7"}, {"call": "7"}),
        },
        {"in both": second(), "within a minute": second(apart=60), "denied in both": second(here="deny", there="denied"),
         "a tool they cannot see": second(there=None, tool="crm.write"),
         "the same trace": named_there({"trace": "T1"}, {"trace": "T1"}),
         "the host's id": named_there(
             {"call": "toolu_0001"}, {"call": 4, "ext": {"_meta": {"claudecode/toolUseId": "toolu_0001"}}}
         )},
    ),
    "AMBIENT_CREDENTIAL": (
        {
            "a person": ambient({"type": "IAMUser", "arn": "arn:aws:iam::1:user/mira"}),
            "an access key": ambient({"type": "AssumedRole", "accessKeyId": "AKIA1", "arn": "x/t1"}),
            "somebody's session": ambient(ROLE | {"arn": "arn:aws:sts::1:assumed-role/r/mira"}),
        },
        {
            "its task's session": ambient(ROLE | {"arn": "arn:aws:sts::1:assumed-role/r/t1"}),
            "nobody of ours": ambient({"type": "IAMUser", "arn": "arn:aws:iam::1:user/mira"}, "aws-cli/2"),
        },
    ),
}  # fmt: skip
