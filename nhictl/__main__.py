"""`nhictl` and `python -m nhictl`. Collection pauses while modules load, which creates much and frees nothing."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    gc.disable()
    from nhictl.cli.main import main as run

    gc.freeze()
    gc.enable()
    sys.exit(run())


if __name__ == "__main__":
    main()
