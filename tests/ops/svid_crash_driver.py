"""Kills the first `agent svid` of a home at one point after another and looks at what is left; a process of its own.

As `crash_driver`: a child is forked for each point, before this process has any database connection. The home has
published into a folder, so that making the authority also means publishing it.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nhictl.cli.main import main
from nhictl.core.ledger import record
from nhictl.core.token import publish
from nhictl.ops import issue_svid
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import DATABASE, House
from nhictl.store import agents, log
from tests.ops.crash_driver import Counter, forked

POINTS = 45


def ask(home: Path, counter: Counter | None = None) -> int:
    """The whole command, its standard output in a file."""
    handle = os.open(home / "svid.pem", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.close(handle)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    key = str(home / "key.pem")
    if counter:
        sys.setprofile(counter)
    try:
        rc = main(["--home", str(home), "agent", "svid", "bot", "--instance", "one", "--key-out", key])
        sys.stdout.flush()
    finally:
        sys.setprofile(None)
    return rc


def look(home: Path, pub: Path) -> dict[str, Any]:
    """What is left, before and after the next one is asked for."""
    house = House(home, home / DATABASE)
    printed = (home / "svid.pem").read_text() if (home / "svid.pem").exists() else ""

    def state() -> dict[str, Any]:
        rows = agents.keys(house.db, "x509")
        kinds = [record.decode(line) for _, line in log.lines(house.db)]
        made = [one["ext"]["kid"] for one in kinds if one["type"] == "key.activated" and one["ext"]["use"] == "x509"]
        x5c = [json.loads(row.public)["x5c"][0] for row in rows]
        return {
            "verdict": verify_home(house, ()).verdict, "authorities": len(rows), "same": made == [r.kid for r in rows],
            "issued": sum(one["type"] == "agent.svid_issued" for one in kinds),
            "rows": house.db.execute("SELECT count(*) FROM svid").fetchone()[0],
            "published": publish.certificates((pub / publish.BUNDLE).read_bytes()) == x5c,
        }  # fmt: skip

    found = state() | {"printed": printed.endswith("-----END CERTIFICATE-----\n"), "key": (home / "key.pem").exists()}
    issue_svid.issue_svid(house, "bot", issue_svid.made(house), instance="one", target=home / "next.pem")
    found["next"] = state()
    house.close()
    return found


def one(template: Path, place: Path, pub: Path, arm: Callable[[], Counter | None]) -> dict[str, Any]:
    """The first certificate of a fresh copy, armed with a way to die."""
    for path in (place, pub):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(template / "home", place)
    shutil.copytree(template / "pub", pub)
    status, _ = forked(lambda: ask(place, arm()))
    _, found = forked(lambda: look(place, pub))
    return {"signal": status & 0x7F, "exit": status >> 8, **(found or {"verdict": "could not look"})}


def run(folder: Path) -> None:
    """Print one JSON line for each point of death, and last for the act undisturbed."""
    template, place, pub = folder / "template", folder / "home", folder / "pub"
    template.mkdir()
    shutil.copytree(folder / "pub", template / "pub")
    shutil.move(folder / "home", template / "home")
    shutil.copytree(template / "home", place)
    _, names = forked(lambda: [ask(place), sorted(sys.modules)])
    for name in names[1]:
        if name.split(".")[0] in ("nhictl", "cryptography", "sqlite3", "typer", "pwd", "re", "json", "tempfile"):
            importlib.import_module(name)
    shutil.rmtree(place)
    shutil.copytree(template / "home", place)
    shutil.rmtree(pub)
    shutil.copytree(template / "pub", pub)

    def count() -> list[str]:
        counter = Counter()
        ask(place, counter)
        return counter.kinds

    _, kinds = forked(count)
    disk = [n for n, kind in enumerate(kinds) if kind == "disk"]
    rest = [n for n, kind in enumerate(kinds) if kind == "sqlite"]
    points = sorted({*disk[:: max(1, len(disk) // POINTS)], *rest[:: max(1, len(rest) // POINTS)]})
    for n in points:
        print(json.dumps({"at": n, "kind": kinds[n], **one(template, place, pub, lambda n=n: Counter(n))}))  # type: ignore[misc]
    print(json.dumps({"at": None, "kind": "none", **one(template, place, pub, lambda: None)}))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
