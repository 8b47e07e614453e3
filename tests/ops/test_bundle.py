"""Evidence bundles: what is in one, that its verify.py agrees with ours, and that every change is named."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nhictl.core.ledger import record
from nhictl.core.ledger import verify as ledger
from nhictl.core.policy.box import parse_box
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.formats import verify_bundle
from nhictl.ops import audit_log, bundle_log
from nhictl.ops.bundle_log import Wanted, bundle
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.turn import log_key
from tests.core.ledger.exported_log import WRONG_KEY, anchor, honest_history, new_house, taken_from


class Case(NamedTuple):
    """A house, the file that was bundled of it, its members, and what was kept before."""

    house: House
    path: Path
    parts: dict[str, bytes]
    task: str
    kept: list[ledger.Anchor]
    chain: str


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("bundle")
    house = new_house(folder / "home")
    honest_history(house)
    rotate(house)
    register(house, Registration("worker", "o@example.org", "p"), None, None)
    task, _ = open_task(
        house, Order("worker", "try", "a secret purpose", (parse_box("a.b"),), principal="alice@example.org")
    )
    issue_token(house, task["id"], "https://api.example.org")
    end_task(house, task["id"], "closed", "done with it")
    lines = taken_from(house).lines
    kept = [anchor(lines, size) for size in (1, 7, 14)]
    out = folder / "case.zip"
    bundle(house, Wanted(task=task["id"]), out, disclose=["purpose", "reason"], anchors=kept)
    with zipfile.ZipFile(out) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    yield Case(house, out, parts, task["id"], kept, taken_from(house).chain)
    house.close()


def packed(parts: dict[str, bytes]) -> bytes:
    return bundle_log._packed(parts)


def judged(data: bytes, case: Case, *anchors: ledger.Anchor) -> dict[str, Any]:
    return verify_bundle.judged(io.BytesIO(data), [], [case.chain], [(a.chain, a.size, a.root) for a in anchors])


def test_what_is_in_it(case: Case) -> None:
    manifest = json.loads(case.parts["manifest.json"])
    assert sorted(case.parts) == sorted(verify_bundle.MEMBERS)
    assert (manifest["records"], manifest["key_records"], manifest["disclosed"]) == (3, [0, 12], ["purpose", "reason"])
    assert manifest["selection"] == {"task": case.task}
    opened = {each["label"]: base64.b64decode(each["content"]) for each in json.loads(case.parts["content.json"])}
    assert opened == {"purpose": b'"a secret purpose"', "reason": b'"done with it"'}
    assert manifest["withheld"] == 2
    assert case.parts["verify.py"] == Path(verify_bundle.__file__).read_bytes()
    for hidden in (b"alice", b"secret"):
        assert not any(hidden in data for name, data in case.parts.items() if name != "content.json")
    told = [record.decode(line)["type"] for line in case.parts["records.jsonl"].splitlines()]
    assert told == ["log.genesis", "log.key_rotated", "task.opened", "token.issued", "task.closed"]


def test_verify_py_is_short_and_needs_nothing(case: Case, tmp_path: Path) -> None:
    source = case.parts["verify.py"]
    assert len(source.splitlines()) <= 250
    assert b"nhictl import" not in source
    (tmp_path / "verify.py").write_bytes(source)
    (tmp_path / "kept").write_text(audit_log.newest(case.house)[0])

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(case.path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}

    key = taken_from(case.house).keys[0]
    code, found = run()
    assert (code, found["verdict"]) == (3, "UNKNOWN_KEY")
    code, found = run("--key", key)
    assert (code, found["verdict"], found["records"]) == (0, "VERIFIED_UNANCHORED", 5)
    assert (
        run("--key", key, "--anchor", str(tmp_path / "kept"))[1]["class"] == "truncated"
    )  # the disclosure is a record
    assert run("--chain", "ab" * 32)[0] == 1
    assert run("--key", "junk")[0] == 2


def test_our_own_command_agrees(case: Case, tmp_path: Path) -> None:
    stranger = House(tmp_path / "none", tmp_path / "none" / "db")
    key = taken_from(case.house).key.public
    views: list[tuple[House, list[tuple[str | None, bytes]] | None, str]] = [
        (case.house, None, "VERIFIED_UNANCHORED"),
        (stranger, None, "UNKNOWN_KEY"),
        (stranger, [(case.chain, key)], "VERIFIED_UNANCHORED"),
        (stranger, [(None, WRONG_KEY.public)], "TAMPERED"),
    ]
    for house, keys, expected in views:
        found = audit_log.verify_file(case.path, house, (), keys)
        assert found.verdict == expected
        assert found.exit == {"UNKNOWN_KEY": 3, "TAMPERED": 1}.get(expected, 0)
    other = new_house(tmp_path / "other")
    assert audit_log.verify_file(case.path, other, (), None).verdict == "UNKNOWN_KEY"
    other.close()
    assert any("all the records" in text for text in audit_log.verify_file(case.path, case.house, (), None).unproven)


def test_anchors(case: Case) -> None:
    data = case.path.read_bytes()
    lines = taken_from(case.house).lines
    for kept in case.kept:
        assert judged(data, case, kept)["verdict"] == "VERIFIED"
        assert judged(data, case, kept._replace(root=bytes(32)))["verdict"] == "FORKED"
    assert judged(data, case, *case.kept)["verdict"] == "VERIFIED"
    assert judged(data, case, anchor(lines, 17))["verdict"] == "VERIFIED"
    assert judged(data, case, anchor(lines, 5))["verdict"] == "UNPROVEN"
    assert judged(data, case, anchor(lines, 18))["class"] == "truncated"
    assert judged(data, case, case.kept[0]._replace(chain="ab" * 32))["class"] == "other_log"


def test_the_same_bytes_again(case: Case, tmp_path: Path) -> None:
    made = [
        bundle(case.house, Wanted(agent="worker"), tmp_path / name, anchors=case.kept).digest for name in ("a", "b")
    ]
    assert made[0] == made[1]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_disclosure_is_a_record(case: Case) -> None:
    found = [record.decode(line) for line in taken_from(case.house).lines if b"log.exported" in line]
    assert found[0]["ext"] == {
        "bundle": sha256(case.parts["manifest.json"]).hexdigest(), "records": 3, "disclosed": ["purpose", "reason"],
    }  # fmt: skip


def test_what_is_asked_wrong(case: Case, tmp_path: Path) -> None:
    out = tmp_path / "x.zip"
    lines = taken_from(case.house).lines
    with pytest.raises(NotFoundError):
        bundle(case.house, Wanted(task="t-none"), out)
    for bad in (anchor(lines, 3)._replace(root=bytes(32)), anchor(lines, 3)._replace(size=10**6),
                anchor(lines, 3)._replace(chain="ab" * 32)):  # fmt: skip
        with pytest.raises(InputError):
            bundle(case.house, Wanted(agent="worker"), out, anchors=[bad])
    out.write_bytes(b"mine")
    with pytest.raises(ConflictError):
        bundle(case.house, Wanted(agent="worker"), out)
    assert out.read_bytes() == b"mine"


def test_between_two_moments(case: Case, tmp_path: Path) -> None:
    now = case.house.clock()
    assert bundle(case.house, Wanted(since_us=now), tmp_path / "a").manifest["records"] >= 16
    with pytest.raises(NotFoundError):
        bundle(case.house, Wanted(since_us=now + 1), tmp_path / "b")


# --- every change alone, with the class it is called by


def edited(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, bytes]], None]:
    def alter(parts: dict[str, bytes]) -> None:
        value = json.loads(parts[name])
        made = change(value)
        parts[name] = json.dumps(made if isinstance(made, dict | list) else value).encode()

    return alter


def replaced(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def alter(parts: dict[str, bytes]) -> None:
        assert old in parts[name]
        parts[name] = parts[name].replace(old, new, 1)

    return alter


def lines(change: Callable[[list[bytes]], Any]) -> Callable[[dict[str, bytes]], None]:
    def alter(parts: dict[str, bytes]) -> None:
        found = parts["records.jsonl"].splitlines()
        change(found)
        parts["records.jsonl"] = b"".join(line + b"\n" for line in found)

    return alter


def both(change: Callable[[list[Any]], Any]) -> Callable[[dict[str, bytes]], None]:
    """The same change to the records and to their proofs."""

    def alter(parts: dict[str, bytes]) -> None:
        lines(change)(parts)
        edited("proofs.json", lambda value: change(value["records"]) and None)(parts)

    return alter


def drop(index: int) -> Callable[[list[Any]], Any]:
    def change(found: list[Any]) -> None:
        del found[index]

    return change


def swap(found: list[Any]) -> None:
    found[2], found[3] = found[3], found[2]


def twice(found: list[Any]) -> None:
    found.insert(3, found[2])


Change = Callable[[dict[str, bytes]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "a record edited": (replaced("records.jsonl", b'"worker"', b'"walker"'), "record"),
    "a record's prev": (lines(lambda f: f.__setitem__(2, f[2][:-10] + b"00000000" + f[2][-2:])), "record"),
    "a record left out": (lines(drop(3)), "proof"),
    "a record and its proof swapped": (both(swap), "order"),
    "a record twice": (both(twice), "order"),
    "the first record left out": (both(drop(0)), "other_log"),
    "a key record left out": (both(drop(1)), "signature"),
    "a proof of another record": (edited("proofs.json", lambda v: v["records"][2].update(seq=13)), "record"),
    "a proof's hash": (edited("proofs.json", lambda v: v["records"][2]["path"].__setitem__(0, "A" * 43 + "=")), "record"),
    "a proof cut": (edited("proofs.json", lambda v: v["records"][2]["path"].pop()), "record"),
    "a proof's hash that is none": (edited("proofs.json", lambda v: v["records"][2]["path"].__setitem__(0, "A")), "proof"),
    "a proof out of the tree": (edited("proofs.json", lambda v: v["records"][-1].update(seq=10**6)), "proof"),
    "a proof that is none": (edited("proofs.json", lambda v: v["records"].__setitem__(2, 7)), "malformed"),
    "proofs that are none": (edited("proofs.json", lambda v: v.update(records=None)), "malformed"),
    "an anchor's root": (edited("proofs.json", lambda v: v["anchors"][1].update(root="A" * 43 + "=")), "consistency"),
    "an anchor's size": (edited("proofs.json", lambda v: v["anchors"][1].update(size=8)), "consistency"),
    "an anchor's size below nothing": (edited("proofs.json", lambda v: v["anchors"][1].update(size=-1)), "consistency"),
    "an anchor's proof": (edited("proofs.json", lambda v: v["anchors"][1]["path"].pop()), "consistency"),
    "the checkpoint's root": (replaced("checkpoint.txt", b"=\n\n", b"A\n\n"), "checkpoint"),
    "the checkpoint's size": (replaced("checkpoint.txt", b"\n17\n", b"\n16\n"), "manifest"),
    "the checkpoint's signature": (
        lambda p: p.update({"checkpoint.txt": p["checkpoint.txt"][:-9] + b"AAAAAAA=\n"}), "signature"
    ),
    "no checkpoint": (lambda p: p.update({"checkpoint.txt": b""}), "checkpoint"),
    "disclosed content": (edited("content.json", lambda v: v[0].update(content="YWxs")), "content"),
    "disclosed under another label": (edited("content.json", lambda v: v[0].update(label="result")), "content"),
    "disclosed for another record": (edited("content.json", lambda v: v[0].update(seq=0)), "content"),
    "another salt": (edited("content.json", lambda v: v[0].update(salt="A" * 22 + "==")), "content"),
    "a salt of another length": (edited("content.json", lambda v: v[0].update(salt="")), "content"),
    "content that is no list": (edited("content.json", lambda _: {}), "content"),
    "content with floats": (lambda p: p.update({"content.json": b"[1.5]"}), "content"),
    "content with a member twice": (lambda p: p.update({"content.json": b'[{"a":1,"a":2}]'}), "content"),
    "content too deep": (lambda p: p.update({"content.json": b"[" * 100_000}), "content"),
    "a policy of another digest": (lambda p: p.update({f"policies/{'ab' * 32}.json": b"{}"}), "policy"),
    "the manifest's selection": (replaced("manifest.json", b'"task":', b'"tusk":'), "signature"),
    "the manifest's chain": (edited("manifest.json", lambda v: v.update(chain="ab" * 32)), "manifest"),
    "the manifest's version": (edited("manifest.json", lambda v: v.update(schema="nhictl.bundle/v2")), "manifest"),
    "no manifest": (lambda p: p.update({"manifest.json": b""}), "manifest"),
    "a manifest of nothing": (lambda p: p.update({"manifest.json": b"{}"}), "manifest"),
    "the manifest's signature": (lambda p: p.update({"manifest.sig": base64.b64encode(bytes(64))}), "signature"),
    "no manifest signature": (lambda p: p.update({"manifest.sig": b""}), "signature"),
}  # fmt: skip


def resummed(parts: dict[str, bytes]) -> None:
    """The digests in the manifest made right again: what anybody can do."""
    try:
        manifest = json.loads(parts["manifest.json"])
        manifest["files"] = {n: sha256(d).hexdigest() for n, d in parts.items() if not n.startswith("manifest.")}
    except (ValueError, TypeError):
        return
    parts["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_was_summed_up_again(case: Case, name: str) -> None:
    assert judged(case.path.read_bytes(), case)["verdict"] == "VERIFIED_UNANCHORED"
    alter, kind = CHANGES[name]
    parts = dict(case.parts)
    alter(parts)
    altered = packed(parts)
    first = judged(altered, case)
    assert first["verdict"] == "TAMPERED"
    if "manifest" in name:
        assert first["class"] == kind, first
        return
    assert first["class"] in ("digest", kind)
    resummed(parts)
    assert judged(packed(parts), case)["class"] in (kind, "signature")
    message = f"nhictl-bundle/v1\n{case.chain}\n{sha256(parts['manifest.json']).hexdigest()}\n".encode()
    parts["manifest.sig"] = base64.b64encode(log_key(case.house).private.sign(message))
    found = judged(packed(parts), case)  # even signed by the key's holder
    assert (found["verdict"], found["class"]) == ("TAMPERED", kind), found


def test_every_member_is_needed(case: Case) -> None:
    for name in case.parts:
        parts = {other: data for other, data in case.parts.items() if other != name}
        found = judged(packed(parts), case)
        assert (found["verdict"], found["class"], name in found["message"]) == ("TAMPERED", "member_missing", True)


def zipped(write: Callable[[zipfile.ZipFile], object]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        write(archive)
    return made.getvalue()


def with_member(case: Case, name: str, data: bytes = b"", method: int = zipfile.ZIP_STORED) -> bytes:
    def write(archive: zipfile.ZipFile) -> None:
        for own, content in case.parts.items():
            if own != name:
                archive.writestr(own, content)
        archive.writestr(name, data, method)

    return zipped(write)


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/passwd",
        "a/../../b",
        "C:\\x",
        "policies/../../x.json",
        "policies/" + "g" * 64 + ".json",
        "verify.pyc",
        "x" * 5000,
    ],
)
def test_members_that_lead_elsewhere(case: Case, name: str) -> None:
    assert judged(with_member(case, name), case)["class"] == "member_strange"


def test_bombs(case: Case) -> None:
    bomb = with_member(case, "content.json", b"0" * 5_000_000, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert judged(bomb, case)["class"] == "compressed"

    data = bytearray(case.path.read_bytes())
    data[-10:-6] = (200 << 20).to_bytes(4, "little")  # a directory of so many bytes is not even read
    assert judged(bytes(data), case)["class"] == "too_large"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_twice(case: Case) -> None:
    def write(archive: zipfile.ZipFile) -> None:
        for name, content in [*case.parts.items(), ("content.json", b"[]")]:
            archive.writestr(name, content)

    assert judged(zipped(write), case)["class"] == "member_twice"


def test_no_archive(case: Case) -> None:
    data = case.path.read_bytes()
    for bad in (b"", b"PK", b"PK" * 1000, data[:-1], data[:500], data + b"x", b"\0" * 5000, data[:-22]):
        assert judged(bad, case)["class"] == "not_a_bundle"
    for at in range(0, len(data), 97):  # whatever bit is changed, it is named and nothing else happens
        changed = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        found = judged(changed, case)
        assert found["verdict"] == "TAMPERED" or changed[:at] + data[at : at + 1] + changed[at + 1 :] == data
