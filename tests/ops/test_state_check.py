"""The state tables held against the log: they agree after everything we do, and not after what somebody else does to them."""

from __future__ import annotations

import pytest

from nhictl.core.policy.box import parse_box
from nhictl.ops.change_agent import change
from nhictl.ops.doctor.report import examine
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.state_check import hold

AUDIENCE = "https://api.example.org"


@pytest.fixture
def busy(house: House) -> House:
    """A home with an agent in every state, and tokens ended in several ways."""
    for name in ("bot", "still", "gone"):
        register(house, Registration(name, "o@example.org", "does things", "prod", 2, ("g",)), None, None)
    boxes = (parse_box("crm.read"),)
    for name in ("bot", "bot", "still", "gone"):
        task = open_task(house, Order(name, "work", "a piece of work", boxes))[0]["id"]
        issue_token(house, task, AUDIENCE)
        revoke(house, Selector(jti=issue_token(house, task, AUDIENCE)[0].jti), "a leak")
    revoke(house, Selector(agent="still"), None)
    end_task(house, task, "killed", None)
    change(house, "still", "suspend", None)
    change(house, "gone", "retire", None)
    freeze(house, "group", "g", "a look")
    return house


def test_after_what_we_do_they_agree(busy: House) -> None:
    held = hold(busy)
    assert (held.differences, held.unknown) == ([], None)
    assert held.rows > 60
    assert [one.status for one in examine(busy) if one.id == "state"] == ["ok"]


ATTACKS = {
    "a token brought back": ("UPDATE token SET revoked = NULL WHERE revoked IS NOT NULL", "was revoked"),
    "a cut-off taken away": ("DELETE FROM cutoff", "was revoked"),
    "a longer life": ("UPDATE token SET expires = expires + 9999 WHERE id = 1", "the expiry of token"),
    "another token's bytes": ("UPDATE token SET digest = zeroblob(32) WHERE id = 1", "the digest of token"),
    "a token never issued": (
        "INSERT INTO token SELECT 99, zeroblob(16), task, instance, key, seq, issued, expires, digest, audience, uses, revoked"
        " FROM token WHERE id = 1", "no record issues it",
    ),
    "a wider scope": (
        "UPDATE task SET doc = json_set(doc, '$.scope', json('[{\"tools\":[\"*\"]}]')) WHERE id = 1", "the scope of",
    ),
    "a later deadline": ("UPDATE task SET doc = json_set(doc, '$.deadline_us', 9e15) WHERE id = 1", "the deadline of"),
    "a task opened again": ("UPDATE task SET ended = NULL, outcome = NULL", "the end of task"),
    "an agent resumed": ("UPDATE agent_version SET state = 'active'", "the state of agent `gone`"),
    "a trusted agent": ("UPDATE agent_version SET doc = json_set(doc, '$.trust', 3)", "`trust` of agent"),
    "a freeze lifted": ("DELETE FROM freeze", "what is frozen"),
    "a policy slipped in": (
        "INSERT INTO policy VALUES ('sha256:x', '{}', '[]'); INSERT INTO policy_version VALUES (3, 'sha256:x')",
        "the policy in force",
    ),
    "a key brought back": (
        "UPDATE signing_key_version SET state = 'old'; UPDATE signing_key SET state = 'old'", "the state of key",
    ),
    "an agent taken out": (
        "DELETE FROM agent_version WHERE agent = 1; DELETE FROM agent WHERE id = 1", "the table does not have it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_is_written_into_the_tables_by_hand_is_named(busy: House, name: str) -> None:
    script, said = ATTACKS[name]
    busy.db.executescript(script)
    held = hold(busy)
    assert any(said in one for one in held.differences), held.differences
    assert [one.status for one in examine(busy) if one.id == "state"] == ["bad"]
