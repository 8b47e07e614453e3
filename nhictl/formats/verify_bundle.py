"""Checks an evidence bundle of nhictl with Python's standard library (3.10 or later): `python3 verify.py BUNDLE.zip`.

A bundle holds some records of a log, the proof that each is in it, and the log's signed checkpoint. Who made the bundle
could have changed this file as well: take it from an nhictl that you trust, or read it. Pin what you know with --key (of
the log, a signed-note verifier key) or --chain; without, a bundle proves only that it agrees with itself (UNKNOWN_KEY).
Exit 0 VERIFIED, VERIFIED_UNANCHORED, 1 TAMPERED, FORKED, 3 UNKNOWN_KEY, UNPROVEN, 2 usage. See RFC 6962, RFC 8032.
"""

# fmt: off
import argparse
import base64
import json
import sys
import zipfile
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, BinaryIO

MAX_BYTES, MAX_NAMES, HEX = 512 << 20, 1 << 22, frozenset("0123456789abcdef")
MEMBERS = {"manifest.json", "manifest.sig", "records.jsonl", "proofs.json", "checkpoint.txt", "content.json",
           "detections.json", "verify.py"}
class Fault(Exception):  # noqa: N818  # what is wrong with a bundle: its class, and a sentence
    def __init__(self, kind: str, message: str, verdict: str = "TAMPERED") -> None:
        super().__init__(message)
        self.kind, self.message, self.verdict = kind, message, verdict
def need(good: object, kind: str, message: str, verdict: str = "TAMPERED") -> None:
    if not good:
        raise Fault(kind, message, verdict)
# Ed25519, RFC 8032 §5.1, strict: canonical encodings only, no key of small order, s below the order of the group.
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]
Rows = list[tuple[int, bytes, dict[str, Any]]]
def add(a: Point, b: Point) -> Point:
    e, f, g, h = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P
def times(number: int, point: Point) -> Point:
    found = (0, 1, 1, 0)
    for bit in range(number.bit_length() - 1, -1, -1):
        found = add(add(found, found), point) if number >> bit & 1 else add(found, found)
    return found
def same(a: Point, b: Point) -> bool:
    return not ((a[0] * b[2] - b[0] * a[2]) % P or (a[1] * b[2] - b[1] * a[2]) % P)
