"""Imports run downwards only, and each outside library stands in its own corner (nhictl/ARCHITECTURE.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "nhictl"
MAY = {
    "cli": {"cli", "ops", "render", "enforce"},
    "enforce": {"enforce", "ops", "core"},
    "sdk": {"ops", "core"},
    "ops": {"ops", "core", "store", "formats"},
    "formats": {"formats", "core"},
    "store": {"store", "core"},
    "render": {"render", "core"},
    "core": {"core"},
    "": {"cli"},
}
CORNERS = {
    "typer": ("cli/",),
    "rich": ("render/",),
    "tabulate": ("render/",),
    "csv": ("render/",),
    # whoever begins a snapshot, and whoever has to live with a database that is broken
    "sqlite3": ("store/", "ops/act.py", "ops/house.py", "ops/high_water.py", "ops/full_disk.py", "ops/doctor/"),
    "yaml": ("core/policy/yaml_events.py",),
    "cryptography": (
        "core/token/jws.py",
        "core/token/jwk.py",
        "core/token/algorithms.py",
        "core/identity/certificate.py",
        "core/identity/csr.py",
        "core/identity/x509_svid.py",
        "core/ledger/checkpoint.py",
        "core/ledger/cosignature.py",
        "store/keys.py",
        "ops/turn.py",  # makes the log key, and loads it before the lock
        "core/identity/own_key.py",
        "core/identity/approver_key.py",
    ),
    "jwt": (),
}
IMPURE = {
    "os",
    "time",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "pathlib",
    "tempfile",
    "shutil",
    "sqlite3",
    "logging",
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module or "", node.lineno
            if node.module == "nhictl":
                yield from ((f"nhictl.{alias.name}", node.lineno) for alias in node.names)


def layer(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] != "nhictl" or len(parts) == 1 or parts[1] in ("errors", "__version__"):
        return None
    return parts[1]


def faults(path: Path, found: Iterator[tuple[str, int]]) -> list[str]:
    where = path.relative_to(PACKAGE).as_posix()
    own = "sdk" if where == "sdk.py" else where.split("/")[0] if "/" in where else ""
    said = []
    for name, line in found:
        to = layer(name)
        if to is not None and to not in MAY[own] and where != "errors.py":
            said.append(f"{where}:{line}: {own or 'top'} imports {name}")
        root = name.split(".")[0]
        if root in CORNERS and not where.startswith(CORNERS[root]):
            said.append(f"{where}:{line}: {root} does not belong here")
        if own == "core" and root in IMPURE:
            said.append(f"{where}:{line}: core is pure, {root} is not")
    return said


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_run_downwards(path: Path) -> None:
    assert faults(path, imports(path)) == []


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("core/token/x.py", "nhictl.ops.act"),
        ("render/x.py", "nhictl.store.log"),
        ("store/x.py", "nhictl.ops.house"),
        ("formats/x.py", "nhictl.store.log"),
        ("cli/x.py", "nhictl.store.log"),
        ("cli/x.py", "nhictl.core.times"),
        ("core/x.py", "time"),
        ("ops/x.py", "rich.table"),
        ("ops/x.py", "typer"),
        ("cli/x.py", "sqlite3"),
        ("sdk.py", "nhictl.store.log"),
        ("sdk.py", "nhictl.enforce.hook.handle"),
    ],
)
def test_the_check_can_fail(where: str, name: str) -> None:
    assert faults(PACKAGE / where, iter([(name, 1)])) != []


def test_files_stay_readable() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in modules() if (n := len(p.read_text().splitlines())) > 260}
    assert long == {}


def test_sql_stands_only_in_the_store() -> None:
    words = ("SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "CREATE TABLE")
    found = [
        p.relative_to(PACKAGE).as_posix()
        for p in modules()
        if any(
            isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value.startswith(words)
            for n in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
        )
    ]
    assert all(name.startswith("store/") for name in found)
    assert found
