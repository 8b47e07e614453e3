"""Publishers that are killed, and publishers at the same time: whoever reads finds whole files, and the newest win."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from nhictl.core.token import publish as documents
from nhictl.ops import audit_log
from nhictl.ops.house import House
from nhictl.ops.publish_trust import publish
from tests.ops.trust_home import add_key, new_home, records, set_state

ROOT = Path(__file__).parents[2]
FILES = [
    "jwks.json",
    "spiffe-bundle.json",
    ".well-known/oauth-authorization-server",
    ".well-known/openid-configuration",
]

KILLED = """
import os, signal, sys
from pathlib import Path
from nhictl.ops.house import DATABASE, House
from nhictl.ops.publish_trust import publish

home, out, call, left = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
real = getattr(os, call)

def last(*args, **named):
    global left
    left -= 1
    if left < 0:
        if call == "write":
            real(args[0], args[1][: len(args[1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **named)

house = House(home, home / DATABASE)
house.meta
setattr(os, call, last)
publish(house, out)
"""

AT_ONCE = """
import sys, time
from pathlib import Path
from nhictl.ops.house import DATABASE, House
from nhictl.ops.publish_trust import publish

house = House(Path(sys.argv[1]), Path(sys.argv[1]) / DATABASE)
while time.time() < float(sys.argv[3]):
    pass
for _ in range(int(sys.argv[4])):
    publish(house, sys.argv[2])
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = new_home(tmp_path / "home")
    yield made
    made.close()


def run(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=env, stderr=subprocess.PIPE)


def wanted(house: House, sequence: int) -> dict[str, bytes]:
    rows = house.db.execute("SELECT public FROM signing_key WHERE use = 'token' AND state <> 'revoked' ORDER BY id")
    keys = documents.public_keys([json.loads(row[0]) for row in rows])
    return documents.documents(house.meta["issuer"], ["ES256"], keys, sequence)


@pytest.mark.parametrize(
    ("call", "left"), [*(("rename", n) for n in range(4)), ("write", 0), ("write", 1), ("fsync", 3)]
)
@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_killed_in_the_middle(house: House, tmp_path: Path, call: str, left: int, before: bool) -> None:
    out = tmp_path / "pub"
    old: dict[str, bytes] = {}
    if before:
        publish(house, str(out))
        old = {path: (out / path).read_bytes() for path in FILES}
        add_key(house)
        for path in FILES[2:]:
            (out / path).unlink()
            del old[path]
    new = wanted(house, 2 if before else 1)
    process = run(KILLED, tmp_path / "home", out, call, left)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    for path in FILES:
        found = (out / path).read_bytes() if (out / path).exists() else None
        assert found in (old.get(path), new[path]), f"{path} is whole, the old or the new one"
    if call == "rename":
        assert sum((out / path).exists() and (out / path).read_bytes() == new[path] for path in FILES) == left
    done, _ = publish(house, str(out))
    assert {path: (out / path).read_bytes() for path in FILES} == new
    assert done.sequence == (2 if before else 1), "the same content, however often it was tried"
    folders, lists = [".well-known", "status"], ["1.jwt", "aggregation.json"]
    assert sorted(p.name for p in out.rglob("*")) == sorted([*folders, *lists, *(Path(p).name for p in FILES)])
    assert audit_log.verify_home(house, []).exit == 0


def test_many_at_once_while_keys_change(house: House, tmp_path: Path) -> None:
    out = tmp_path / "pub"
    publish(house, str(out))
    start = time.time() + 1.5
    processes = [run(AT_ONCE, tmp_path / "home", out, start, 8) for _ in range(3)]
    over, faults, seen = threading.Event(), [], set()

    def read() -> None:
        newest = 0
        while not over.is_set():
            for path in FILES:
                try:
                    value = json.loads((out / path).read_bytes())
                except (OSError, ValueError) as e:
                    faults.append(f"{path}: {e!r}")
                    continue
                if path == FILES[1]:
                    if value["spiffe_sequence"] < newest:
                        faults.append(f"{value['spiffe_sequence']} after {newest}")
                    newest = value["spiffe_sequence"]
                    seen.add(newest)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while time.time() < start:
            time.sleep(0.01)
        for _ in range(3):
            kid = add_key(house)
            time.sleep(0.1)
            set_state(house, kid, "revoked")
            time.sleep(0.1)
        errors = [process.communicate(timeout=60)[1] for process in processes]
    finally:
        over.set()
        reader.join()
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert faults == []
    assert len(seen) >= 1
    done, _ = publish(house, str(out))
    assert {path: (out / path).read_bytes() for path in FILES} == wanted(house, done.sequence)
    said = [one["ext"] for one in records(house, "trust.published")]
    sequences = [ext["spiffe_sequence"] for ext in said]
    assert sequences == sorted(set(sequences)), "one record for each change, and none besides"
    assert all(a["files"] != b["files"] for a, b in pairwise(said))
    assert audit_log.verify_home(house, []).exit == 0


def test_it_waits_its_turn(house: House, tmp_path: Path) -> None:
    import fcntl

    from nhictl.errors import ConflictError
    from nhictl.ops.publish_trust import TURN

    out = tmp_path / "pub"
    with (tmp_path / "home" / TURN).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        house.lock_timeout = 0.1
        with pytest.raises(ConflictError) as caught:
            publish(house, str(out))
        assert caught.value.exit == 5
        assert not out.exists()
    assert publish(house, str(out))[0].changed == 6
