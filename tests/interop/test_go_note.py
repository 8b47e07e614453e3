"""golang.org/x/mod/sumdb, the reference reader of signed notes and of RFC 6962 proofs, takes our checkpoints and proofs.

The program under `go_note` is built once. The tests skip where there is no Go, or its module is not to be had.
"""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.ledger import checkpoint, proofs
from nhictl.core.ledger.merkle import BatchTree, leaf_hash
from nhictl.ops.house import House
from nhictl.ops.rotate_log_key import rotate
from tests.core.ledger.exported_log import honest_history, taken_from

SOURCE = Path(__file__).with_name("go_note")
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go here")
    folder = tmp_path_factory.mktemp("go")
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(SOURCE / name, folder)
    env = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

    def run(*command: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=folder, env=env, input=given, capture_output=True, text=True, timeout=300)

    if (fetched := run(go, "mod", "download")).returncode != 0:
        pytest.skip(f"golang.org/x/mod is not to be had: {fetched.stderr[-200:]}")
    built = run(go, "build", "-o", "ask", ".")
    assert built.returncode == 0, built.stderr

    def ask(**question: Any) -> dict[str, Any]:
        done = run(str(folder / "ask"), given=json.dumps(question))
        assert (done.returncode, done.stderr) == (0, "")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return ask


def test_checkpoints_of_both_keys_of_a_rotated_log(ask: Ask, house: House) -> None:
    honest_history(house)
    rotate(house)
    log = taken_from(house)
    asked = [{"Key": key, "Note": note} for note in log.notes for key in log.keys]
    said = ask(Notes=asked)["Notes"]
    for question, answer in zip(asked, said, strict=True):
        key = checkpoint.parse_verifier_key(question["Key"])[1]
        if checkpoint.signed_by(question["Note"], key):
            assert answer == question["Note"].split("\n\n")[0] + "\n"
        else:
            assert answer.startswith("no: ")
    assert sum(not answer.startswith("no: ") for answer in said) == len(log.notes)
    edited = log.notes[-1].replace("\n13\n", "\n14\n")
    assert ask(Notes=[{"Key": log.keys[-1], "Note": edited}])["Notes"][0].startswith("no: ")


def b64(*values: bytes) -> list[str]:
    return [base64.b64encode(value).decode() for value in values]


def test_proofs_on_random_trees(ask: Ask, house: House) -> None:
    """The log's own tree, and random ones up to 4,096 leaves."""
    chance = random.Random(9162)
    honest_history(house)
    trees = [[leaf_hash(line) for line in taken_from(house).lines]]
    trees += [[chance.randbytes(32) for _ in range(size)] for size in (1, 2, 7, 1000, 4095, 4096)]
    included, grown = [], []
    for hashes in trees:
        size = len(hashes)
        inside = {index: proofs.inclusion(index, size) for index in {0, size - 1, *chance.choices(range(size), k=8)}}
        begun = {old: proofs.consistency(old, size) for old in {1, size, *chance.choices(range(1, size + 1), k=8)}}
        tree = BatchTree(proofs.nodes(part for ranges in [*inside.values(), *begun.values()] for part in ranges))
        tree.grow(b"".join(hashes))
        root = b64(tree.root())[0]
        for index, ranges in inside.items():
            path = b64(*proofs.path(tree, ranges))
            included.append({"Size": size, "Index": index, "Leaf": b64(hashes[index])[0], "Root": root, "Path": path})
        for old, ranges in begun.items():
            path, beginning = b64(*proofs.path(tree, ranges)), BatchTree()
            beginning.grow(b"".join(hashes[:old]))
            grown.append({"Size": size, "Old": old, "Before": b64(beginning.root())[0], "Root": root, "Path": path})
    said = ask(In=included, Grown=grown)
    assert set(said["In"]) == set(said["Grown"]) == {"ok"}
    wrong = ask(
        In=[{**each, "Leaf": b64(bytes(32))[0]} for each in included],
        Grown=[{**each, "Before": b64(bytes(32))[0]} for each in grown],
    )
    assert "ok" not in {*wrong["In"], *wrong["Grown"]}
