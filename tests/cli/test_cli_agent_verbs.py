"""`agent update|apply|rotate-key|suspend|resume` as people call them: words, exit codes, and where a private key shows up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.agent_cli import Cli

ROOT = Path(__file__).parents[2]
FILE = """\
nhictl_agents: 1
agents:
  - {name: bot, owner: o, purpose: reading, trust: 2, groups: [b, a]}
  - {name: new, owner: o, purpose: "say \\"hi\\"", env: prod}
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    made = Cli(tmp_path, monkeypatch, capsys)
    assert made("init", "--trust-domain", "example.org").code == 0
    for name in ("bot", "gone"):
        assert made("agent", "register", name, "--owner", "o", "--purpose", "reading", "--trust", "1").code == 0
    assert made("agent", "retire", "gone").code == 0
    made.write("agents.yaml", FILE)
    made.write("retired.yaml", FILE + "  - {name: gone, owner: o, purpose: p}\n")
    made.write("bad.yaml", FILE + "  - {name: x, owner: o, purpose: p, trust: 9}\n")
    made.write("exists.jwk", "precious")
    return made


EXITS: list[tuple[str, int, str]] = [
    ("update bot --trust 2", 0, ""),
    ("update bot --trust 1", 0, ""),
    ("update bot", 2, "nothing to change was named"),
    ("update bot --env e --no-env", 2, "exclude each other"),
    ("update bot --group g --add-group h", 2, "--group replaces all groups"),
    ("update bot --add-group g --remove-group g", 2, "group `g` is to be added and removed"),
    ("update bot --label k=v --remove-label k", 2, "label `k` is to be added and removed"),
    ("update bot --label k", 2, "is not a new KEY=VALUE"),
    ("update bot --label k=v --label k=w", 2, "is not a new KEY=VALUE"),
    ("update bot --expires soon", 2, "not a duration"),
    ("update bot --expires 0s", 2, "longer than nothing"),
    ("update bot --trust 4", 2, "trust 4 is not 0 to 3"),
    ("update bot --trust two", 2, "two"),
    ("update ghost --trust 2", 4, "no agent `ghost`"),
    ("update Bot --trust 2", 4, "no agent `Bot`"),
    ("update gone --trust 2", 5, "agent `gone` is retired"),
    ("apply agents.yaml", 0, ""),
    ("apply agents.yaml --dry-run", 1, ""),
    ("apply missing.yaml", 2, "cannot read `missing.yaml`"),
    ("apply bad.yaml", 2, "bad.yaml:5:44: `trust` must be 0, 1, 2 or 3"),
    ("apply bad.yaml --dry-run", 2, "bad.yaml:5:44: "),
    ("apply retired.yaml", 5, "agent `gone` is retired"),
    ("apply retired.yaml --dry-run", 5, "agent `gone` is retired"),
    ("rotate-key bot --generate-key --key-out k.jwk", 0, ""),
    ("rotate-key bot --generate-key --key-out k.jwk --overlap 0s", 0, ""),
    ("rotate-key bot", 2, "a new key is missing"),
    ("rotate-key bot --generate-key", 2, "--generate-key goes with --key-out or --key-fd"),
    ("rotate-key bot --key-out k.jwk", 2, "--generate-key goes with"),
    ("rotate-key bot --generate-key --key-out k.jwk --key-fd 9", 2, "handed out once"),
    ("rotate-key bot --generate-key --public-key k", 2, "exclude each other"),
    ("rotate-key bot --generate-key --key-fd 1", 2, "standard stream"),
    ("rotate-key bot --generate-key --key-fd 987", 2, "not open"),
    ("rotate-key bot --generate-key --key-out k.jwk --overlap 31d", 2, "an overlap is 0s to 30d"),
    ("rotate-key bot --public-key agents.yaml", 2, "neither a JWK nor a PEM"),
    ("rotate-key ghost --generate-key --key-out k.jwk", 4, "no agent `ghost`"),
    ("rotate-key gone --generate-key --key-out k.jwk", 5, "agent `gone` is retired"),
    ("rotate-key bot --generate-key --key-out exists.jwk", 5, "`exists.jwk` exists already"),
    ("rotate-key bot --generate-key --key-out no/k.jwk", 7, "cannot write `no/k.jwk`"),
    ("register n --owner o --purpose p --generate-key --key-out exists.jwk", 5, "`exists.jwk` exists already"),
    ("register n --owner o --purpose p --key-fd 9", 2, "--generate-key goes with"),
    ("suspend bot --instance run-1", 4, "agent `bot` has had no task or certificate in instance `run-1`"),
    ("suspend bot --instance a`b", 2, "is no instance"),
    ("suspend ghost --instance run-1", 4, "no agent `ghost`"),
    ("suspend gone --instance run-1", 5, "agent `gone` is retired"),
    ("resume bot --instance run-1", 4, "has had no task"),
]


