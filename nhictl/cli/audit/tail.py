"""`nhictl audit tail`."""

from __future__ import annotations

import select
import signal
import sys
from types import FrameType
from typing import Annotated, Any, Final

import typer

from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.export_log import Tail, shaped
from nhictl.render.json_text import compact

FORMATS_TO: Final = ("record", "native", "ocsf", "timesketch")
LOOK_S: Final = 0.2
"""How often a follower asks whether anybody has committed something."""


def command(
    follow: Annotated[bool, typer.Option("-f", "--follow", help="go on as records come")] = False,
    last: Annotated[int, typer.Option("-n", metavar="N", min=0, help="how many of the newest to begin with")] = 10,
    from_seq: Annotated[
        int | None, typer.Option("--from-seq", metavar="SEQ", min=0, help="begin with this record instead: a cursor")
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="record, native, ocsf or timesketch")] = "record",
) -> None:
    """Print the newest records, one a line, and with -f those that come, each once and in order.

    To go on after a stop, give --from-seq the number after the last one that arrived: `seq` of a record, `metadata.sequence`
    in ocsf. It ends with status 0 on SIGTERM, and when nobody reads any more; with 6 if the log goes back or is replaced.

    Example: nhictl audit tail -n 3 --to ocsf
    """
    if to not in FORMATS_TO:
        raise InputError(f"no format `{to}` to follow the log in", code="usage", hint=f"one of {', '.join(FORMATS_TO)}")
    house = session().house()
    tail = Tail(house, from_seq, last)
    stop = _Stop(listening=follow)
    seen = tail.changed()
    while not stop.asked:
        if to == "native":
            sys.stdout.writelines(line.decode() + "\n" for _, line in tail.new())
        else:
            sys.stdout.writelines(compact(one) + "\n" for one in shaped(house, to, tail.new()))
        sys.stdout.flush()
        if not follow:
            return
        while not stop.asked and tail.changed() == seen:
            house.check_in_place()
            if _nobody_reads():
                return
        seen = tail.changed()


class _Stop:
    """Whether SIGTERM came: what is being written is finished first."""

    def __init__(self, *, listening: bool) -> None:
        self.asked = False
        if listening:
            signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _nobody_reads() -> bool:
    """Wait a moment; whether the other end of standard output was closed."""
    poll: Any = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(LOOK_S * 1000))
