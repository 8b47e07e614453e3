"""Options and files that the policy verbs share: which policy is asked, and which agents there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from nhictl.cli.session import read_input
from nhictl.ops.policy_files import MAX_FILE, File

Policy = Annotated[
    list[str] | None, typer.Option("--policy", metavar="FILE", help="ask this policy; again for more files")
]
Registry = Annotated[str | None, typer.Option("--registry", metavar="FILE", help="agents from this file")]


def read_files(names: Iterable[str] | None) -> list[File]:
    """Files with their content; none where none was named."""
    return [(name, read_input(name, MAX_FILE)) for name in names or ()]


def read_registry(name: str | None) -> File | None:
    """The agents file that was named, if one was."""
    return None if name is None else (name, read_input(name, MAX_FILE))
