"""`nhictl` and `python -m nhictl`. Collection pauses while modules load, which creates much and frees nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import sys


def main() -> None:
    """Run the command line and leave with its exit status.

    By then the home is closed and the answer flushed, so the process ends without taking the interpreter apart: 8 ms
    of 130 that would free what the kernel frees anyway.
    """
    gc.disable()
    from nhictl.cli.main import main as run

    gc.freeze()
    gc.enable()
    code = run()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
