"""A call that is denied for want of an approval, granted in another process, passes exactly once, at every point."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nhictl.core.identity import approver_key
from nhictl.core.policy.box import box_from_mapping
from nhictl.ops.activate_policy import activate
from nhictl.ops.audit_log import verify_home
from nhictl.ops.house import House
from nhictl.ops.init import initialise
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.sdk import DeniedError, Guard
from tests.enforce.test_hook import register_projects
from tests.enforce.test_mcp_relay import Proxy
from tests.harness import Program
from tests.ops.token_home import records

Ask = Callable[[str], tuple[bool, str]]
TOOL = "s.act"


class Home:
    """A home whose one tool takes an approval by a key that lies in a file."""

    def __init__(self, house: House, folder: Path, program: Program) -> None:
        self.house, self.folder, self.program = house, folder, program
        key = Ed25519PrivateKey.generate()
        self.key = folder / "desk.pem"
        self.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.key.chmod(0o600)
        policy = {
            "nhictl_policy": 1,
            "tools": {TOOL: {"args": {"do": "string"}}},
            "classes": {"weighty": {"tools": [TOOL], "impact": "high", "requires": "approval"}},
            "rules": [{"id": "ACT", "effect": "permit"}],
            "approvers": [{"name": "desk", "key": approver_key.public_of(key), "classes": ["weighty"]}],
        }
        activate(house, [("policy.json", json.dumps(policy).encode())])
        register(house, Registration("coder", "dev@example.org", "acts"), None, None)
        boxes = (box_from_mapping({"tools": [TOOL]}),)
        self.task = str(open_task(house, Order("coder", "act", "acting", boxes, instance="one"))[0]["id"])
        house.close()

    def grant(self, request: str) -> None:
        ran = self.program("approval", "grant", request, "--key", str(self.key), home=self.house.home)
        assert ran.rc == 0, ran.err


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A home by the real clock, which other processes have too."""
    made = House(tmp_path / "home", tmp_path / "home" / "nhictl.db")
    initialise(made, "example.org", None)
    yield made
    made.close()


@contextmanager
def hook(home: Home) -> Iterator[Ask]:
    register_projects(home.house.home, home.folder, allow=(TOOL,))

    def ask(do: str) -> tuple[bool, str]:
        event = {
            "hook_event_name": "PreToolUse", "session_id": "s", "cwd": str(home.folder), "tool_name": TOOL,
            "tool_input": {"do": do}, "tool_use_id": "t",
        }  # fmt: skip
        ran = home.program("guard", "hook", "claude-code", stdin=json.dumps(event), home=home.house.home)
        said = json.loads(ran.out)["hookSpecificOutput"]
        return said["permissionDecision"] == "allow", said["permissionDecisionReason"]

    yield ask


@contextmanager
def mcp(home: Home) -> Iterator[Ask]:
    proxy = Proxy(home.house.home, home.task)

    def ask(do: str) -> tuple[bool, str]:
        said = proxy.ask(do=do)["result"]
        return "isError" not in said, said["_meta"]["nhictl/request"] if "isError" in said else ""

    yield ask
    assert proxy.end() == 0
    proxy.process.__exit__(None, None, None)


@contextmanager
def sdk(home: Home) -> Iterator[Ask]:
    guard = Guard(home=str(home.house.home), task=home.task)

    def ask(do: str) -> tuple[bool, str]:
        try:
            with guard(TOOL, {"do": do}):
                return True, ""
        except DeniedError as e:
            return False, e.request or str(e)

    yield ask


@pytest.mark.parametrize("point", [hook, mcp, sdk], ids=["hook", "mcp", "sdk"])
def test_what_was_granted_in_another_process_passes_once(
    house: House,
    tmp_path: Path,
    nhictl: Program,
    monkeypatch: pytest.MonkeyPatch,
    point: Callable[[Home], AbstractContextManager[Ask]],
) -> None:
    for name in ("NHICTL_TASK", "NHICTL_TOKEN", "NHICTL_TOKEN_FILE", "NHICTL_TOKEN_FD"):
        monkeypatch.delenv(name, raising=False)
    home = Home(house, tmp_path, nhictl)
    with point(home) as ask:
        allowed, why = ask("nothing")
        found = re.search(r"\ba-[0-9a-z]{16}", why)
        assert found is not None, why
        assert not allowed
        home.grant(found[0])
        assert not ask("something else")[0]  # another call than the one that was granted
        assert ask("nothing")[0]
        assert not ask("nothing")[0]
    kinds = [str(r["type"]) for r in records(house)]
    assert (kinds.count("approval.granted"), kinds.count("approval.used")) == (1, 1)
    assert [r["outcome"] for r in records(house) if r["type"] == "tool.called"] == ["deny", "deny", "ok", "deny"]
    assert verify_home(house, ()).exit == 0
