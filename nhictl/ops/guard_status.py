"""`guard status`: whether each guard is really on, shown by asking it: the installed command is run with a call to deny.

What is run is the command that `guard install` kept in the home, and only if the host's settings hold that very text:
those may be written by the guarded agent, and whoever asks for the status may be somebody else.

The probe is a call of a tool that no policy declares, in a session of its own: a denial of it is recorded like any other
and the session ends at once. What the host does with the answer is the host's, and is said to be (`uncovered`).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.guard_file import Project
from nhictl.core.token import b64
from nhictl.errors import NhictlError
from nhictl.formats import agent_settings
from nhictl.ops import separation
from nhictl.ops.guard_install import Place, place_of, read_settings
from nhictl.ops.guard_session import projects
from nhictl.ops.house import House

PROBE_TOOL: Final = "nhictl.guard.probe"
_PATIENCE_S: Final = agent_settings.TIMEOUT_S


class Standing(NamedTuple):
    """One guarded project: `on` only if its call was seen to be denied; `why` says what was seen, `missing` which events the
    settings leave out.
    """

    project: Project
    settings: str | None
    on: bool
    probe: str
    why: str
    missing: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The members of an item of `nhictl.guard_status/v1`."""
        return {
            "host": self.project.host, "path": self.project.path, "agent": self.project.agent, "settings": self.settings,
            "on": self.on, "probe": self.probe, "why": self.why, "missing": list(self.missing),
            "separation": separation.of_caller().kind,
            "uncovered": list(agent_settings.UNCOVERED[self.project.host]),
        }  # fmt: skip


def status(house: House) -> list[Standing]:
    """Every registered project, each asked; the database is closed while another process has it open."""
    found = projects(house)
    house.close()
    return [_standing(house, project) for project in found]


def _standing(house: House, project: Project) -> Standing:
    place, commands = None, dict[str, list[str]]()
    folder = Path(project.path)
    shared = [Place(project.host, folder / name) for name in agent_settings.SHARED_FILE[project.host]]
    for candidate in (*(place_of(project.host, folder, user=user) for user in (False, True)), *shared):
        try:
            settings = read_settings(candidate)
        except NhictlError as e:
            return Standing(project, str(candidate.path), False, "unknown", str(e), ())
        if agent_settings.switched_off(settings):
            return Standing(project, str(candidate.path), False, "not asked", "the settings switch all hooks off", ())
        if place is None and agent_settings.handlers(settings):
            place, commands = candidate, agent_settings.handlers(settings)
    if place is None or "PreToolUse" not in commands:
        return Standing(project, None, False, "not asked", "no settings of the host name the guard", ())
    others = [event for event, found in commands.items() if found != [project.command]]
    if others:
        why = f"not the command that was installed, or not it alone, for {', '.join(others)}"
        return Standing(project, str(place.path), False, "not asked", why, ())
    missing = tuple(event for event in agent_settings.EVENTS[project.host] if event not in commands)
    return _asked(house, project, place, missing)


def _asked(house: House, project: Project, place: Place, missing: tuple[str, ...]) -> Standing:
    session = "nhictl-probe-" + b64.encode(house.random(9))
    before = _event("PreToolUse", session, project) | {
        "tool_name": PROBE_TOOL,
        "tool_input": {},
        "tool_use_id": session,
    }
    code, out = _run(project, before)
    decision = _decision(out) if code in (0, 2) else None
    probe, on, why = "let through", False, f"a call of `{PROBE_TOOL}` was not denied: exit {code}"
    if decision == "deny":
        probe, on, why = "denied", True, "a call that no policy allows was denied and recorded"
    elif code == 2:
        probe, on, why = "blocked", True, "the guard gives no answer, so every call is blocked: see `nhictl doctor`"
    _run(project, _event("SessionEnd", session, project))
    return Standing(project, str(place.path), on and not missing, probe, why, missing)


def _event(name: str, session: str, project: Project) -> dict[str, Any]:
    return {
        "hook_event_name": name, "session_id": session, "cwd": project.path, "transcript_path": None,
        "permission_mode": "default",
    }  # fmt: skip


def _run(project: Project, event: dict[str, Any]) -> tuple[int, str]:
    """What the host's shell would get. Nothing of a run we may be in ourselves is handed on."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("NHICTL_")}
    try:
        done = subprocess.run(  # noqa: S603  # our own text, from our home
            ["/bin/sh", "-c", project.command], input=json.dumps(event).encode(), capture_output=True, check=False, env=env,
            cwd=project.path, timeout=_PATIENCE_S,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return -1, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _decision(out: str) -> str | None:
    try:
        return str(json.loads(out)["hookSpecificOutput"]["permissionDecision"])
    except (ValueError, LookupError, TypeError):
        return None
