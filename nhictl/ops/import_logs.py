"""`audit import`: other systems' logs become evidence in ours: the source's very bytes, sealed, under its digest.

Foreign events live only inside `log.imported` and never change authority state. Replaying reads the bytes again, so
nothing is lost that a later importer might understand.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from nhictl.errors import InputError
from nhictl.formats import Imported
from nhictl.ops import sources
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import log


class Taken(NamedTuple):
    """What came of an import: counts of records, files taken, files known before, and why files were refused."""

    parsed: int
    opaque: int
    failed: int
    files: int
    known: int
    refused: list[InputError]


def import_logs(
    house: House, paths: Sequence[str], chosen: str | None, mapping: bytes | None = None
) -> tuple[Taken, Head | None]:
    """Take in every file that can be read as a log, in one transaction; refuse the others by name.

    `mapping` is the map of a generic log and is kept with it. The same bytes twice are taken once. With nothing new to
    take no record is written and the head is None.
    """
    house.check()
    good: list[tuple[sources.Source, bytes, Imported]] = []
    refused: list[InputError] = []
    for source in sources.find(paths):
        try:
            data = sources.read(source)
            good.append((source, data, sources.interpret(source, data, chosen, mapping)))
        except InputError as e:
            refused.append(e)
    digests = ["sha256:" + sha256(data).hexdigest() for _, data, _ in good]
    new = [digest for digest in dict.fromkeys(digests) if log.imported(house.db, digest) is None]
    blank = Taken(
        sum(made.parsed for _, _, made in good),
        sum(made.opaque for _, _, made in good),
        sum(made.failed for _, _, made in good),
        0,
        len(good),
        refused,
    )
    if not new:
        return blank, None

    def decide(act: Act) -> int:
        count = 0
        for digest, (source, data, made) in zip(digests, good, strict=True):
            if log.imported(act.db, digest) is not None:
                continue
            src = {"imp": made.format, "file": digest, "off": 0, "len": len(data), "state": "imported"}
            ext = {"run": source.run, "parsed": made.parsed, "opaque": made.opaque, "failed": made.failed}
            kept: dict[str, Any] = {"source": data}
            if made.format == "generic" and mapping is not None:  # without its map it could not be read again
                kept["map"] = mapping.decode()
            seq = act.record("log.imported", sealed=kept, src=src, ext=ext)
            log.put_imported(act.db, digest, seq)
            count += 1
        if not count:
            raise _NothingNewError
        return count

    try:
        files, head = transact(house, decide)
    except _NothingNewError:  # another process took them while this one waited for the lock
        return blank, None
    return blank._replace(files=files, known=len(good) - files), head


class _NothingNewError(Exception):
    pass
