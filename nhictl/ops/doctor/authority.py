"""Whom the authority stands for: its keys, its agents, and whether they are kept apart from it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Final

from nhictl.core.ledger import record
from nhictl.errors import NhictlError
from nhictl.ops import agents as shown
from nhictl.ops import state_check
from nhictl.ops.doctor.report import Check, Patient
from nhictl.ops.separation import NONE, USER, of_caller
from nhictl.ops.turn import log_key
from nhictl.store import agents as table
from nhictl.store import custody as kept
from nhictl.store import inspect, keys, log

RECENT: Final = 1000
MOST: Final = 20_000
"""Records that doctor holds the state tables against: a second or so."""
_APART: Final = "run agents as another user: samples/sudoers.nhictl"


def custody(patient: Patient) -> Iterator[Check]:
    """Where the key-encryption key is, and whether it opens what is sealed in the database."""
    kind = kept.kind(patient.house.home)
    if kind != "file":  # opening it would ask somebody, or run a program
        text = f"{kind}: the home alone, or a copy of it, signs nothing; whether it opens was not tried"
        yield Check("custody", "ok", text)
        return
    patient.open()
    log_key(patient.house)
    text = f"a 0600 file in the home (`{keys.KEK_FILE}`); it opens the log key. Whoever copies the home has the keys"
    yield Check("custody", "ok", text)


def state(patient: Patient) -> Iterator[Check]:
    """Whether the tables that checks are answered from say what the log says; a long log is not gone through here."""
    head = log.head(patient.open())
    if head is not None and head.size > MOST:
        text = f"{head.size} records: whether the state tables agree with them was not looked at"
        yield Check("state", "unknown", text, "nhictl audit verify --state")
        return
    held = state_check.hold(patient.house)
    if held.unknown is not None:
        yield Check("state", "unknown", f"the state tables were not held against the log: {held.unknown}")
    elif held.differences:
        yield Check("state", "bad", f"not what the log says: {held.differences[0]}", "nhictl audit verify --state")
    else:
        yield Check("state", "ok", f"the state tables agree with the log ({held.rows} values)")


def agents(patient: Patient) -> Iterator[Check]:
    """Agents that nobody looked after: expired and not retired, or without a key of their own."""
    db, now = patient.open(), patient.house.clock()
    rows = [(row, shown.state_at(row, now)) for row in table.everyone(db)]
    if expired := [row.name for row, state in rows if state == "expired"]:
        text = f"{len(expired)} expired: {', '.join(expired[:5])}"
        yield Check("agents", "warn", text, "retire them, or set a new end: nhictl agent update NAME --expires 90d")
    states = Counter(state for _, state in rows)
    keyless = sum(state == "active" and json.loads(row.doc).get("jwk") is None for row, state in rows)
    said = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none yet"
    if not expired:
        yield Check("agents", "ok", f"{said}; active without a key of their own: {keyless}")


def separation(patient: Patient) -> Iterator[Check]:
    """Whether this caller, and those of the newest live checks, are shown to be other users than the home's."""
    here = of_caller()
    recent: Counter[str] = Counter()
    with contextlib.suppress(NhictlError, record.RecordError):  # what is wrong there is another check's finding
        for line in inspect.newest_lines(patient.open(), RECENT):
            found = record.decode(line)
            if found["type"] in ("token.used", "token.denied"):
                recent[(found.get("ext") or {}).get("separation", NONE)] += 1
    text = f"this call: {here.kind} ({here.why})"
    if recent:
        text += f"; the newest {recent.total()} live checks: {recent[USER]} user, {recent[NONE]} none"
    good = not recent[NONE] if recent else here.kind == USER
    yield Check("separation", "ok" if good else "warn", text, None if good else _APART)
