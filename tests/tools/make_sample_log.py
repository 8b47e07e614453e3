"""Makes `samples/incident`: a recorded log of an invented incident, the same bytes every time.

Clock, randomness and actor are fixed, and both signature schemes are deterministic, so the log depends on the code alone.
Run as `python -m tests.tools.make_sample_log` after a change of record shapes.
"""

from __future__ import annotations

import tempfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from nhictl.core.ledger.checkpoint import verifier_key
from nhictl.core.policy.box import parse_box
from nhictl.ops import audit_log, policies
from nhictl.ops.activate_policy import activate
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume

SAMPLES = Path(__file__).parent.parent.parent / "samples"
AUDIENCE = "https://bank.example.org"
IBAN = "DE89370400440532013000"


class SampleHouse(House):
    """A home whose clock ticks a second a question and whose randomness is a counter's hash: for this sample only."""

    def __init__(self, home: Path) -> None:
        self.ticks = 0
        self.drawn = 0
        who = {"kind": "operator", "id": "uid:1000", "host": "ops-1", "os_user": "mira"}
        super().__init__(home, home / "nhictl.db", clock=self._tick, random=self._draw, actor=lambda: who)
        self.caller = lambda: "none"

    def _tick(self) -> int:
        self.ticks += 1
        return 1_795_000_000_000_000 + self.ticks * 1_000_000

    def _draw(self, size: int) -> bytes:
        self.drawn += 1
        return b"".join(sha256(f"sample {self.drawn} {i}".encode()).digest() for i in range(size // 32 + 1))[:size]


def make(home: Path) -> dict[str, bytes]:
    """Play the incident in `home` and return the sample's files by name."""
    house = SampleHouse(home)
    initialise(house, "example.org", "https://nhi.example.org")
    activate(house, [("payments.policy.yaml", (SAMPLES / "payments.policy.yaml").read_bytes())])
    asked = Registration("invoice-bot", "ap@example.org", "pays supplier invoices", "prod", 2, ("ap",))
    register(house, asked, None, None)
    box = parse_box("pay.send?args.amount<=500&args.currency=EUR", policies.active(house))
    order = Order("invoice-bot", "pay-invoice", "invoice 118", (box,), "mira@example.org", instance="ops-1.run-7")
    task, _ = open_task(house, order)
    token = issue_token(house, task["id"], AUDIENCE)[0].token.encode()

    def call(tool: str, **args: Any) -> None:
        consume(house, Question(token, AUDIENCE, tool, args))

    call("pay.send", amount=120, currency="EUR", iban=IBAN)
    call("pay.send", amount=9000, currency="EUR", iban="GB33BUKB20201555555555")
    call("pay.send", amount=499, currency="EUR", iban="GB33BUKB20201555555555")
    witness, _ = audit_log.newest(house)
    end_task(house, task["id"], "killed", "paid an account that nobody knows")
    change(house, "invoice-bot", "suspend", "under investigation")
    call("pay.send", amount=10, currency="EUR", iban=IBAN)
    out = BytesIO()
    audit_log.export_native(house, out)
    key = verifier_key(house.meta["chain"], audit_log.public_keys(house)[0])
    house.close()
    return {"log.jsonl": out.getvalue(), "log.keys": key.encode() + b"\n", "witness.note": witness.encode()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        for file, data in make(Path(name) / "home").items():
            (SAMPLES / "incident" / file).write_bytes(data)