def decoded(raw: bytes) -> Point | None:
    odd, y = divmod(int.from_bytes(raw, "little"), 1 << 255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x * pow(2, (P - 1) // 4, P) % P if (x * x - square) % P else x
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        return None
    x = P - x if x & 1 != odd else x
    return x, y, 1, x * y % P
# Whether `signature` (64 bytes) is by `public` (32 bytes) over `message`
def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    if len(public) != 32 or len(signature) != 64:
        return False
    base, key, point = (decoded(raw) for raw in (b"\x58" + b"\x66" * 31, public, signature[:32]))
    s = int.from_bytes(signature[32:], "little")
    if base is None or key is None or point is None or s >= Q or same(times(8, key), (0, 1, 1, 0)):
        return False
    hashed = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % Q
    return same(times(s, base), add(point, times(hashed, key)))
def unpacked(text: Any, size: int | None, kind: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as e:
        raise Fault(kind, what) from e
    need(base64.b64encode(raw).decode() == text and size in (None, len(raw)), kind, what)
    return raw
def value(raw: bytes, kind: str, what: str, shape: type) -> Any:  # Strict JSON: no member twice, no floats
    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len({name for name, _ in found}) == len(found), kind, f"{what}: a member is there twice")
        return dict(found)
    def no(_: str) -> None:
        raise ValueError
    try:
        made = json.loads(raw.decode(), object_pairs_hook=pairs, parse_float=no, parse_constant=no)
    except (ValueError, RecursionError) as e:
        raise Fault(kind, f"{what}: no JSON of ours") from e
    need(isinstance(made, shape), kind, f"{what}: another shape")
    return made

def checkpoint(note: str) -> tuple[str, int, bytes]:  # Chain id, size and root that a signed note names
    origin, size, root, gap, *signed = [*note.split("\n"), "", "", "", ""]
    good = origin.startswith("nhictl/") and len(origin) == 71 and set(origin[7:]) <= HEX and not gap and bool(signed[0])
    need(good and size.isascii() and size.isdigit() and len(size) < 16 and size == str(int(size)), "checkpoint",
         "the checkpoint is no signed note of a log of ours")
    return origin[7:], int(size), unpacked(root, 32, "checkpoint", "the checkpoint's root is no hash")
def anchor(text: str) -> tuple[str, int, bytes]:  # the same of what a witness kept: a note, a token, or a JSON reply
    if text[:1] not in ("{", "n"):  # a JWT; its signature is not what makes whoever kept it a witness
        claims = value(base64.urlsafe_b64decode(text.split(".")[1] + "=="), "anchor", "the anchor", dict)
        text = json.dumps(claims.get("nhictl"))
    log = value(text.encode(), "anchor", "the anchor", dict)["log"] if text[:1] == "{" else None
    return checkpoint(text if log is None else f"nhictl/{log['chain']}\n{int(log['size'])}\n{log['root']}\n\n-")
def note_signed(note: str, chain: str, key: bytes) -> bool:
    lines, name = note.split("\n"), f"nhictl/{chain}"
    raw = unpacked(lines[4].removeprefix(f"— {name} "), 68, "signature", "the checkpoint's signature is none")
    body = "".join(f"{line}\n" for line in lines[:3]).encode()
    return raw[:4] == sha256(f"{name}\n".encode() + b"\x01" + key).digest()[:4] and ed25519(key, body, raw[4:])
# RFC 9162 §2.1.3.2 and §2.1.4.2: what is left of the way, and all of it, hashed up to the root
def climbed(at: int, last: int, start: bytes, path: list[bytes]) -> tuple[bytes, bytes] | None:
    left = both = start
    for each in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            left, both = sha256(b"\1" + each + left).digest(), sha256(b"\1" + each + both).digest()
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            both = sha256(b"\1" + both + each).digest()
        at, last = at >> 1, last >> 1
    return (left, both) if last == 0 else None
def consistent(old: int, new: int, before: bytes, root: bytes, path: list[bytes]) -> bool:  # whether one grew into the other
    if old in (0, new):
        return not path and (old == 0 or before == root)
    steps, at, last = path if old & (old - 1) else [before, *path], old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    return bool(steps) and climbed(at, last, steps[0], steps[1:]) == (before, root)
def opened(file: BinaryIO) -> dict[str, bytes]:  # the members; none is compressed, so none is larger than it looks
    file.seek(-min(42, file.seek(0, 2)), 2)
    tail = file.read(42)  # the end of central directory, 22 bytes, no comment after it and no zip64 before it
    need(tail[-22:-18] == b"PK\5\6" and tail[:4] != b"PK\6\7", "not_a_bundle", "not a zip archive of the kind we write")
    need(int.from_bytes(tail[-10:-6], "little") <= MAX_NAMES, "too_large", "too many members")
    try:
        with zipfile.ZipFile(file) as bundle:
            found = bundle.infolist()
            for each in found:
                name = each.filename
                policy = len(name) == 78 and (name[:9], name[73:]) == ("policies/", ".json") and set(name[9:73]) <= HEX
                need(name in MEMBERS or policy, "member_strange", f"no such member: {name[:80]!r}")
                plain = each.compress_type == zipfile.ZIP_STORED and each.compress_size == each.file_size
                need(plain and not each.flag_bits & 1, "compressed", f"{name} is compressed or encrypted")
            need(len({each.filename for each in found}) == len(found), "member_twice", "a member is there twice")
            need(sum(each.file_size for each in found) <= MAX_BYTES, "too_large", f"over {MAX_BYTES} bytes")
            made = {each.filename: bundle.read(each) for each in found}
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError) as e:
        raise Fault("not_a_bundle", f"not a zip archive that can be read: {str(e)[:80]}") from e
    need(made.keys() >= MEMBERS, "member_missing", f"missing: {', '.join(sorted(MEMBERS - made.keys()))}")
    return made
def log_keys(rows: Rows, chain: str) -> list[tuple[int, bytes]]:  # each with the size from which it signs, by the records
    need(rows and rows[0][0] == 0 and sha256(rows[0][1]).hexdigest() == chain, "other_log", "not the log that it names")
    keys: list[tuple[int, bytes]] = []
    for seq, _, record in rows:
        ext: dict[str, Any] = record.get("ext") or {}
        if seq == 0:
            keys.append((1, unpacked(ext.get("log_key"), 32, "log_key", "the first record names no key")))
        elif record["type"] == "log.key_rotated":
            what = f"record {seq} names a key without proof"
            old, new = (unpacked(ext.get(name), 32, "log_key", what) for name in ("old_key", "new_key"))
            said = f"nhictl-log-key/v1\n{chain}\n{seq}\n{record['prev']}\n{ext['old_key']}\n{ext['new_key']}\n".encode()
            signature = unpacked(ext.get("signature"), 64, "log_key", what)
            need(old == keys[-1][1] and ed25519(old, said, signature), "log_key", what)
            keys.append((seq + 1, new))
    return keys
def records(parts: dict[str, bytes], where: Any, size: int, root: bytes) -> Rows:  # each proved to be in the log
    lines = parts["records.jsonl"].split(b"\n")[:-1]
    rows: Rows = []
    need(len(where) == len(lines), "proof", "not one proof for each record")
    for line, proof in zip(lines, where, strict=True):
        seq, path = proof["seq"], proof["path"]
        need(type(seq) is int and 0 <= seq < size and type(path) is list, "proof", "a proof has another shape")
        need(not rows or seq > rows[-1][0], "order", f"record {seq} is out of order or there twice")
        hashes = [unpacked(each, 32, "proof", f"record {seq}: a hash of its proof is none") for each in path]
        found = climbed(seq, size - 1, sha256(b"\0" + line).digest(), hashes)
        need(found is not None and found[1] == root, "record", f"record {seq} is not in the log")
        record = value(line, "record", f"record {seq}", dict)
        need(isinstance(record.get("type"), str) and isinstance(record.get("prev"), str), "record", f"record {seq}: none")
        rows.append((seq, line, record))
    return rows
# Disclosed content and policies: each has to be what its record says
def beside(parts: dict[str, bytes], by_seq: dict[int, dict[str, Any]]) -> None:
    for each in value(parts["content.json"], "content", "the content", list):
        label = str(each["label"])
        salt, content = (unpacked(each[name], None, "content", "no base64") for name in ("salt", "content"))
        made = base64.urlsafe_b64encode(sha256(b"nhictl-c1\0" + label.encode() + b"\0" + salt + content).digest())
        good = len(salt) == 16 and made.decode().rstrip("=") == by_seq.get(each["seq"], {}).get("c", {}).get(label)
        file = f"sha256:{sha256(content).hexdigest()}" if label == "source" else None
        good = good and (file is None or by_seq[each["seq"]]["src"]["file"] == file)
        need(good, "content", f"content `{label[:40]}` of record {each['seq']} is not what the record commits to")
    named = {record.get("dec", {}).get("pdig") for record in by_seq.values()}
    for name, data in parts.items():
        if name[:9] == "policies/":
            need(sha256(data).hexdigest() == name[9:73], "policy", f"{name} has another digest")
            need(f"sha256:{name[9:73]}" in named, "policy", f"no record names {name}")
# The verdict on a bundle; Fault if something is wrong. `anchors` are (chain, size, root) that somebody kept
def check(file: BinaryIO, pins: Any = (), chains: Any = (), anchors: Any = ()) -> dict[str, Any]:
    parts = opened(file)
    manifest = value(parts["manifest.json"], "manifest", "the manifest", dict)
    need(manifest.get("schema") == "nhictl.bundle/v1", "manifest", "a bundle of another version")
    sums = {name: sha256(data).hexdigest() for name, data in parts.items() if not name.startswith("manifest.")}
    strange = sorted(name for name in {*sums, *manifest["files"]} if manifest["files"].get(name) != sums.get(name))
    need(not strange, "digest", f"not as in the manifest: {', '.join(strange)[:200]}")
    chain, size, root = checkpoint(note := parts["checkpoint.txt"].decode("utf-8", "replace"))
    need((manifest.get("chain"), manifest.get("size")) == (chain, size), "manifest", "the manifest is of another checkpoint")
    proofs = value(parts["proofs.json"], "proof", "the proofs", dict)
    rows = records(parts, proofs["records"], size, root)
    keys = log_keys(rows, chain)
    signer = [key for since, key in keys if since <= size][-1]
    need(note_signed(note, chain, signer), "signature", "the checkpoint is not signed by the log's key")
    said = f"nhictl-bundle/v1\n{chain}\n{sha256(parts['manifest.json']).hexdigest()}\n".encode()
    signature = unpacked(parts["manifest.sig"].decode("utf-8", "replace").strip(), 64, "signature", "no manifest signature")
    need(ed25519(signer, said, signature), "signature", "the manifest is not signed by the log's key")
    beside(parts, {seq: record for seq, _, record in rows})
    sources = [{"seq": seq, "src": record["src"]} for seq, _, record in rows if "src" in record]
    need(manifest["sources"] == sources, "source", "the manifest names other sources than the records")
    need(set(chains) <= {chain}, "other_log", "not the log that was pinned")
    need(not pins or {key for _, key in keys} & set(pins), "signature", "the log names another key than the pinned one")
    grown = {0: sha256(b"").digest(), size: root}
    for each in proofs["anchors"]:
        path = [unpacked(step, 32, "consistency", "a proof from an anchor is none") for step in each["path"]]
        old, before = each["size"], unpacked(each["root"], 32, "consistency", "an anchor's root is none")
        need(0 <= old <= size and consistent(old, size, before, root, path), "consistency", f"no proof from {old} records")
        grown[old] = before
    for other, old, before in anchors:
        need(other == chain, "other_log", "the anchor is of another log")
        need(old <= size, "truncated", f"the anchor has seen {old} records, the checkpoint covers {size}")
        need(old in grown, "unproven", f"the bundle has no proof from the anchor's {old} records", "UNPROVEN")
        need(grown[old] == before, "forked", f"the anchor has seen other records up to {old}", "FORKED")
    verdict = "UNKNOWN_KEY" if not pins and not chains else "VERIFIED" if anchors else "VERIFIED_UNANCHORED"
    unread, erased = manifest.get("unread") or {"below": 0}, manifest.get("erased", [])
    need(type(erased) is list and type(unread["below"]) is int, "manifest", "the manifest says otherwise what is not here")
    more = {"unread_below": unread["below"], "erased": len(erased)}
    return {"verdict": verdict, "class": None, "chain": chain, "size": size, "root": root, "records": len(rows)} | more
def judged(*asked: Any) -> dict[str, Any]:  # The same with what is wrong in it
    try:
        return check(*asked)
    except Fault as e:
        return {"verdict": e.verdict, "class": e.kind, "message": e.message}
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as e:
        return {"verdict": "TAMPERED", "class": "malformed", "message": f"a member has another shape: {type(e).__name__}"}
def main() -> int:  # Read the command line, print the verdict as JSON, and return the exit status
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("bundle", type=argparse.FileType("rb"))
    kept = "what was kept: a checkpoint, token or JSON reply"
    for name, what in (("key", "a key of the log"), ("chain", "the log's id"), ("anchor", kept)):
        parser.add_argument(f"--{name}", action="append", default=[], help=what)
    asked = parser.parse_args()
    try:
        pins = [base64.b64decode(text.split("+", 2)[2])[1:] for text in asked.key]
        found = judged(asked.bundle, pins, asked.chain, [anchor(Path(name).read_text().strip()) for name in asked.anchor])
    except (OSError, ValueError, LookupError, TypeError, Fault) as e:
        parser.error(f"a key or an anchor cannot be read: {e}")
    print(json.dumps({**found, "root": base64.b64encode(found.get("root", b"")).decode()}))
    return {"VERIFIED": 0, "VERIFIED_UNANCHORED": 0, "UNKNOWN_KEY": 3, "UNPROVEN": 3}.get(found["verdict"], 1)

if __name__ == "__main__":
    sys.exit(main())
