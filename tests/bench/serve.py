"""`nhictl serve` under load: decisions a second with revocations in between, and how far that is from its floors.

The floor of a decision that is recorded is the same act in a loop, without a server; that of the server is its own answer
to `/health/live`, which decides nothing. Where the environment variable `OPA` names Open Policy Agent's program, its server
is asked the same question on the same machine by the same clients; it records nothing durable.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.ops.activate_policy import activate
from nhictl.ops.issue_token import issue_token
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import consume
from tests.bench.measure import Row
from tests.bench.store import AUDIENCE, new_house

CLIENTS = 8
SECONDS = 3.0
_CLIENT = """
import http.client, json, socket, sys, time
where, path, seconds, kind = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
bodies = [line.encode() for line in sys.stdin.read().splitlines()]
over = http.client.HTTPConnection(*where.split(":")) if ":" in where else http.client.HTTPConnection("x")
if ":" not in where:
    over.sock = socket.socket(socket.AF_UNIX); over.sock.connect(where)
else:
    over.connect()
print("ready", flush=True); seen = []; at = 0; end = None
while end is None or time.monotonic() < end:
    body = bodies[at % len(bodies)]; began = time.monotonic()
    end = end or began + seconds
    over.request(kind, path, body if kind == "POST" else None, {"content-type": "application/json"} if kind == "POST" else {})
    found = over.getresponse(); data = found.read(); assert found.status == 200, (found.status, data)
    seen.append((at % len(bodies), began, time.monotonic(), data)); at += 1
print(json.dumps([[n, a, b, json.loads(d).get("decision")] for n, a, b, d in seen]))
"""


class Load(NamedTuple):
    """What clients saw: answers a second, seconds at the median and the 99th percentile, and each answer."""

    rate: float
    median: float
    p99: float
    seen: list[tuple[int, float, float, Any]]


def load(
    where: str, path: str, bodies: list[str], kind: str = "POST", beside: Callable[[], None] | None = None
) -> Load:
    """`CLIENTS` processes ask without a pause for `SECONDS`, while `beside` runs here."""
    command = [sys.executable, "-c", _CLIENT, where, path, str(SECONDS), kind]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(CLIENTS)
    ]
    helper = threading.Thread(target=beside) if beside is not None else None
    if helper is not None:
        helper.start()
    readers = []
    found: list[str] = [""] * CLIENTS
    for number, one in enumerate(running):

        def talk(number: int = number, one: subprocess.Popen[str] = one) -> None:
            found[number] = one.communicate("\n".join(bodies))[0]

        readers.append(threading.Thread(target=talk))
        readers[-1].start()
    for each in readers:
        each.join()
    if helper is not None:
        helper.join()
    seen = [tuple(row) for text in found for row in json.loads(text.splitlines()[-1])]
    took = sorted(b - a for _, a, b, _ in seen)
    whole = max(b for _, _, b, _ in seen) - min(a for _, a, _, _ in seen)
    return Load(len(seen) / whole, statistics.median(took), took[int(len(took) * 0.99)], seen)


@contextmanager
def serving(home: Path, path: Path) -> Iterator[str]:
    """The installed program, serving on a socket."""
    command = [sys.executable, "-m", "nhictl", "--home", str(home), "serve", "--socket", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield str(path)
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextmanager
def opa(folder: Path) -> Iterator[str | None]:
    """OPA's server with the same rule, if there is one."""
    program = os.environ.get("OPA")
    if program is None:
        yield None
        return
    rule = folder / "rule.rego"
    rule.write_text(
        'package authz\n\ndefault decision := false\n\ndecision if {\n\tinput.subject.id == "bot"\n'
        '\tinput.action.name == "crm.read"\n}\n'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error", str(rule)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def rows(folder: Path) -> list[Row]:
    """All of it, in one run; nothing without the extra."""
    if find_spec("uvicorn") is None:
        return []
    house, task = new_house(folder / "serve")
    rules = [{"id": "READ", "effect": "permit", "match": {"tools": ["crm.read"]}}]
    policy = {"nhictl_policy": 1, "tools": {"crm.read": {"args": {}}}, "rules": rules}
    activate(house, [("policy.json", json.dumps(policy).encode())])
    tokens = [issue_token(house, task, AUDIENCE, ttl_s=3600)[0] for _ in range(20)]
    last = []
    for _ in range(300):
        began = time.perf_counter()
        consume(house, Question(tokens[-1].token.encode(), AUDIENCE, "crm.read", {}))
        last.append(time.perf_counter() - began)
    floor = 1 / statistics.median(last)
    gone: dict[int, float] = {}

    def revoking() -> None:
        time.sleep(1.0)
        for number, token in enumerate(tokens[:15]):
            revoke(house, Selector(jti=token.jti), "bench")
            gone[number] = time.monotonic()
            time.sleep(0.1)
        house.close()

    bodies = [_body(token.token) for token in tokens]
    with serving(folder / "serve", folder / "s") as where, opa(folder) as peer:
        alive = load(where, "/health/live", ["{}"], "GET")
        tokened = load(where, "/access/v1/evaluation", bodies, beside=_here(revoking, house))
        plain = load(where, "/access/v1/evaluation", [_body(None)])
        other = load(peer, "/v1/data/authz", [json.dumps({"input": json.loads(_body(None))})]) if peer else None
    stale = sum(1 for number, began, _, said in tokened.seen if said and began > gone.get(number, float("inf")))
    made = [
        _row(
            f"serve: token evaluations, {CLIENTS} clients, 15 revocations; stale {stale}",
            tokened,
            floor,
            "in a loop",
            stale == 0,
        ),
        _row("serve: agent evaluations, recorded", plain, alive.rate, "/health/live", None),
    ]
    if other is not None:
        made.append(_row("serve: agent evaluations, recorded; OPA records none", plain, other.rate, "OPA", None))
    return made


def _here(work: Callable[[], None], house: Any) -> Callable[[], None]:
    """A connection belongs to the thread that opened it."""
    house.close()
    return work


def _row(what: str, found: Load, floor: float, name: str, met: bool | None) -> Row:
    ours = f"{found.rate:.0f}/s, {found.median * 1e3:.1f} ms, p99 {found.p99 * 1e3:.1f}"
    return Row(
        what, ours, f"{floor:.0f}/s {name}", f"{found.rate / floor:.2f}", "none stale" if met is not None else "–", met
    )


def _body(token: str | None) -> str:
    properties = {"token": token, "audience": AUDIENCE} if token is not None else {}
    return json.dumps(
        {
            "subject": {"type": "agent", "id": "bot", "properties": properties},
            "action": {"name": "crm.read", "properties": {}},
            "resource": {"type": "report", "id": "r"},
        }
    )


def main() -> int:
    """`python -m tests.bench.serve`: this table alone."""
    import tempfile

    from tests.bench.measure import table

    with tempfile.TemporaryDirectory() as name:
        print(table(rows(Path(name))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
