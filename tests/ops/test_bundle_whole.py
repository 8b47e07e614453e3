"""A bundle of a log that has lived: a policy decided, a file was imported, content was erased, old lines were moved out."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nhictl.core.ledger import checkpoint
from nhictl.core.ledger import verify as ledger
from nhictl.errors import InputError, UnsafeError
from nhictl.formats import verify_bundle
from nhictl.ops import audit_log, bundle_log
from nhictl.ops.act import Head
from nhictl.ops.bundle_log import Wanted, bundle
from nhictl.ops.end_task import end_task
from nhictl.ops.erase import Wanted as Erased
from nhictl.ops.erase import redact
from nhictl.ops.import_logs import import_logs
from nhictl.ops.prune_log import prune
from nhictl.ops.turn import log_key
from nhictl.store import log
from tests.battery.stage import FOREIGN
from tests.ops.token_home import Authority
from tests.ops.treasury import Treasury, policy


class Case(NamedTuple):
    """What was bundled, and what somebody kept meanwhile: a token, and the reply of an act."""

    desk: Treasury
    folder: Path
    path: Path
    parts: dict[str, bytes]
    token: str
    reply: Head
    part: Path


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("whole")
    made = Authority(folder / "home")
    made.house.uid = os.geteuid
    desk = Treasury(made.house, made.clock, policy())
    assert desk.call(400) == "valid"
    token, old = desk.token.decode(), desk.task
    (folder / "run.json").write_text(FOREIGN)
    reply = import_logs(desk.house, [str(folder / "run.json")], None)[1]
    desk.clock.advance(10)
    prune(desk.house, desk.clock(), str(folder / "part.jsonl"))
    desk.task = desk.open()
    desk.token = desk.issue(desk.task)
    assert desk.call(300) == "valid"
    end_task(desk.house, old, "closed", None)
    redact(desk.house, Erased(tasks=(old,)), "asked for")
    out = folder / "case.zip"
    head = reply if isinstance(reply, Head) else Head(*checkpoint.parse(audit_log.newest(desk.house)[0]))
    anchors = [audit_log.parse_anchor(token.encode(), "token"), ledger.Anchor(*head, "reply")]
    bundle(desk.house, Wanted(since_us=0), out, disclose=["all"], anchors=anchors, segments=[folder / "part.jsonl"])
    with zipfile.ZipFile(out) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    yield Case(desk, folder, out, parts, token, head, folder / "part.jsonl")
    desk.house.close()


def manifest(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(case.parts["manifest.json"])
    return found


def test_records_of_a_segment_are_in_it(case: Case) -> None:
    made = manifest(case)
    assert made["unread"] is None
    assert made["records"] == made["size"]
    opened = json.loads(case.parts["content.json"])
    assert [base64.b64decode(one["content"]) for one in opened if one["label"] == "source"] == [FOREIGN.encode()]
    assert any(log.line(case.desk.house.db, one["seq"]) is None for one in opened), "content of a line that moved out"


def test_without_the_segment_it_says_what_is_not_here(case: Case, tmp_path: Path) -> None:
    house = case.desk.house
    done = bundle(house, Wanted(since_us=0), tmp_path / "less.zip")
    below = done.manifest["unread"]["below"]
    assert done.manifest["unread"] == {"below": below, "files": ["part.jsonl"]}
    assert 0 < below < done.manifest["size"]
    with zipfile.ZipFile(tmp_path / "less.zip") as archive:
        proofs = json.loads(archive.read("proofs.json"))["records"]
    assert [one["seq"] for one in proofs] == [0, *range(below, done.manifest["size"])]
    found = audit_log.verify_file(tmp_path / "less.zip", house, (), None)
    assert found.exit == 0
    assert any(f"records before {below}" in text for text in found.unproven)
    assert not any("records before" in text for text in audit_log.verify_file(case.path, house, (), None).unproven)


def test_a_segment_that_was_altered_is_refused(case: Case, tmp_path: Path) -> None:
    altered = tmp_path / "part.jsonl"
    altered.write_bytes(case.part.read_bytes().replace(b'"report-bot"', b'"report-rat"', 1))
    with pytest.raises(UnsafeError):
        bundle(case.desk.house, Wanted(since_us=0), tmp_path / "x.zip", segments=[altered])
    assert not (tmp_path / "x.zip").exists()


def test_the_policy_that_decided_is_in_it(case: Case) -> None:
    names = {name for name in case.parts if name.startswith("policies/")}
    assert all(sha256(case.parts[name]).hexdigest() == name[9:73] for name in names)
    named = [json.loads(line).get("dec", {}) for line in case.parts["records.jsonl"].splitlines()]
    assert {f"policies/{one['pdig'][7:]}.json" for one in named if "pdig" in one} == names
    mine = f"policies/{next(one['pdig'] for one in named if one.get('reason') == 'permitted')[7:]}.json"
    assert json.loads(case.parts[mine])["guardrails"]["G"]["approved_by"] == "cfo"


def test_what_was_erased_is_said_and_nothing_of_it_is_in_it(case: Case) -> None:
    erased = manifest(case)["erased"]
    assert {"args", "purpose"} <= {one["label"] for one in erased}
    opened = {(one["seq"], one["label"]) for one in json.loads(case.parts["content.json"])}
    assert not opened & {(one["seq"], one["label"]) for one in erased}
    redactions = [line for line in case.parts["records.jsonl"].splitlines() if b'"type":"log.redacted"' in line]
    assert len(redactions) == 1
    found = audit_log.verify_file(case.path, case.desk.house, (), None)
    assert any("was erased since" in text for text in found.unproven)


def signed(case: Case, parts: dict[str, bytes], **changes: Any) -> bytes:
    """What whoever holds the log's key can make of other parts."""
    made = {**manifest(case), **changes}
    made["files"] = {n: sha256(d).hexdigest() for n, d in parts.items() if not n.startswith("manifest.")}
    parts["manifest.json"] = json.dumps(made).encode()
    message = f"nhictl-bundle/v1\n{made['chain']}\n{sha256(parts['manifest.json']).hexdigest()}\n".encode()
    signature = checkpoint.sign_raw(message, log_key(case.desk.house).private)
    parts["manifest.sig"] = base64.b64encode(signature) + b"\n"
    return bundle_log._packed(parts)