@pytest.mark.parametrize(("line", "code", "said"), EXITS, ids=[row[0] for row in EXITS])
def test_exits(cli: Cli, line: str, code: int, said: str) -> None:
    before = cli.size(), cli("agent", "list", "-o", "json").out, sorted(p.name for p in cli.folder.iterdir())
    done = cli("agent", *line.split())
    assert done.code == code, done
    assert said in done.err
    if code > 1 or "--dry-run" in line:
        after = cli.size(), cli("agent", "list", "-o", "json").out, sorted(p.name for p in cli.folder.iterdir())
        assert after == before
    assert (cli.folder / "exists.jwk").read_text() == "precious"
    if code > 1:
        error = json.loads(cli("agent", *line.split(), "--json").err)["error"]
        assert said in error["message"]


HOSTILE = [
    "", " ", "Bot", "b t", "bot\n", "bot ", "-bot", ".", "..", "bot.", "_bot", "a/b", "../bot", "bot%00", "bot\x1b[2J", "bót",
    "ｂot", "bo\u200bt", "b" * 65, "spiffe://example.org/agent/bot2", "spiffe://other.org/agent/bot", "bot?x", "bot#x", "a:b",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(cli: Cli, name: str) -> None:
    size = cli.size()
    done = cli("agent", "register", "--owner", "o", "--purpose", "p", "--", name)
    assert done.code == 2
    assert "is no agent name" in done.err
    listed = json.dumps({"nhictl_agents": 1, "agents": [{"name": name, "owner": "o", "purpose": "p"}]})
    applied = cli("agent", "apply", "-", stdin=listed.encode())
    assert applied.code == 2
    assert applied.err.startswith("nhictl: -:1:")
    for verb in (("update", "--trust", "2"), ("suspend", "--instance", "x"), ("show",)):
        said = cli("agent", *verb, "--", name)
        assert said.code == 4
        assert not {c for c in said.err if not c.isprintable()} - {"\n"}
    assert cli.size() == size


def test_the_diff_word_for_word(cli: Cli) -> None:
    done = cli("agent", "apply", "agents.yaml", "--dry-run")
    assert done == (
        1,
        "~ agent bot\n"
        "  - trust: 1\n"
        "  + trust: 2\n"
        "  - groups: []\n"
        '  + groups: ["a","b"]\n'
        "+ agent new\n"
        '  + owner: "o"\n'
        '  + purpose: "say \\"hi\\""\n'
        '  + env: "prod"\n'
        "  + trust: 0\n"
        "  + attested: false\n",
        "",
    )
    assert cli("agent", "apply", "-", stdin=FILE.encode()) == (
        0, "agent bot updated: trust, groups\nagent new registered\n2 changed, 0 unchanged\n", "",
    )  # fmt: skip
    size = cli.size()
    assert cli("agent", "apply", "agents.yaml", "--dry-run") == (0, "", "")
    assert cli("agent", "apply", "agents.yaml") == (0, "0 changed, 2 unchanged\n", "")
    assert cli.size() == size


def test_the_diff_as_json(cli: Cli) -> None:
    done = cli("agent", "apply", "agents.yaml", "--dry-run", "--json")
    assert (done.code, done.err) == (1, "")
    body = json.loads(done.out)
    assert list(body) == ["schema", "dry_run", "changes", "unchanged"]
    assert body["schema"] == "nhictl.apply/v1"
    assert body["changes"][0] == {
        "agent": "bot", "action": "update",
        "changed": {"trust": {"from": 1, "to": 2}, "groups": {"from": [], "to": ["a", "b"]}},
    }  # fmt: skip
    reply = cli.json("agent", "apply", "agents.yaml")
    assert reply["changes"] == body["changes"]
    assert reply["log"]["size"] == cli.size()


def test_update_says_what_changed(cli: Cli) -> None:
    assert (
        cli("agent", "update", "bot", "--trust", "2", "--purpose", "more").out == "agent bot updated: purpose, trust\n"
    )
    size = cli.size()
    assert cli("agent", "update", "bot", "--trust", "2").out == "agent bot is so already: nothing was changed\n"
    reply = cli.json("agent", "update", "bot", "--trust", "2", "--expires", "never", "--no-attested")
    assert (reply["changed"], reply["log"]["size"]) == ([], size)
    assert cli.size() == size


def test_one_instance_word_for_word(cli: Cli) -> None:
    task = ("task", "open", "--agent", "bot", "--intent", "i", "--purpose", "p", "--allow", "a.b", "--instance")
    first, second = cli(*task, "run-1").out.strip(), cli(*task, "run-2").out.strip()
    cli("token", "issue", "--task", first, "--audience", "https://a")
    assert cli("agent", "suspend", "bot", "--instance", "run-1", "--reason", "loops").out == (
        "instance run-1 of agent bot suspended; live tokens concerned: 1\n"
    )
    assert cli("agent", "suspend", "bot", "--instance", "run-1").code == 5
    refused = cli("token", "issue", "--task", first, "--audience", "https://a")
    assert refused[::2] == (
        5, "nhictl: instance `run-1` is suspended\n  hint: nhictl agent resume bot --instance run-1\n",
    )  # fmt: skip
    assert cli("token", "issue", "--task", second, "--audience", "https://a").code == 0
    assert cli.json("agent", "show", "bot")["agent"]["suspended_instances"] == ["run-1"]
    reply = cli.json("agent", "resume", "bot", "--instance", "run-1")
    assert (reply["instance"], reply["live_tokens"], reply["agent"]["suspended_instances"]) == ("run-1", 1, [])
    assert cli("agent", "resume", "bot", "--instance", "run-1").code == 5


def test_a_pem_key_is_registered(cli: Cli) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    data = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    cli("agent", "register", "n", "--owner", "o", "--purpose", "p", "--public-key", "-", stdin=data)
    agent = cli.json("agent", "show", "n")["agent"]
    assert agent["keys"] == [{"kid": agent["kid"], "state": "current", "until": None}]
    shared = cli("agent", "rotate-key", "bot", "--public-key", "-", stdin=data)
    assert shared.code == 5
    assert "agent `n`" in shared.err


def test_the_private_key_is_in_its_file_or_descriptor_and_nowhere_else(cli: Cli) -> None:
    """As a process, so that argv and environment are its own, with the raw bytes of everything it leaves behind."""
    said = b""
    secrets = []
    for verb in (
        ["register", "n", "--owner", "o", "--purpose", "p"],
        ["rotate-key", "n"],
        ["rotate-key", "n", "--debug"],
    ):
        read, write = os.pipe()
        argv = [sys.executable, "-m", "nhictl", "agent", *verb, "--generate-key", "--key-fd", str(write), "--json"]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(argv, capture_output=True, env=env, pass_fds=[write], timeout=60)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            body = pipe.read()
        assert done.returncode == 0, done
        assert body.count(b"\n") == 1
        secrets.append(json.loads(body)["d"])
        said += done.stdout + done.stderr
    said += b"".join(p.read_bytes() for p in cli.home.rglob("*") if p.is_file())
    said += "".join(cli(*line.split()).out for line in ("agent show n", "audit export", "audit replay")).encode()
    import base64

    assert len(set(secrets)) == 3
    for secret in secrets:
        raw = base64.urlsafe_b64decode(secret + "=")
        assert len(raw) == 32
        for form in (secret.encode(), raw, raw.hex().encode(), base64.b64encode(raw)):
            assert form not in said
    assert b"key_rotated" in said  # the search has seen the log
