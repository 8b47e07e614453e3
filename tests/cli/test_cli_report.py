"""`audit replay --html|--mermaid|--dot`, `report controls` and `report review`, on real homes and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.cli_help import Program, check_error
from tests.harness import ROOT
from tests.harness import Program as Process

RUNS = ROOT / "samples" / "runs"
READ = ("--tool", "reports.read", "--arg", "limit=10")


@pytest.fixture
def acted(governed: Program) -> Program:
    """A home with two calls let pass, one denied, a killed task and a suspended agent."""
    task = governed.task()
    token = governed.token(task)
    governed.verify(token, "--consume", *READ)
    governed.verify(token, "--consume", *READ)
    governed.verify(token, "--consume", "--tool", "payments.send", "--arg", "to=</script><img src=x>")
    governed.ok("task", "kill", task, "--reason", "enough")
    governed.verify(token, "--consume", *READ)
    governed.ok("agent", "suspend", "report-bot", "--reason", "x")
    return governed


def test_a_page_of_the_home(acted: Program) -> None:
    page = acted.folder / "page.html"
    done = acted("audit", "replay", "--html", page, "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["page"] == {"file": str(page), "events": acted.size(), "listed": acted.size()}
    assert page.stat().st_mode & 0o777 == 0o600
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    for section in ("summary", "detections", "timeline", "tree", "scope", "events", "integrity"):
        assert f'<section id="{section}">' in text
    assert "<img" not in text
    assert "&lt;/script&gt;&lt;img src=x&gt;" in text
    again = acted("audit", "replay", "--html", "-")
    assert again.out == text
    acted.ok("audit", "replay", "--html", page)  # a page may be replaced
    assert page.read_text() == text


def test_only_a_page_is_ever_replaced(acted: Program) -> None:
    log = acted.write("log.jsonl", acted("audit", "export", "--to", "native").out)
    link = acted.folder / "link"
    link.symlink_to(log)
    before = log.read_bytes()
    for target, code in ((log, 5), (link, 5), (acted.folder, 5), (acted.folder / "no" / "page", 7)):
        done = acted("audit", "replay", "--html", target, "--json")
        assert done.code == code
        check_error(done.err)
        assert log.read_bytes() == before
    assert not list(acted.folder.glob(".*"))


def test_what_excludes_what(acted: Program) -> None:
    for arguments, code in (
        (("--html", "x.html", "--dot"), 2),
        (("--mermaid", "--dot"), 2),
        (("--mermaid", "-o", "json"), 2),
        (("--html", "-", "-o", "jsonl"), 2),
        (("--dot", "--view", "scope"), 2),
        (("--dot", "--view", "nothing"), 2),
        (("--dot", "--task", "t-0000000000000000"), 4),
    ):
        assert acted("audit", "replay", *arguments).code == code, arguments
    assert not (acted.folder / "x.html").exists()


def test_graphs_of_files_and_of_the_home(acted: Program) -> None:
    task = acted("task", "list", "-o", "jsonl").json["id"]
    graph = acted("audit", "replay", "--task", task, "--mermaid").out
    assert graph.startswith("flowchart LR\n")
    assert "stroke:#b3261e" in graph
    assert acted("audit", "replay", "--view", "delegation", "--dot").out.count("nothing to draw") == 1
    files = acted("audit", "replay", RUNS, "--dot").out
    assert files.startswith("digraph replay {\n")
    assert files.count(" -> ") >= 10
    stdin = acted(
        "audit", "replay", "-", "--format", "agentdojo", "--html", "-", stdin=(RUNS / "invoice-bot.json").read_text()
    )
    assert stdin.code == 0
    assert "Detections" not in stdin.out  # standard input is read once: nobody looked


def test_the_same_bytes_whatever_the_process(nhictl: Process, tmp_path: Path) -> None:
    made = []
    for env in (
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "77", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "COLUMNS": "40"},
    ):
        page = tmp_path / f"{env['PYTHONHASHSEED']}.html"
        done = nhictl("audit", "replay", RUNS, "--html", page, env=env)
        assert done.rc == 0, done.err
        made.append(page.read_bytes())
    assert made[0] == made[1]


def controls(program: Program, framework: str, *more: str) -> dict[str, dict[str, Any]]:
    done = program("report", "controls", "--framework", framework, "--json", *more)
    assert (done.code, done.err) == (0, "")
    assert done.json["schema"] == "nhictl.controls/v1"
    return {item["id"]: item for item in done.json["items"]}


def test_controls_are_what_was_done(acted: Program) -> None:
    nhi = controls(acted, "owasp-nhi-2025")
    assert {ident: nhi[ident]["status"] for ident in ("NHI2", "NHI3", "NHI5", "NHI7", "NHI10")} == {
        "NHI2": "met", "NHI3": "no_data", "NHI5": "met", "NHI7": "met", "NHI10": "no_data",
    }  # fmt: skip
    asi = controls(acted, "owasp-asi-2026", "--control", "A1", "--control", "A2")
    assert list(asi) == ["ASI01", "ASI02"]
    assert asi["ASI02"]["measure"] == {"tasks": 1, "wildcard_boxes": 0, "calls": 4, "denied": 2}
    assert asi["ASI02"]["rows"] == [{"deny_rate": 0.5}]
    govern = controls(acted, "nist-ai-rmf", "--control", "GOVERN")
    assert len(govern) == 19
    assert govern["GOVERN 4.3"]["measure"]["refused"] == 1
    assert govern["GOVERN 6.2"]["measure"]["recent"] == 2
    maestro = controls(acted, "maestro", "--control", "MAESTRO GOV")
    assert list(maestro) == ["L6"]
    assert maestro["L6"]["status"] == "met"


def test_an_empty_store_passes_nothing(program: Program) -> None:
    program.ok("init", "--trust-domain", "example.org")
    for framework in ("owasp-asi-2026", "owasp-nhi-2025", "nist-ai-rmf"):
        found = {item["status"] for item in controls(program, framework).values() if item["kind"] == "measured"}
        # The log is there and its files are safe; nothing else is to be measured.
        assert found <= {"no_data", "met"}
        met = [ident for ident, item in controls(program, framework).items() if item["status"] == "met"]
        assert met == (["NHI2"] if framework == "owasp-nhi-2025" else [])


def test_fail_on(acted: Program) -> None:
    ask = ("report", "controls", "--framework", "owasp-asi-2026")
    assert acted(*ask, "--fail-on", "any").code == 1
    assert acted(*ask, "--fail-on", "A2").code == 1
    assert acted(*ask, "--fail-on", "ASI07").code == 3
    assert acted(*ask, "--fail-on", "ASI08").code == 0
    assert acted(*ask, "--control", "ASI07", "--fail-on", "no-data").code == 3
    for wrong in ((*ask, "--fail-on", "NHI1"), ("report", "controls", "--framework", "iso")):
        done = acted(*wrong, "--json")
        assert done.code == 2
        check_error(done.err, "usage")


def test_what_others_can_read_is_not_met(acted: Program) -> None:
    loose = acted.home / "high-water"
    loose.chmod(0o644)
    done = acted("report", "controls", "--framework", "owasp-nhi-2025", "--control", "NHI2", "--json")
    (found,) = done.json["items"]
    assert (found["status"], found["rows"]) == ("not_met", [{"file": "high-water"}])


def test_review(acted: Program) -> None:
    acted.ok("agent", "register", "short", "--owner", "o", "--purpose", "p", "--expires", "10d")
    done = acted("report", "review", "--json")
    assert (done.code, done.json["schema"]) == (0, "nhictl.review/v1")
    assert [(item["reason"], item["agent"]) for item in done.json["items"]] == [("expiring", "short")]
    assert done.json["counts"] == {"ownerless": 0, "due": 0, "idle": 0, "expiring": 1, "over_granted": 0}
    text = acted("report", "review").out
    assert "short, of o: ends in " in text
    table = acted("report", "review", "-o", "markdown").out
    assert table.startswith("| reason | agent |")
    # Before it was registered there was nothing to look at.
    assert acted("report", "review", "--at", "-1h", "--json").json["items"] == []


def test_mcp_traffic_shows_a_tool_that_changed(authority: Program) -> None:
    def listed(number: int, description: str) -> list[dict[str, Any]]:
        tool = {"name": "read", "description": description, "inputSchema": {"type": "object"}}
        asked = {"jsonrpc": "2.0", "id": number, "method": "tools/list"}
        return [asked, {"jsonrpc": "2.0", "id": number, "result": {"tools": [tool]}}]

    for name, second, status in (("same", "reads", "met"), ("other", "reads <IMPORTANT>", "not_met")):
        lines = [json.dumps(one) for one in listed(1, "reads") + listed(2, second)]
        authority.ok("audit", "import", "--format", "mcp", authority.write(f"{name}.jsonl", "\n".join(lines) + "\n"))
        found = controls(authority, "owasp-asi-2026", "--control", "ASI04")["ASI04"]
        assert found["status"] == status
    assert found["rows"][0]["tool"] == "read"