def source_of_another(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    sources = [{**one, "src": {**one["src"], "file": "sha256:" + "ab" * 32}} for one in manifest(case)["sources"]]
    return dict(case.parts), {"sources": sources}


def no_source(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    return dict(case.parts), {"sources": []}


def another_policy(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    return {**case.parts, f"policies/{sha256(b'{}').hexdigest()}.json": b"{}"}, {}


def policy_edited(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    return {name: data + b" " if name.startswith("policies/") else data for name, data in case.parts.items()}, {}


def unread_another(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    return dict(case.parts), {"unread": {"below": "all"}}


def unread_none(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    return dict(case.parts), {"unread": 7}


def erased_none(case: Case) -> tuple[dict[str, bytes], dict[str, Any]]:
    return dict(case.parts), {"erased": 7}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (unread_another, "manifest"),
        (unread_none, "malformed"),
        (erased_none, "manifest"),
        (source_of_another, "source"),
        (no_source, "source"),
        (another_policy, "policy"),
        (policy_edited, "policy"),
    ],
)
def test_lies_that_the_holder_of_the_key_signed(case: Case, change: Callable[[Case], Any], kind: str) -> None:
    parts, more = change(case)
    found = verify_bundle.judged(io.BytesIO(signed(case, parts, **more)), [], [], [])
    assert (found["verdict"], found["class"]) == ("TAMPERED", kind)
    assert verify_bundle.judged(io.BytesIO(signed(case, dict(case.parts))), [], [], [])["class"] is None


def test_detections_are_a_member_that_is_summed(case: Case) -> None:
    parts = dict(case.parts)
    assert json.loads(parts["detections.json"])["schema"] == "nhictl.detections/v1"
    parts["detections.json"] = b"[]\n"
    assert verify_bundle.judged(io.BytesIO(bundle_log._packed(parts)), [], [], [])["class"] == "digest"
    del parts["detections.json"]
    assert verify_bundle.judged(io.BytesIO(bundle_log._packed(parts)), [], [], [])["class"] == "member_missing"


def test_what_the_detections_say_of_these_records(tmp_path: Path) -> None:
    made = Authority(tmp_path / "home")
    tasks = (made.task, made.other_task)
    for task in tasks:
        end_task(made.house, task, "closed", None)

    def said(name: str, *disclose: str, task: str = tasks[0]) -> dict[str, Any]:
        bundle(made.house, Wanted(task=task), tmp_path / name, disclose=disclose)
        with zipfile.ZipFile(tmp_path / name) as archive:
            found: dict[str, Any] = json.loads(archive.read("detections.json"))
        return found

    closed, opened, other = said("closed"), said("opened", "all"), said("other", "scope", task=tasks[1])
    assert said("again") == closed
    assert "EXCESS_GRANT" in [one["id"] for one in closed["undecided"]]  # the scope stays sealed
    assert not closed["items"]
    for found, task in ((opened, tasks[0]), (other, tasks[1])):
        assert [(one["id"], one["about"]) for one in found["items"]] == [("EXCESS_GRANT", task)]


def test_where_lines_are_missing_no_detection_decides(case: Case, tmp_path: Path) -> None:
    bundle(case.desk.house, Wanted(since_us=0), tmp_path / "less.zip")
    with zipfile.ZipFile(tmp_path / "less.zip") as archive:
        found = json.loads(archive.read("detections.json"))
    assert found["items"] == []
    assert all("moved out" in one["missing"][0]["what"] for one in found["undecided"])
    whole = json.loads(case.parts["detections.json"])
    assert len(whole["undecided"]) < len(found["undecided"])


def kept(case: Case) -> dict[str, str]:
    """The three forms of an anchor."""
    note = audit_log.newest(case.desk.house)[0]
    return {"note": note, "token": case.token, "reply": json.dumps({"x": 1, "log": case.reply.to_json()})}


@pytest.mark.parametrize("form", ["note", "token", "reply"])
def test_verify_py_reads_the_anchors_that_we_read(case: Case, form: str) -> None:
    text = kept(case)[form]
    ours = audit_log.parse_anchor(text.encode(), form)
    assert verify_bundle.anchor(text.strip()) == (ours.chain, ours.size, ours.root)


BAD = ["", "x", "a.b.c", "{}", '{"log":{}}', '{"log":{"chain":"ab","size":1,"root":""}}', '{"log":7}', "[1]", "a.e30.c"]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_anchor_for_us_is_none_for_it(text: str) -> None:
    with pytest.raises(InputError):
        audit_log.parse_anchor(text.encode(), "x")
    with pytest.raises((OSError, ValueError, LookupError, TypeError, AttributeError, verify_bundle.Fault)):
        verify_bundle.anchor(text)


def test_the_file_itself_with_a_token_and_a_reply(case: Case, tmp_path: Path) -> None:
    (tmp_path / "verify.py").write_bytes(case.parts["verify.py"])
    for form, text in kept(case).items():
        (tmp_path / form).write_text(text)

    def run(*arguments: str) -> tuple[int, Any]:
        command = [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(case.path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    chain = ("--chain", manifest(case)["chain"])
    code, found = run(*chain, "--anchor", "token", "--anchor", "reply")
    assert (code, found["verdict"]) == (0, "VERIFIED")
    (tmp_path / "bad").write_text('{"log":7}')
    code, said = run(*chain, "--anchor", "bad")
    assert code == 2
    assert "Traceback" not in said
