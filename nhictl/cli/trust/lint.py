"""`nhictl trust lint`."""

from __future__ import annotations

from typing import Annotated

import typer

from nhictl.cli.main import Reply
from nhictl.cli.session import read_input
from nhictl.cli.trust.findings import report
from nhictl.ops import trusts


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="trusts, YAML or JSON; - for stdin")],
) -> Reply:
    """Find what is too open about trusts, or will not work. No home is needed. Exit 1 when a finding is an error.

    Errors: no audience, no immutable id, none of protected ref, environment and workflow, patterns in values, events
    that forks bring about, no intents, no scope or one for everything, keys that cannot be trusted.

    Example: nhictl trust lint deploy-main.trust.yaml
    """
    return report([trusts.look(file, read_input(file, trusts.MAX_FILE)) for file in files])
