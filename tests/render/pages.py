"""Stories for the tests of pages and graphs: an ordinary one, a hostile one, a long one."""

from __future__ import annotations

from typing import Any

from nhictl.core.replay.event import Event
from nhictl.core.replay.page import Findings, Page, page
from nhictl.render.html import document
from tests.render.test_render_hostile import HOSTILE

ATTACKS = [
    "</script><script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "<!-- --!> <![CDATA[ ]]>",
    '"]; n0 --> evil["x',
    "%%{init: {'theme':'forest'}}%%",
    "`**bold** [link](http://evil.example)`",
    "$$x^2$$ fa:fa-car 1. list",
    'a"]; subgraph evil; click n0 href "javascript:alert(1)"',
    '\\"]; evil [label=<<b>x</b>>, URL="http://evil.example"];',
    "\\N \\G \\l \\",
    "&quot; &#34; #quot; &amp;lt;",
    "http://evil.example www.evil.example",
]
TEXTS = ATTACKS + [case[0] for case in HOSTILE.values()]
INTEGRITY = {"verdict": "VERIFIED_UNANCHORED", "message": "as far as it goes", "size": 9, "root": "ab", "chain": "cd"}
COUNTS = {"parsed": 1, "opaque": 0, "failed": 0}


def event(kind: str, **members: Any) -> Event:
    """An event with any of its fields."""
    made = Event(kind, evidence=members.pop("evidence", "recorded"))
    for name, value in members.items():
        made.set_content(value) if name == "content" else setattr(made, name, value)
    return made


def moment(second: int) -> str:
    """A time on one afternoon."""
    return f"2026-06-01T{12 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000000Z"


def hostile(text: str) -> Page:
    """A page in which everything that a log decides is `text`."""
    events = [
        event("task.opened", seq=1, task=text, run=text, agent=text, principal=text, outcome="ok", time=text),
        event("token.issued", seq=2, jti=text, task=text, run=text, agent=text, outcome="ok"),
        event(
            "tool.called", seq=3, n=0, jti=text, task=text, run=text, agent=text, tool=text, args={text: [text]},
            result=text, resource=text, error=text, outcome="error", time=moment(1), evidence=text,
        ),
        event("token.denied", seq=4, jti=text, run=text, outcome="denied", decision={"reason": text}, time=moment(2)),
        event(text, run=text, agent=text, parent=text, content=text, evidence="imported", source={"file": text}),
        event("tool.called", n=1, run=text, agent=text, span=text, tool=text, args=text, outcome=text, time=text),
    ]  # fmt: skip
    finding = {
        "id": text, "severity": text, "title": text, "message": text,
        "records": [{"seq": 3}, {"seq": 99}, {"file": text, "offset": text}, {}],
        "controls": [text], "false_alarm": text,
    }  # fmt: skip
    scope = {
        "task": text,
        "agent": text,
        "granted": [{"box": 0, "text": text}, {"box": 1, "text": text}],
        "used": [{"box": 0, "text": text, "calls": 2}],
        "unused": [{"box": 1, "text": text}],
        "outside": [{"tool": text, "outcome": text, "record": {"file": text}}],
        "outside_calls": 1,
        "unknown": [{"what": text, "times": 3}],
    }
    integrity = dict.fromkeys(("verdict", "message", "size", "root", "chain", "class", "first_bad_seq"), text)
    return page(
        events, asked=[("task", text), ("files", text)], integrity=integrity, source=COUNTS, unproven=[text],
        scope=[scope], findings=Findings([finding], 3, [(text, [text])], 22),
    )  # fmt: skip


def ordinary(calls: int = 12) -> Page:
    """Two agents on one task, a denial, a revocation, a silence of an hour."""
    events = [
        event(
            "task.opened", seq=1, task="t-1", run="t-1", agent="payer", principal="mira", outcome="ok", time=moment(0)
        )
    ]
    events.append(
        event("token.issued", seq=2, jti="j-1", task="t-1", run="t-1", agent="payer", outcome="ok", time=moment(1))
    )
    for number in range(calls):
        bad = number % 5 == 3
        events.append(
            event(
                "tool.called", seq=3 + number, n=number, jti="j-1", task="t-1", run="t-1", agent="payer", tool="pay.send",
                args={"amount": number, "iban": "DE89370400440532013000", "reference": "invoice " * 4}, result="paid",
                outcome="denied" if bad else "ok", decision={"reason": "authz_insufficient" if bad else "permitted"},
                time=moment(2 + number + (3600 if number > calls // 2 else 0)),
            )
        )  # fmt: skip
    events.append(
        event("token.revoked", seq=3 + calls, jti="j-1", task="t-1", run="t-1", outcome="ok", time=moment(4000))
    )
    scope = {
        "task": "t-1",
        "agent": "payer",
        "granted": [{"box": 0, "text": "pay.send"}, {"box": 1, "text": "pay.list"}],
        "used": [{"box": 0, "text": "pay.send", "calls": 48}],
        "unused": [{"box": 1, "text": "pay.list"}],
        "outside": [{"tool": "pay.send", "outcome": "denied", "record": {"seq": 6}}],
        "outside_calls": 12,
        "unknown": [],
    }
    finding = {
        "id": "DENY_THEN_BYPASS", "severity": "high", "title": "denied, then allowed", "message": "record 6, then 7",
        "records": [{"seq": 6}, {"seq": 7}], "controls": ["ASI10"], "false_alarm": "a person approved the second",
    }  # fmt: skip
    return page(
        events, asked=[("task", "t-1")], integrity=INTEGRITY, source=COUNTS, unproven=["no witness"], scope=[scope],
        findings=Findings([finding], 0, [("VELOCITY", ["a policy"])], 22),
    )  # fmt: skip


def html(made: Page) -> str:
    """The page as a file."""
    return document(made, "1.2.3")
