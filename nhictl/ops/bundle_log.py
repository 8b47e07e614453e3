"""`audit bundle`: some records of the log, with all that somebody without an nhictl needs to check them.

One zip archive, the same bytes for the same log and question: raw lines and their inclusion proofs up to the newest signed
checkpoint, the records that name the log's keys, proofs that it grew out of what witnesses kept, the policies that decided,
content that is disclosed, each piece by its own salt, a manifest signed with the log's key, and `verify.py`.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.ledger import checkpoint, proofs
from nhictl.core.ledger import verify as ledger
from nhictl.errors import ConflictError, InputError, NotFoundError, UnavailableError
from nhictl.formats import verify_bundle
from nhictl.ops.act import Head, transact
from nhictl.ops.audit_log import public_keys
from nhictl.ops.bundle_findings import findings
from nhictl.ops.bundle_rows import MAX_BYTES, Row, Wanted, rows_of
from nhictl.ops.contents import Contents
from nhictl.ops.house import House
from nhictl.ops.prove_log import note_over, paths, snapshot
from nhictl.ops.segment_files import Rows, moved_out
from nhictl.ops.turn import log_key
from nhictl.store import files, log, work

__all__ = ["MAX_BYTES", "Bundled", "Wanted", "bundle"]

BUNDLE: Final = "nhictl.bundle/v1"


class Bundled(NamedTuple):
    """What was written: digest of the file, its manifest, and the head after the record of a disclosure, if there was one."""

    path: Path
    digest: str
    manifest: dict[str, Any]
    head: Head | None

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.bundled/v1`."""
        body = {"path": str(self.path), "sha256": self.digest, "manifest": self.manifest}
        return body | ({"log": self.head.to_json()} if self.head else {})


def bundle(
    house: House, wanted: Wanted, out: Path, *, disclose: Sequence[str] = (), anchors: Sequence[ledger.Anchor] = (),
    segments: Sequence[Path] = (),
) -> Bundled:  # fmt: skip
    """Write the bundle to a new file.

    Content under a label in `disclose` (or all, for `all`) is opened, and that is a record of its own. Records whose lines
    were moved out are looked for in `segments`; the manifest says below which record they were not all read. What the
    detections say of these records is a member of its own. NotFoundError (4) if no record fits, ConflictError (5) if the
    file exists, InputError (2) for an anchor that is not of this log's past or a bundle over `MAX_BYTES`, UnsafeError (6)
    if the log, or a segment, is not what was signed.
    """
    if out.exists() or out.is_symlink():
        raise ConflictError(f"`{out}` exists already", code="exists", hint="nothing is overwritten")
    with snapshot(house):
        parts, manifest = _made(house, wanted, disclose, anchors, segments)
    data = _packed(parts)
    head = None
    if manifest["disclosed"]:
        ext = {"bundle": sha256(parts["manifest.json"]).hexdigest(), "records": manifest["records"],
               "disclosed": manifest["disclosed"]}  # fmt: skip
        _, head = transact(house, lambda act: act.record("log.exported", ext=ext))
    try:
        files.write_new(out, data)
    except FileExistsError as e:
        raise ConflictError(f"`{out}` exists already", code="exists", hint="nothing is overwritten") from e
    except OSError as e:
        raise UnavailableError(f"cannot write `{out}`: {(e.strerror or str(e)).lower()}") from e
    return Bundled(out, sha256(data).hexdigest(), manifest, head)


def _made(
    house: House, wanted: Wanted, disclose: Sequence[str], anchors: Sequence[ledger.Anchor], segments: Sequence[Path]
) -> tuple[dict[str, bytes], dict[str, Any]]:  # fmt: skip
    note, size = note_over(house, None)
    said = checkpoint.parse(note)
    moved = moved_out(house)
    stored = Rows(house, moved, segments)
    rows = rows_of(stored, wanted, size)
    chosen = [row for row in rows if row.value is not None]
    unread = moved.unread() if stored.unread else None
    if not chosen:
        raise NotFoundError("no record fits what was asked for", code="nothing_matched", hint=unread)
    key = log_key(house)
    opened, disclosed, withheld, erased = _content(house, chosen, disclose)
    parts = {
        "records.jsonl": b"".join(row.line + b"\n" for row in rows),
        "proofs.json": _json(_proofs(house, note, rows, anchors)),
        "checkpoint.txt": note.encode(),
        "content.json": _json(opened),
        "verify.py": Path(verify_bundle.__file__).read_bytes(),
        **_policies(house, chosen),
        "detections.json": _json(findings(house, _below(stored, size), {row.seq for row in chosen}, disclose, unread)),
    }
    manifest = {
        "schema": BUNDLE,
        "chain": said.chain,
        "size": size,
        "root": base64.b64encode(said.root).decode(),
        "selection": wanted.to_json(),
        "records": len(chosen),
        "key_records": [row.seq for row in rows if row.value is None],
        "disclosed": disclosed,
        "withheld": withheld,
        "erased": erased,
        "unread": {"below": moved.size, "files": list(moved.files)} if stored.unread else None,
        "sources": [{"seq": row.seq, "src": row.value["src"]} for row in chosen if row.value and "src" in row.value],
        "keys": [checkpoint.verifier_key(said.chain, public) for public in public_keys(house)],
        "files": {name: sha256(data).hexdigest() for name, data in sorted(parts.items())},
    }
    parts["manifest.json"] = _json(manifest)
    message = f"nhictl-bundle/v1\n{said.chain}\n{sha256(parts['manifest.json']).hexdigest()}\n".encode()
    parts["manifest.sig"] = base64.b64encode(checkpoint.sign_raw(message, key.private)) + b"\n"
    return parts, manifest


