"""What must never be written: tokens, private keys, and the content that a record only commits to."""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token import b64
from nhictl.ops.house import DATABASE, House
from tests.harness import Program, Ran
from tests.ops.token_home import policy_file, records, signing_key

PURPOSE, PRINCIPAL, REASON, ARGUMENT = "purposemark", "principalmark@example.org", "reasonmark", "731954826077"
RESOURCE = "https://api.example.org/reports/resourcemark"
AUDIENCE = "https://api.example.org/reports"


class Story:
    """One incident by the command line, with everything the program said."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.ran: list[Ran] = []
        self.folder = folder
        self.home = folder / "home"
        policy = folder / "policy.yaml"
        policy.write_bytes(policy_file()[0][1])
        self.do("init", "--trust-domain", "example.org")
        self.do("agent", "register", "bot", "--owner", "o@example.org", "--purpose", PURPOSE, "--generate-key",
                "--key-out", folder / "agent.jwk")  # fmt: skip
        self.do("policy", "activate", policy)
        self.task = self.do(
            "task", "open", "--agent", "bot", "--intent", "reports", "--purpose", PURPOSE, "--for", PRINCIPAL,
            "--allow", f"reports.read@{AUDIENCE}?args.limit<=1000000000000",
        ).out.strip()  # fmt: skip
        self.token = self.do("token", "issue", "--task", self.task, "--audience", AUDIENCE).out.strip()

    def do(self, *arguments: str | Path, rc: int = 0, stdin: str = "") -> Ran:
        """Run one command."""
        ran = self.program(*arguments, stdin=stdin)
        assert ran.rc == rc, (arguments, ran)
        self.ran.append(ran)
        return ran

    def call(self, token: str, *more: str, rc: int) -> Ran:
        """Verify live, with a call."""
        return self.do("token", "verify", "--json", "--consume", "--audience", AUDIENCE, *more, stdin=token, rc=rc)

    def incident(self) -> None:
        """Use it, misuse it, end it."""
        call = ("--tool", "reports.read", "--arg", f"limit={ARGUMENT}", "--resource", RESOURCE)
        self.call(self.token, *call, rc=0)
        self.call(self.token, "--tool", "reports.read", "--arg", f"limit={ARGUMENT}000", "--resource", RESOURCE, rc=1)
        self.call(self.token, "--tool", "mail.send", "--arg", f"limit={ARGUMENT}", rc=1)
        self.call(self.token[:-9], *call, rc=1)
        self.call(self.token + "\n\n", *call, rc=1)
        self.call("Bearer " + self.token, *call, rc=1)
        self.call(self.token.rpartition(".")[0], rc=1)
        self.do("token", "revoke", "--json", "--token-file", "-", stdin="Bearer " + self.token, rc=2)
        self.do("token", "revoke", "--json", "--token-file", "-", stdin=self.token + ".x", rc=2)
        self.do("token", "revoke", "--json", "--token-file", "-", "--reason", REASON, stdin=self.token)
        self.do("token", "revoke", "--json", "--token-file", "-", "--reason", REASON, stdin=self.token, rc=4)
        self.call(self.token, *call, rc=1)
        self.do("task", "kill", self.task, "--reason", REASON, "--json")
        self.do("token", "issue", "--json", "--task", self.task, "--audience", AUDIENCE, rc=5)
        self.do("agent", "suspend", "bot", "--reason", REASON, "--json")


def spellings(secret: bytes) -> list[bytes]:
    """The ways a key could have been written."""
    number = int.from_bytes(secret, "big")
    return [secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"="), b64.encode(secret).encode(),
            str(number).encode()]  # fmt: skip


def parts(token: str) -> list[bytes]:
    """The whole token, and what of it would be enough to rebuild it."""
    _, body, signature = token.split(".")
    return [token.encode(), body.encode(), signature.encode(), signature[:40].encode()]


@pytest.fixture
def story(nhictl: Program, tmp_path: Path) -> Story:
    made = Story(nhictl, tmp_path)
    made.incident()
    return made


def absent(where: str, data: bytes, secrets: list[bytes]) -> None:
    """Assert that none of the secrets stands in the data."""
    for secret in secrets:
        assert secret not in data, (where, secret[:20])


def test_nothing_secret_is_written(story: Story, tmp_path: Path) -> None:
    house = House(story.home, story.home / DATABASE)
    private = signing_key(house).private_numbers().private_value.to_bytes(32, "big")
    keys = spellings(private) + spellings(bytes.fromhex((story.home / "kek").read_text().strip()))
    for task, sealed in house.db.execute("SELECT task, sealed FROM content_key").fetchall():
        keys += spellings(house.sealer.open(sealed, f"content key:{task}"))
    for kid, sealed in house.db.execute("SELECT kid, sealed FROM signing_key").fetchall():
        keys += spellings(house.sealer.open(sealed, f"signing key:{kid}"))
    agent_key = b'"d":"'
    assert agent_key in (tmp_path / "agent.jwk").read_bytes()
    content = [text.encode() for text in (PURPOSE, PRINCIPAL, REASON, ARGUMENT, "resourcemark")]
    lines = b"\n".join(bytes(row[0]) for row in house.db.execute("SELECT CAST(line AS BLOB) FROM log"))
    export = story.do("audit", "export").out.encode()
    assert lines.count(b"\n") > 12
    for where, data in (("log", lines), ("export", export)):
        absent(where, data, [*parts(story.token), *keys, *content, agent_key])
    digest = sha256(story.token.encode()).hexdigest().encode()
    assert lines.count(b'"tok":"sha256:' + digest + b'"') >= 5, "what is there instead"
    for number, ran in enumerate(story.ran):
        absent(f"stderr of {number}", ran.err.encode(), [*parts(story.token), *keys, *content])
        absent(f"stdout of {number}", ran.out.encode(), keys)
    absent("stdout", b"".join(r.out.encode() for r in story.ran[5:]), parts(story.token))
    house.close()
    for file in story.home.rglob("*"):
        if file.is_file() and file.name != "kek":
            absent(file.name, file.read_bytes(), [*parts(story.token), *keys, *content[2:], agent_key])
    assert sum(entry["type"] == "token.denied" for entry in records(house)) == 7
    house.close()


SAID: list[tuple[str, Any]] = [
    ("a jti to revoke", lambda t: ("token", "revoke", "--jti", t)),
    ("a jti to show", lambda t: ("token", "show", t)),
]
REPEATED: list[tuple[str, Any]] = [
    ("a task of a new token", lambda t: ("token", "issue", "--task", t, "--audience", AUDIENCE)),
    ("a task to show", lambda t: ("task", "show", t)),
    ("an agent to revoke", lambda t: ("token", "revoke", "--agent", t)),
    ("an audience", lambda t: ("token", "issue", "--task", "t-0000000000000000", "--audience", t + " ")),
]


def repeating(program: Program, folder: Path, rows: list[tuple[str, Any]]) -> list[str]:
    """The commands whose error repeats a token that was given in the place of something else."""
    token = Story(program, folder).token
    found = []
    for name, command in rows:
        ran = program(*command(token), "--json")
        assert ran.rc in (2, 4), ran
        if any(part in ran.err.encode() for part in parts(token)):
            found.append(name)
    return found


def test_a_token_in_the_place_of_a_jti_is_not_repeated(nhictl: Program, tmp_path: Path) -> None:
    assert repeating(nhictl, tmp_path, SAID) == []


def test_a_token_in_the_place_of_a_name_is_not_repeated(nhictl: Program, tmp_path: Path) -> None:
    assert repeating(nhictl, tmp_path, REPEATED) == []
