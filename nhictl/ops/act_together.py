"""Several acts in one transaction, for a server whose callers wait at the same time: one commit answers them all.

Each appends its own records and sees what those before it changed, as if it had come after them. One that fails takes the
others back with it, so they are then carried out one by one: nobody's request fails for somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House

T = TypeVar("T")


class _OneFailedError(Exception):
    """One of several failed by itself; what of the transaction it is does not matter, since all of it is taken back."""


def together(house: House, acts: Sequence[Callable[[Act], T]]) -> list[tuple[T, Head] | Exception]:
    """Carry out `acts`, in order, and return for each its answer with the head after all of them, or its error.

    What stops the transaction itself (no lock, no room, an unknown outcome) is everybody's error, and nothing is tried again.
    """

    def all_of(act: Act) -> list[T]:
        try:
            return [one(act) for one in acts]
        except Exception as e:
            raise _OneFailedError from e

    try:
        answers, head = transact(house, all_of if len(acts) > 1 else lambda act: [acts[0](act)], may_rest=True)
    except _OneFailedError:
        return [together(house, [one])[0] for one in acts]
    except Exception as e:  # noqa: BLE001  # each of those who wait gets it, and their boundary tells a bug from an error
        return [e for _ in acts]
    return [(answer, head) for answer in answers]
