"""What each custody of the keys costs whoever waits for `token issue`, and what scrypt costs by itself."""

from __future__ import annotations

import importlib.util
import os
import shlex
from pathlib import Path
from unittest.mock import patch

from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.key_custody import Wanted
from nhictl.store.passphrase import COST, Source, derive
from tests.bench.measure import Row, pairs, timed
from tests.bench.processes import AUDIENCE, Installed
from tests.bench.store import populate

PASSPHRASE = b"correct horse battery staple"
HELPER = '#!/bin/sh\nread -r id\ncase $2 in\nget) cat "$1/$id" ;;\nstore) cat >"$1/$id" ;;\nesac\n'
RING = """
import os
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    priority = 1
    def get_password(self, service, name):
        return open(os.environ["RING"]).read()
    def set_password(self, service, name, secret):
        open(os.environ["RING"], "w").write(secret)
"""


def rows(folder: Path, rounds: int) -> list[Row]:
    """`token issue` under each custody against the key in its file, whole processes; then scrypt alone."""
    place = folder / "custody"
    place.mkdir(mode=0o700)
    program = Installed(place)
    phrase = place / "passphrase"
    phrase.touch(mode=0o600)
    phrase.write_bytes(PASSPHRASE)
    script = place / "helper"
    script.write_text(HELPER)
    script.chmod(0o755)
    (place / "secrets").mkdir()
    (place / "lib" / "ring_of_bench.py").write_text(RING)
    here = {
        "PYTHON_KEYRING_BACKEND": "ring_of_bench.Ring",
        "RING": str(place / "ring"),
        "PYTHONPATH": str(place / "lib"),
    }
    program.env |= here
    kinds = {
        "file": None,
        "passphrase": None,
        "helper": f"{shlex.quote(str(script))} {shlex.quote(str(place / 'secrets'))}",
    } | ({"keyring": None} if importlib.util.find_spec("keyring") else {})
    issue = {}
    for kind, command in kinds.items():
        home = place / f"home-{kind}"
        house = House(home, home / DATABASE)
        house.passphrase = Source(line=PASSPHRASE)
        with patch.dict(os.environ, here):  # the keyring is asked from this process too, when the home is made
            initialise(house, "bench.example", None, Wanted(kind, command, Source(line=PASSPHRASE)))
            task = populate(house)
        house.close()
        more = ["--passphrase-file", str(phrase)] if kind == "passphrase" else []
        issue[kind] = ["token", "issue", "--home", str(home), "--task", task, "--audience", AUDIENCE, *more]
    found = [_row(program, kind, issue, rounds) for kind in issue if kind != "file"]
    alone = min(timed(lambda: derive(PASSPHRASE, bytes(16), COST)) for _ in range(3))
    found.append(Row(f"scrypt alone, n 2^17, r 8, p 1, {COST.mib()} MiB", f"{alone * 1e3:.1f} ms", "–", "–", "–", None))
    return found


def _row(program: Installed, kind: str, issue: dict[str, list[str]], rounds: int) -> Row:
    ours, floor, ratio = pairs(lambda: program.run(*issue[kind]), lambda: program.run(*issue["file"]), rounds)
    return Row(
        f"token issue, custody {kind}, against file", f"{ours * 1e3:.1f} ms", f"{floor * 1e3:.1f} ms", f"{ratio:.2f}",
        "–", None,
    )  # fmt: skip