def _below(rows: Iterable[tuple[int, bytes]], size: int) -> Iterator[tuple[int, bytes]]:
    return itertools.takewhile(lambda row: row[0] < size, rows)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _proofs(house: House, note: str, rows: Sequence[Row], anchors: Iterable[ledger.Anchor]) -> dict[str, Any]:
    """An inclusion proof for each record, and a consistency proof from each anchor's size; each anchor's root was held
    against the log.
    """
    said = checkpoint.parse(note)
    kept = sorted({(anchor.size, anchor.root): anchor for anchor in anchors}.values(), key=lambda anchor: anchor.size)
    for anchor in kept:
        if anchor.chain != said.chain or anchor.size > said.size:
            why = "of another log" if anchor.chain != said.chain else f"of {anchor.size} records, here are {said.size}"
            raise InputError(f"the anchor `{anchor.source}` is {why}", code="anchor_foreign")
    asked = [proofs.inclusion(row.seq, said.size) for row in rows]
    made = paths(house, note, [*asked, *(proofs.consistency(anchor.size, said.size) for anchor in kept)])
    packed = [[base64.b64encode(each).decode() for each in path] for path in made]
    grown = []
    for anchor, path, text in zip(kept, made[len(rows) :], packed[len(rows) :], strict=True):
        if not proofs.consistent(anchor.size, said.size, anchor.root, said.root, path):
            raise InputError(
                f"the anchor `{anchor.source}` has seen other records up to {anchor.size}", code="anchor_forked",
                hint="look at it with: nhictl audit verify --anchor",
            )  # fmt: skip
        grown.append({"size": anchor.size, "root": base64.b64encode(anchor.root).decode(), "path": text})
    return {
        "size": said.size,
        "records": [{"seq": row.seq, "path": path} for row, path in zip(rows, packed[: len(rows)], strict=True)],
        "anchors": grown,
    }


def _content(
    house: House, rows: Sequence[Row], disclose: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str], int, list[dict[str, Any]]]:
    """Openings of the content asked for, the labels they have, how many commitments stay closed, and what was erased."""
    contents = Contents(house)
    opened, labels, withheld, erased, room = [], set(), 0, [], MAX_BYTES
    for row in rows:
        for label in (row.value or {}).get("c", {}):
            if log.content(house.db, row.seq, label) is None:
                erased.append({"seq": row.seq, "label": label})
                continue
            found = contents.opening(row.seq, label) if label in disclose or "all" in disclose else None
            if found is None:
                withheld += 1
                continue
            room -= len(found.plain) * 4 // 3
            if room < 0:
                raise InputError("too much content for one bundle", code="too_large", hint="disclose fewer labels")
            packed = {"salt": base64.b64encode(found.salt).decode(), "content": base64.b64encode(found.plain).decode()}
            opened.append({"seq": row.seq, "label": label, **packed})
            labels.add(label)
    return opened, sorted(labels), withheld, erased


def _policies(house: House, rows: Sequence[Row]) -> dict[str, bytes]:
    """The policies that the records name, in the canonical form their digest is over."""
    digests = {row.value["dec"]["pdig"] for row in rows if row.value and row.value.get("dec", {}).get("pdig")}
    found = {digest: work.policy(house.db, digest) for digest in sorted(digests)}
    return {
        f"policies/{digest.removeprefix('sha256:')}.json": data for digest, data in found.items() if data is not None
    }


def _packed(parts: dict[str, bytes]) -> bytes:
    """The archive: names in order, no times, nothing compressed, so that it has one form."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, parts[name])
    return made.getvalue()
