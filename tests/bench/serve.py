"""`nhictl serve` under load: decisions a second with revocations in between, and how far that is from its floors.

The floor of a decision that is recorded is the same act in a loop, without a server; that of the server is its own answer
to `/health/live`, which decides nothing. Where the environment names Open Policy Agent's program (`OPA`) or that of Cerbos
(`CERBOS`, which npm's package `cerbos` brings), their servers are asked the same question on the same machine by the same
clients; they record nothing durable.
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
def said(data):  # as we, OPA and Cerbos write it
    found = json.loads(data); found = found.get("result", found)
    return found["decision"] if "decision" in found else "EFFECT_ALLOW" in str(found)
print(json.dumps([[n, a, b, said(d)] for n, a, b, d in seen]))
"""


class Load(NamedTuple):
    """What clients saw: answers a second, seconds at the median and the 99th percentile, and each answer."""

    rate: float
    median: float
    p99: float
    seen: list[tuple[int, float, float, Any]]


class Peer(NamedTuple):
    """Where another server is, and how it is asked what we are asked."""

    where: str
    path: str
    body: str


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
def peer(name: str, folder: Path) -> Iterator[Peer | None]:
    """Somebody else's server with the same rule, if the environment names its program."""
    program = os.environ.get(name)
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{free.getsockname()[1]}"
    argv, path, body = {"OPA": _opa, "CERBOS": _cerbos}[name](folder, where)
    process = subprocess.Popen([program, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(where.partition(":")[2]))) == 0:
                    break
            time.sleep(0.05)
        yield Peer(where, path, body)
    finally:
        process.terminate()
        process.wait(30)


def _opa(folder: Path, where: str) -> tuple[list[str], str, str]:
    rule = folder / "rule.rego"
    rule.write_text(
        'package authz\n\ndefault decision := false\n\ndecision if {\n\tinput.subject.id == "bot"\n'
        '\tinput.action.name == "crm.read"\n}\n'
    )
    argv = ["run", "--server", "--addr", where, "--log-level", "error", str(rule)]
    return argv, "/v1/data/authz", json.dumps({"input": json.loads(_body(None))})


def _cerbos(folder: Path, where: str) -> tuple[list[str], str, str]:
    policies = folder / "cerbos"
    policies.mkdir()
    when = {"match": {"expr": 'request.principal.id == "bot"'}}
    rule = {"actions": ["crm.read"], "effect": "EFFECT_ALLOW", "roles": ["agent"], "condition": when}
    policy = {"resource": "report", "version": "default", "rules": [rule]}
    (policies / "report.json").write_text(json.dumps({"apiVersion": "api.cerbos.dev/v1", "resourcePolicy": policy}))
    config = folder / "cerbos.json"
    storage = {"driver": "disk", "disk": {"directory": str(policies), "watchForChanges": False}}
    server = {"httpListenAddr": where, "grpcListenAddr": f"unix:{folder}/cerbos.sock"}
    config.write_text(json.dumps({"server": server, "storage": storage, "telemetry": {"disabled": True}}))
    who, what = {"id": "bot", "roles": ["agent"]}, {"kind": "report", "id": "r"}
    body = json.dumps({"principal": who, "resources": [{"resource": what, "actions": ["crm.read"]}]})
    return ["server", f"--config={config}", "--log-level=error"], "/api/check/resources", body


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
    with serving(folder / "serve", folder / "s") as where, peer("OPA", folder) as opa, peer("CERBOS", folder) as cerbos:
        alive = load(where, "/health/live", ["{}"], "GET")
        tokened = load(where, "/access/v1/evaluation", bodies, beside=_here(revoking, house))
        plain = load(where, "/access/v1/evaluation", [_body(None)])
        others = [
            (name, load(*one[:2], [one.body])) for name, one in (("OPA", opa), ("Cerbos", cerbos)) if one is not None
        ]
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
    for name, other in others:
        assert all(said for *_, said in other.seen), f"{name} does not allow"
        made.append(_row(f"serve: agent evaluations, recorded; {name} records none", plain, other.rate, name, None))
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
