"""Where a home is, and its database: what the environment and `--store` say."""

from __future__ import annotations

import os
from pathlib import Path

from nhictl.errors import InputError
from nhictl.ops.house import DATABASE


def default_home() -> Path:
    """`$NHICTL_HOME`, else `$XDG_DATA_HOME/nhictl`, else `~/.local/share/nhictl`."""
    if named := os.environ.get("NHICTL_HOME"):
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "nhictl"


def database_of(home: Path, store: str | None) -> Path:
    """The database file: the home's, or the one `--store sqlite:///path` names; another scheme is refused (exit 2)."""
    if not store:
        return home / DATABASE
    scheme, mark, path = store.partition("://")
    if not mark or scheme != "sqlite":
        raise InputError(
            f"no store of the scheme `{scheme}` in this version", code="store_unsupported",
            hint="use sqlite:///absolute/path, or leave --store out",
        )  # fmt: skip
    if not path.startswith("/"):
        raise InputError("a sqlite store is sqlite:/// and an absolute path", code="store_unsupported")
    return Path(path)
