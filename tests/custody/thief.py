"""thief.py FOLDER: tries everything in a copied home as a key on every sealed box. Knows cryptography and sqlite only.

Prints how many candidates were tried and which boxes opened. Everything: each run of 32 bytes of each file, raw; each
text that could be 32 bytes in hex or base64; each word, hashed; each text again as what opens a wrapped key.
"""

import base64
import hashlib
import json
import re
import sqlite3
import sys
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def spelled(data: bytes) -> set[bytes]:
    """Every 32 bytes that are written out in the data, and the hash of every word."""
    found = set()
    for word in set(re.findall(rb"[0-9a-fA-F]{64}", data)):
        found.add(bytes.fromhex(word.decode()))
    for word in set(re.findall(rb"[A-Za-z0-9_+/-]{43}", data)) | set(re.findall(rb"[A-Za-z0-9_+/-]{80,}", data)):
        for start in range(len(word) - 42):
            text = word[start : start + 43] + b"="
            found.add(base64.b64decode(text.replace(b"-", b"+").replace(b"_", b"/")))
    words = set(re.findall(rb"[^\s\"{}:,\[\]]{4,200}", data)) | {data, data.strip()}
    return found | {hashlib.sha256(word).digest() for word in words}


def boxes(folder: Path) -> list[tuple[str, bytes, bytes]]:
    """What is sealed under the key-encryption key, with its place; the database is opened as a copy."""
    db = sqlite3.connect(f"file:{folder / 'nhictl.db'}?immutable=1", uri=True)
    found = [("signing key:" + kid, box) for kid, box in db.execute("SELECT kid, sealed FROM signing_key")]
    found += [(f"content key:{task}", box) for task, box in db.execute("SELECT task, sealed FROM content_key")]
    db.close()
    return [(place, place.encode(), box) for place, box in found]


def wrapped(folder: Path) -> list[tuple[str, bytes, bytes]]:
    """The wrapped keys in the custody, with their associated data."""
    try:
        value = json.loads((folder / "kek").read_bytes())
    except ValueError:
        return []
    head = json.dumps({k: v for k, v in value.items() if k not in ("keys", "sum")}, separators=(",", ":"))
    boxes = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in value["keys"]]
    return [("kek", f"custody:{n}:{head}".encode(), box) for n, box in enumerate(boxes)]


def main(folder: Path) -> None:
    """Try, and say what came of it."""
    files = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    few = set().union(*map(spelled, files.values()))
    raw = {data[n : n + 32] for data in files.values() for n in range(len(data) - 31)}
    for path, data in files.items():
        if path.name.startswith("kek"):
            few |= {data[n : n + 32] for n in range(len(data) - 31)}
    targets = boxes(folder) + wrapped(folder)
    opened = {name for key in few for name, place, box in targets if opens(key, place, box)}
    for key in raw:  # against one box of each sort: they share a key
        opened |= {name for name, place, box in targets[-1:] if opens(key, place, box)}
    print(json.dumps({"tried": len(few | raw), "boxes": len(targets), "opened": sorted(opened)}))


def opens(key: bytes, place: bytes, box: bytes) -> bool:
    """Whether this key opens this box."""
    try:
        AESGCM(key).decrypt(box[:12], box[12:], place)
    except InvalidTag:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
