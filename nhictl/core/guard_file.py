"""Projects whose coding agent is guarded: which agent works there, what for, and what a session's task may touch.

`{"nhictl_guards": 1, "projects": [{path, host, agent, intent, purpose, allow, command,
deadline_s}]}`, kept by `guard install`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.errors import InputError

MAX_FILE: Final = 1_000_000
DEFAULT_DEADLINE_S: Final = 8 * 3600
_TEXTS: Final = ("path", "host", "agent", "intent", "purpose", "command")


class Project(NamedTuple):
    """One guarded folder, absolute and without links; `allow` are boxes as text, `command` is what was put into the host's
    settings, and `deadline_s` how long a session lasts.
    """

    path: str
    host: str
    agent: str
    intent: str
    purpose: str
    allow: tuple[str, ...]
    command: str
    deadline_s: int = DEFAULT_DEADLINE_S

    def to_json(self) -> dict[str, Any]:
        """The project as it is kept and shown."""
        return {**self._asdict(), "allow": list(self.allow)}


def parse(file: str, data: bytes) -> list[Project]:
    """Read the projects; InputError names the file and what is wrong in it."""
    try:
        value = strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise InputError(str(e), file=file, line=e.line, column=e.column, code="guards_malformed") from e
    if not isinstance(value, dict) or value.keys() != {"nhictl_guards", "projects"} or value["nhictl_guards"] != 1:
        raise InputError("no guards file of version 1", file=file, code="guards_malformed")
    listed = value["projects"] if isinstance(value["projects"], list) else [None]
    found = [_project(file, place, one) for place, one in enumerate(listed)]
    if len({(one.path, one.host) for one in found}) != len(found):
        raise InputError("the same project stands twice", file=file, code="guards_malformed")
    return found


def _project(file: str, place: int, value: Any) -> Project:
    allow, deadline = (value.get("allow"), value.get("deadline_s")) if isinstance(value, dict) else (None, None)
    right = (
        isinstance(value, dict) and value.keys() == set(Project._fields)
        and all(isinstance(value[name], str) and value[name] for name in _TEXTS) and value["path"].startswith("/")
        and isinstance(allow, list) and allow and all(isinstance(box, str) for box in allow)
        and isinstance(deadline, int) and not isinstance(deadline, bool) and deadline > 0
    )  # fmt: skip
    if not right:
        raise InputError(f"project {place} is none", file=file, code="guards_malformed")
    return Project(**{**value, "allow": tuple(allow or ())})


def dump(projects: list[Project]) -> bytes:
    """The file's text, by path, for people to read as well."""
    import json

    ordered = [one.to_json() for one in sorted(projects, key=lambda one: (one.path, one.host))]
    return json.dumps({"nhictl_guards": 1, "projects": ordered}, indent=1, ensure_ascii=False).encode() + b"\n"


def covering(projects: list[Project], host: str, cwd: str) -> Project | None:
    """The innermost project of that host that holds the folder `cwd`, by whole segments."""
    held = [one for one in projects if one.host == host and f"{cwd}/".startswith(f"{one.path.rstrip('/')}/")]
    return max(held, key=lambda one: len(one.path), default=None)
