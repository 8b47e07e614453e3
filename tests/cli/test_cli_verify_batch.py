"""`token verify --batch` as a long-lived checker: each line is answered at once, from the store as it is then."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.token.profile import AT_JWT
from nhictl.errors import InputError
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import issue_token
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_batch import answer
from tests.ops.token_home import AUDIENCE, DOMAIN, READ, add_agent, add_task, policy_file

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A home by the real clock, since another process reads it."""
    home = tmp_path_factory.mktemp("batch") / "home"
    made = House(home, home / DATABASE)
    initialise(made, DOMAIN, None)
    add_agent(made, "report-bot")
    activate(made, policy_file())
    return made


@pytest.fixture(scope="module")
def task(house: House) -> str:
    return add_task(house, max_tokens=1000)


@pytest.fixture
def checker(house: House) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "nhictl", "--home", str(house.home), "token", "verify"]
    command += ["--batch", "-", "--audience", AUDIENCE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as made:
        yield made


def ask(checker: subprocess.Popen[str], **line: Any) -> dict[str, Any]:
    """One line in, one line out."""
    assert checker.stdin is not None
    assert checker.stdout is not None
    checker.stdin.write(json.dumps(line) + "\n")
    checker.stdin.flush()
    found: dict[str, Any] = json.loads(checker.stdout.readline())
    return found


def test_a_checker_that_runs_on_sees_every_revocation(house: House, task: str, checker: subprocess.Popen[str]) -> None:
    for number in range(30):
        issued = issue_token(house, task, AUDIENCE)[0]
        said = ask(checker, id=number, token=issued.token, **READ)
        assert (said["id"], said["reason"], said["recorded"]) == (number, "valid", False)
        revoke(house, Selector(jti=issued.jti), None)
        said = ask(checker, id=number, token=issued.token, **READ)
        assert (said["valid"], said["reason"]) == (False, "token_revoked")
    assert checker.stdin is not None
    checker.stdin.close()
    assert checker.wait(30) == 0


def test_a_live_line_takes_its_use_and_a_bad_line_does_not_stop_the_rest(
    house: House, task: str, checker: subprocess.Popen[str]
) -> None:
    once = issue_token(house, task, AUDIENCE, uses=1)[0].token
    assert ask(checker, token=once)["reason"] == "use_required"
    said = ask(checker, token=once, consume=True, **READ)
    assert (said["reason"], said["recorded"], said["log"]["chain"]) == ("valid", True, house.meta["chain"])
    assert ask(checker, token=7)["error"]["code"] == "invalid_request_line"
    assert ask(checker, token=once, consume=True, **READ)["reason"] == "uses_exhausted"
    assert ask(checker, token="x" * 20_000)["reason"] == "token_too_large"
    assert ask(checker, token=once, audience="https://elsewhere.example")["reason"] == "aud_mismatch"
    assert checker.stdin is not None
    checker.stdin.close()
    assert checker.wait(30) == 2


BAD: list[tuple[dict[str, Any], str]] = [
    ({"token": None}, "needs `token`"),
    ({"audience": None}, "needs `audience`"),
    ({"token": 7}, "`token` has to be a string"),
    ({"args": [1]}, "`args` has to be an object"),
    ({"tool": None}, "name its `tool`"),
    ({"jwks": {}}, "go with `offline`"),
    ({"jwk": {}}, "no member `jwk`"),
    ({"consume": "yes"}, "`consume` has to be"),
    ({"consume": True, "at": "-1m"}, "a live check is about now"),
    ({"at": "yesterday"}, "yesterday"),
    ({"profile": "generic"}, "tokens of other issuers"),
    ({"profile": "jwt"}, "no token profile"),
    ({"client_cert": "x"}, "0 PEM blocks"),
    ({"offline": 1}, "`offline` has to be"),
    ({"offline": True}, "needs `jwks` and `issuer`"),
    ({"offline": True, "jwks": {}, "issuer": "x", "consume": True}, "neither `consume`"),
    ({"offline": True, "jwks": {}, "issuer": "x"}, "no array `keys`"),
    ({"offline": True, "jwks": {"keys": []}, "issuer": "x", "status_list": "y"}, "a list of strings"),
]


@pytest.mark.parametrize(("changed", "why"), BAD)
def test_what_is_wrong_with_a_line(house: House, task: str, changed: dict[str, Any], why: str) -> None:
    good = {"token": issue_token(house, task, AUDIENCE)[0].token, "audience": AUDIENCE, **READ}
    assert answer(house, dict(good), {})["reason"] == "valid"
    with pytest.raises(InputError, match=why):
        answer(house, good | changed, {})


def test_the_command_line_says_what_a_line_leaves_out(house: House, task: str) -> None:
    token = issue_token(house, task, AUDIENCE)[0].token
    defaults = {"audience": AUDIENCE, "profile": AT_JWT, "at": None, "consume": None}
    assert answer(house, {"token": token}, defaults)["reason"] == "valid"
    past = answer(house, {"token": token}, defaults | {"at": "-1h"})
    assert (past["reason"], past["hypothetical"]) == ("kid_unknown", True), "there was no home then"
    assert answer(house, {"token": token, "audience": "https://other.example"}, defaults)["reason"] == "aud_mismatch"
