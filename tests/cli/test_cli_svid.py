"""`agent svid` on the command line: what it prints, what it answers in JSON, and every way it says no."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.cli.agent_cli import Cli
from tests.core.identity.csr_requests import P256, pem, request, uri, usage

BOT = "spiffe://example.org/agent/bot"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    made = Cli(tmp_path, monkeypatch, capsys)
    made.json("init", "--trust-domain", "example.org")
    made.json("agent", "register", "bot", "--owner", "o@example.org", "--purpose", "p")
    (tmp_path / "bot.csr").write_bytes(pem(request()))
    (tmp_path / "bot.der").write_bytes(request(uri(BOT)))
    (tmp_path / "ca.csr").write_bytes(pem(request(x509.BasicConstraints(ca=True, path_length=None))))
    (tmp_path / "sign.csr").write_bytes(pem(request(usage(key_cert_sign=True))))
    (tmp_path / "other.csr").write_bytes(pem(request(uri("spiffe://example.org/agent/other"))))
    (tmp_path / "there.pem").write_text("mine")
    return made


def test_the_certificate_alone_is_printed(cli: Cli) -> None:
    done = cli("agent", "svid", "bot", "--csr", "bot.csr")
    assert (done.code, done.err) == (0, "")
    found = x509.load_pem_x509_certificate(done.out.encode())
    assert found.public_key() == P256.public_key()
    assert found.public_bytes(Encoding.PEM).decode() == done.out, "and nothing besides"


def test_in_json(cli: Cli) -> None:
    reply = cli.json("agent", "svid", BOT, "--csr", "bot.der", "--instance", "host-1", "--ttl", "15m")
    assert list(reply) == [
        "schema", "certificate", "chain", "bundle", "spiffe_id", "agent", "instance", "serial", "not_before",
        "not_after", "key", "log",
    ]  # fmt: skip
    assert (reply["schema"], reply["spiffe_id"], reply["agent"], reply["instance"]) == (
        "nhictl.svid/v1", BOT, "bot", "host-1",
    )  # fmt: skip
    found = x509.load_pem_x509_certificate(reply["certificate"].encode())
    assert int(reply["serial"], 16) == found.serial_number
    assert reply["not_after"] == found.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert (found.not_valid_after_utc - found.not_valid_before_utc).total_seconds() == 930
    leaf, by = reply["chain"]
    assert leaf == reply["certificate"]
    assert reply["bundle"] == [by]
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(by.encode()))
    assert reply["log"]["size"] == cli.size()


def test_a_request_on_standard_input(cli: Cli) -> None:
    done = cli("agent", "svid", "bot", "--csr", "-", stdin=pem(request()))
    assert x509.load_pem_x509_certificate(done.out.encode()).public_key() == P256.public_key()


def test_a_key_of_its_own_making(cli: Cli) -> None:
    done = cli("agent", "svid", "bot", "--key-out", "key.pem", "--bundle-out", "bundle.pem")
    leaf = x509.load_pem_x509_certificate(done.out.encode())
    key = load_pem_private_key((cli.folder / "key.pem").read_bytes(), None)
    assert (key.public_key(), (cli.folder / "key.pem").stat().st_mode & 0o777) == (leaf.public_key(), 0o600)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate((cli.folder / "bundle.pem").read_bytes()))
    again = cli("agent", "svid", "bot", "--key-out", "key2.pem", "--bundle-out", "bundle.pem")
    assert again.code == 0, "the bundle is replaced, a key never"


def test_a_key_over_a_descriptor(cli: Cli) -> None:
    reading, writing = os.pipe()
    done = cli("agent", "svid", "bot", "--key-fd", str(writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        key = load_pem_private_key(pipe.read(), None)
    assert key.public_key() == x509.load_pem_x509_certificate(done.out.encode()).public_key()


def test_the_registered_key(cli: Cli) -> None:
    kid = cli("agent", "rotate-key", "bot", "--generate-key", "--key-out", "own.jwk").out.strip()
    assert cli.json("agent", "svid", "bot", "--own-key")["key"] == kid


REFUSED = [
    ("bot --csr ca.csr", 2, "csr_ca"),
    ("bot --csr sign.csr", 2, "csr_ca"),
    ("bot --csr other.csr", 2, "csr_name_mismatch"),
    ("bot --csr there.pem", 2, "csr_malformed"),
    ("bot --csr nowhere", 2, "unreadable"),
    ("bot", 2, "usage"),
    ("bot --csr bot.csr --own-key", 2, "usage"),
    ("bot --key-out k --key-fd 9", 2, "usage"),
    ("bot --key-fd 1", 2, "usage"),
    ("bot --key-fd 99", 2, "usage"),
    ("bot --csr bot.csr --ttl 25h", 2, "invalid_ttl"),
    ("bot --csr bot.csr --ttl 0s", 2, "usage"),
    ("bot --csr bot.csr --instance ../x", 2, "invalid_instance"),
    ("bot --csr bot.csr --bundle-out no/where.pem", 7, "unavailable"),
    ("bot --key-out there.pem", 5, "key_file_exists"),
    ("bot --key-out no/where.pem", 7, "key_not_delivered"),
    ("bot --own-key", 5, "no_own_key"),
    ("ghost --key-out k.pem", 4, "agent_unknown"),
    ("ghost --csr bot.csr", 4, "agent_unknown"),
    ("ghost --own-key", 4, "agent_unknown"),
]


@pytest.mark.parametrize(("line", "code", "reason"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(cli: Cli, line: str, code: int, reason: str) -> None:
    cli.json("agent", "svid", "bot", "--csr", "bot.csr")
    before = cli.size(), sorted(p.name for p in cli.folder.iterdir())
    done = cli("agent", "svid", *line.split(), "--json")
    assert (done.code, done.out) == (code, "")
    assert json.loads(done.err)["error"]["code"] == reason
    assert (cli.size(), sorted(p.name for p in cli.folder.iterdir())) == before
    assert (cli.folder / "there.pem").read_text() == "mine"


def test_suspending_says_what_stays_good(cli: Cli) -> None:
    until = cli.json("agent", "svid", "bot", "--csr", "bot.csr", "--instance", "one")["not_after"]
    done = cli("agent", "suspend", "bot", "--instance", "one")
    assert done.out.splitlines() == [
        "instance one of agent bot suspended; live tokens concerned: 0",
        f"1 certificate that was issued stays good: nothing ends it before {until}",
    ]
    reply = cli.json("agent", "suspend", "bot")
    assert (reply["live_svids"], reply["svids_until"]) == (1, until)
    assert cli("agent", "svid", "bot", "--csr", "bot.csr").code == 5
    assert cli.json("agent", "retire", "bot")["live_svids"] == 1


def test_suspending_says_nothing_where_there_is_nothing_to_say(cli: Cli) -> None:
    assert cli("agent", "suspend", "bot").out == "agent bot suspended; live tokens concerned: 0\n"
    reply = cli.json("agent", "retire", "bot")
    assert reply["live_svids"] == 0
    assert "svids_until" not in reply


def test_published_and_found_clean(cli: Cli) -> None:
    cli.json("agent", "svid", "bot", "--csr", "bot.csr")
    cli.json("trust", "publish", "--out", "pub")
    done = cli("crypto", "spiffe-bundle", "pub/spiffe-bundle.json", "--json")
    assert (done.code, json.loads(done.out)["findings"]) == (0, [])
    assert '"use":"x509-svid"' in (cli.folder / "pub" / "spiffe-bundle.json").read_text().replace(" ", "")


def test_replay_has_it_and_no_private_key_is_anywhere(cli: Cli) -> None:
    cli("agent", "svid", "bot", "--key-out", "key.pem")
    said = cli("audit", "replay", "--agent", "bot", "-o", "jsonl").out
    event = json.loads(said.splitlines()[-1])
    assert (event["type"], event["agent"], event["ext"]["key"]) == ("agent.svid_issued", "bot", "made")
    assert cli("audit", "verify").code == 0
    secret = (cli.folder / "key.pem").read_text().splitlines()[1]
    assert secret not in cli("audit", "export").out
