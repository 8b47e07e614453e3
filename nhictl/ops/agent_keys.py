"""An agent's own key: given as a public key, or made here and handed out once; replaced with an overlap."""

from __future__ import annotations

import fcntl
import json
import os
import select
import stat
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from nhictl.core import strict_json, times
from nhictl.core.identity import own_key
from nhictl.core.token import b64, jws
from nhictl.errors import ConflictError, InputError, UnavailableError, UnsafeError
from nhictl.ops import agents
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import agents as table
from nhictl.store import belongings, files, svids

DEFAULT_OVERLAP_S: Final = 3600
MAX_OVERLAP_S: Final = 30 * 86400
Target = Path | int
"""Where a private key goes: a new file, or a descriptor."""


class OwnKey(NamedTuple):
    """A public JWK with its thumbprint, and the private JWK as text if it was made here."""

    public: dict[str, Any]
    kid: str
    private: bytes | None = None


def given(data: bytes, file: str) -> OwnKey:
    """The public key in a JWK or PEM file; InputError (2) for another kind or a private one."""
    public = own_key.parse_public(data, file)
    return OwnKey(public, jws.thumbprint(public))


def made(house: House) -> OwnKey:
    """A new key pair. The private part is nowhere but in the value returned."""
    scalar = jws.new_private(house.random(40))
    public = jws.public_jwk(jws.private_from_bytes(scalar))
    kid = jws.thumbprint(public)
    body = strict_json.dumps({**public, "d": b64.encode(scalar), "kid": kid, "alg": "ES256"}).encode() + b"\n"
    return OwnKey(public, kid, body)


def descriptor(number: int) -> int:
    """A copy of the caller's descriptor to write a key to; taken before anything of ours is opened, so that it is not ours.

    InputError (2) for a standard stream or one that is not open for writing; UnsafeError (6) for a file that others
    could read.
    """
    if number < 3:
        raise InputError(f"--key-fd {number} is a standard stream", code="usage", hint="3>FILE and --key-fd 3")
    try:
        flags = fcntl.fcntl(number, fcntl.F_GETFL)
        mode = os.fstat(number).st_mode
    except OSError as e:
        raise InputError(f"--key-fd {number} is not open", code="usage") from e
    if flags & os.O_ACCMODE == os.O_RDONLY:
        raise InputError(f"--key-fd {number} is not open for writing", code="usage")
    if stat.S_ISREG(mode) and mode & 0o077:
        raise UnsafeError(
            f"descriptor {number} is a file of mode {stat.S_IMODE(mode):04o}: others could read the key",
            code="loose_permissions", hint="umask 077 before it is made, or --key-out FILE",
        )  # fmt: skip
    return os.dup(number)


def claim(act: Act, key: OwnKey, agent: int, seq: int) -> None:
    """Make the key this agent's for ever; ConflictError (5) if it is or was anybody's."""
    check_free(act, key, agent)
    belongings.add_key(act.db, key.kid, agent, seq)


def check_free(act: Act, key: OwnKey, agent: int | None = None) -> None:
    """ConflictError (5) if the key is or was an agent's, was certified for another than `agent`, or is the authority's."""
    owner = belongings.key_owner(act.db, key.kid) or svids.key_owner(act.db, key.kid, agent)
    if owner is not None or belongings.is_signing_key(act.db, key.kid):
        raise taken(key.kid, owner)


def taken(kid: str, owner: str | None) -> ConflictError:
    """The error for a key that is or was that of agent `owner`, or of the authority itself."""
    whose = f"agent `{owner}`" if owner is not None else "the authority itself"
    return ConflictError(
        f"key `{kid}` is or was that of {whose}", code="key_taken",
        hint="a key that two share hides who acted; give each agent its own",
    )  # fmt: skip


def hand_out(key: OwnKey, target: Target | None) -> None:
    """Write the private key to its one reader; done inside the act, last, so that nothing is changed if it fails.

    ConflictError (5) if the file exists; UnavailableError (7) if it cannot be written at once.
    """
    if key.private is None or target is None:
        return
    try:
        if isinstance(target, Path):
            files.write_new(target, key.private)
        elif not _ready(target):
            raise UnavailableError("nobody reads from the key's descriptor", code="key_not_delivered")
        elif os.write(target, key.private) != len(key.private):
            raise UnavailableError("the key's descriptor took a part of it only", code="key_not_delivered")
    except FileExistsError as e:
        raise ConflictError(f"`{target}` exists already; it was not touched", code="key_file_exists") from e
    except OSError as e:
        where = f"`{target}`" if isinstance(target, Path) else "the key's descriptor"
        raise UnavailableError(
            f"cannot write {where}: {(e.strerror or str(e)).lower()}", code="key_not_delivered"
        ) from e


def _ready(handle: int) -> bool:
    """Whether a write would not block: nobody waits for a reader while holding the lock."""
    poller = select.poll()
    poller.register(handle, select.POLLOUT)
    return bool(poller.poll(0))


class Delivery:
    """A hand-over that is taken back if the act around it fails: `with Delivery(key, target) as delivery: …`."""

    def __init__(self, key: OwnKey | None, target: Target | None) -> None:
        self.key = key
        self.target = target
        self._written = False

    def __enter__(self) -> Self:
        return self

    def write(self) -> None:
        """Hand the key out, if one was made."""
        if self.key is not None:
            hand_out(self.key, self.target)
            self._written = True

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(self.target, int):
            os.close(self.target)
            return
        unknown = getattr(error, "code", None) == "outcome_unknown"  # then it may be the agent's key after all
        if error is not None and self._written and not unknown and self.target is not None:
            self.target.unlink(missing_ok=True)


def rotate(
    house: House, name: str, key: OwnKey, target: Target | None, overlap_s: int = DEFAULT_OVERLAP_S
) -> tuple[dict[str, Any], Head]:
    """Give the agent a new key; every older one ends at the end of the overlap at the latest.

    NotFoundError (4), ConflictError (5: retired; a key that is or was in use), InputError (2: the overlap). With an
    overlap of 0 the older keys end at once, those of an earlier overlap too: what to do when a key has leaked.
    """
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise InputError(f"an overlap is 0s to {times.duration(MAX_OVERLAP_S)}", code="invalid_overlap")

    def decide(act: Act) -> dict[str, Any]:
        row = agents.find(act.house, name)
        if row.state == "retired":
            raise wrong_state("agent", row.name, row.state)
        check_free(act, key, row.id)
        doc = json.loads(row.doc)
        end = act.now_us + overlap_s * 1_000_000
        ext: dict[str, Any] = {"kid": key.kid, "jwk": key.public}
        old = [
            {**k, "until_us": min(k["until_us"], end)} for k in doc.get("old_keys", ()) if k["until_us"] > act.now_us
        ]
        if doc["jwk"] is not None:
            old.insert(0, {"kid": doc["kid"], "jwk": doc["jwk"], "until_us": end})
            ext |= {"replaces": doc["kid"], "overlap_until": times.rfc3339(end)}
        seq = act.record("agent.key_rotated", agent=row.name, ext=ext)
        doc |= {"kid": key.kid, "jwk": key.public, "old_keys": old}
        table.add_version(act.db, row.id, seq, row.state, strict_json.dumps(doc))
        claim(act, key, row.id, seq)
        delivery.write()
        return agents.to_json(act.house, agents.find(act.house, row.name), act.now_us)

    with Delivery(key, target) as delivery:
        return transact(house, decide)
