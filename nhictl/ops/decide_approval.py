"""`approval show|grant|deny`: what a waiting call is, and a human's yes or no to it.

A yes binds by its statement. It is never given from inside a run, nor by whoever asked, nor with an agent's key; what is
refused here is recorded. An unsigned one is `claimed`: it says that whoever held the keyboard said yes, and counts for no
high-impact class.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.ledger import record
from nhictl.errors import ConflictError, InputError, RefusedError, UndecidableError, UnsafeError
from nhictl.ops import approvals, people, policies
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import approvals as table
from nhictl.store import log, sqlite, work

Signer = Callable[[bytes], bytes]


class Shown(NamedTuple):
    """A request with what it is about: the canonical call, the statement to sign, and the row they belong to; how many
    secrets of the call are `masked` here, though the statement binds them as they were.
    """

    row: table.ApprovalRow
    call: dict[str, Any]
    statement: bytes
    binding: dict[str, Any]
    masked: int = 0


def show(house: House, name: str) -> Shown:
    """What a request is about, opened; UndecidableError (3) if it was erased, NotFoundError (4) if there is none."""
    from nhictl.ops.contents import Contents

    with sqlite.guarded("read the access requests"):
        row = approvals.find(house, name)
        opener = Contents(house)
        binding, args = opener.content(row.seq, "binding"), opener.content(row.seq, "args")
        asked = record.decode(log.line(house.db, row.seq) or b"")
        resource = opener.content(row.seq, "res") if "res" in asked["c"] else None
    if not isinstance(binding, dict) or not approvals.is_about(row, binding):
        raise UndecidableError(f"what `{name}` is about was erased", code="content_erased")
    masked = asked["ext"].get("masked", 0)
    said = {"arguments": approvals.digest(args), "resource": None if resource is None else approvals.digest(resource)}
    if not masked and any(binding[name_] != value for name_, value in said.items()):
        raise UnsafeError(f"what `{name}` is about is not what was asked for", code="store_damaged")
    call = {"tool": binding["tool"], "args": args, "resource": resource}
    return Shown(row, call, approvals.statement(binding, row), binding, masked)


def signer_of(key: bytes, passphrase: bytes | None, file: str) -> Signer:
    """Signs with the private key in an OpenSSH or PEM file; InputError (2) if it cannot be used."""
    from nhictl.core.identity import approver_key

    private = approver_key.load_private(key, passphrase, file)
    return lambda text: approver_key.sign(private, text).encode()


def grant(house: House, shown: Shown, signer: Signer | None) -> tuple[dict[str, Any], Head]:
    """Say yes to the call that was shown. `signer` signs its statement, or hands over the signature made elsewhere.

    ConflictError (5) if it was decided, used or has expired, or if policy or task changed since; RefusedError (1) for
    whoever may not, which is recorded.
    """
    signature = signer(shown.statement) if signer is not None else None
    if signature is not None:
        from nhictl.core.identity.approver_key import detached

        signature = detached(signature)

    def decide(act: Act) -> dict[str, Any] | RefusedError:
        row = _waiting(act, shown)
        policy = policies.active(act.house)
        if policy is None or policy.digest != shown.binding["policy"]:
            raise ConflictError(
                "the policy was replaced since the call was made", code="policy_changed", hint="call again"
            )
        doc = json.loads(row.doc)
        given = {name for each in table.grants(act.db, row.id) for name in json.loads(each.classes)}
        wanted = [name for name in doc["classes"] if name not in given]
        try:
            name, counted = _authority(act, policy, doc, wanted, shown.statement, signature)
        except RefusedError as e:
            task = work.task_by_id(act.db, row.task)
            return people.refused(
                act, "approval.grant", e.code, e.message, e.hint, task_row=row.task, task=task.name if task else None
            )
        ext = {"request": row.name, "classes": counted, "approver": name or None, "signed": signature is not None}
        if signature is None:
            ext["claimed"] = True
        if not name:
            ext["by"] = "owner"
        sealed = {"statement": shown.statement.decode(), **({"signature": signature.decode()} if signature else {})}
        seq = _record(act, "approval.granted", row, {k: v for k, v in ext.items() if v is not None}, sealed)
        text = signature.decode() if signature is not None else None
        table.add_grant(act.db, table.GrantRow(row.id, seq, name, strict_json.dumps(counted), text))
        if set(wanted) <= set(counted):
            table.grant(act.db, row.id, seq)
        return approvals.to_json(act.house, approvals.find(act.house, row.name), act.now_us)

    answer, head = transact(house, decide)
    if isinstance(answer, RefusedError):
        raise answer
    return answer, head


def deny(house: House, name: str, reason: str | None, signer: Signer | None = None) -> tuple[dict[str, Any], Head]:
    """Say no. Also takes back a yes that was not used yet; ConflictError (5) if it was used, denied or has expired.

    It takes no key, as it grants nothing; with one it is recorded whose no it was, RefusedError (1) if it is nobody's.
    """

    def decide(act: Act) -> dict[str, Any]:
        row = approvals.find(act.house, name)
        if (state := approvals.state(row, act.now_us)) not in ("requested", "granted"):
            raise ConflictError(f"access request `{name}` is {state}", code=f"request_{state}")
        ext: dict[str, Any] = {"request": row.name}
        if signer is not None:
            ext |= _whose_no(act, row, signer)
        seq = _record(act, "approval.denied", row, ext, {"reason": reason} if reason else None)
        table.deny(act.db, row.id, seq)
        return approvals.to_json(act.house, approvals.find(act.house, name), act.now_us)

    return transact(house, decide, grants=False)


def _whose_no(act: Act, row: table.ApprovalRow, signer: Signer) -> dict[str, Any]:
    policy, text = policies.active(act.house), people.statement(act, "deny", {"request": row.name})
    signature = signer(text)
    approvers = policy.form.get("approvers", {}) if policy is not None else {}
    name = people.signed_by(act.house, approvers, text, signature)
    if name is None:
        raise RefusedError("the key is that of no approver", code="approver_unknown")
    return {"approver": name, "signature": signature.decode()}


def _waiting(act: Act, shown: Shown) -> table.ApprovalRow:
    row = approvals.find(act.house, shown.row.name)
    state = approvals.state(row, act.now_us)
    if state != "requested":
        raise ConflictError(f"access request `{row.name}` is {state}", code=f"request_{state}")
    return row


def _authority(
    act: Act, policy: Any, doc: dict[str, Any], wanted: list[str], text: bytes, signature: bytes | None
) -> tuple[str, list[str]]:  # fmt: skip
    """Who says yes (empty: the home's owner) and for which of the classes that count; RefusedError for nobody."""
    if (task := people.inside_run(act.house)) is not None:
        raise RefusedError(f"not from inside a run (task `{task}`)", code="inside_run")
    who = people.person(act.house)
    if doc["apart"] and who.apart and who.uid == doc["uid"]:
        raise RefusedError(f"uid {who.uid} made the call: somebody else has to approve it", code="self_approval")
    approvers = policy.form.get("approvers", {})
    if signature is not None:
        name = people.signed_by(act.house, approvers, text, signature)
        if name is None:
            raise RefusedError("the signature is none of an approver's over this call", code="approver_unknown")
        counted = [each for each in wanted if each in approvers[name]["classes"]]
        if not counted:
            raise RefusedError(f"`{name}` is no approver of {', '.join(wanted)}", code="approver_class")
        return name, counted
    high = [each for each in wanted if approvals.is_high(policy, each)]
    if high and len(high) == len(wanted):
        raise RefusedError(
            f"class `{high[0]}` is high-impact: only a signed approval counts", code="signature_required",
            hint="--key FILE, or --signature FILE over what `approval show ID --statement` prints",
        )  # fmt: skip
    for name, one in approvers.items():
        counted = [each for each in wanted if each in one["classes"] and each not in high]
        if counted and who.uid in one["uid"]:
            return str(name), counted
    open_to_owner = [
        each for each in wanted if each not in high and not any(each in one["classes"] for one in approvers.values())
    ]
    if open_to_owner and not who.apart:
        return "", open_to_owner
    raise RefusedError(
        f"uid {who.uid} is no approver of {', '.join(wanted)}", code="approver_required", hint="--key FILE"
    )


def _record(
    act: Act, kind: str, row: table.ApprovalRow, ext: dict[str, Any], sealed: dict[str, Any] | None
) -> int:  # fmt: skip
    doc, task = json.loads(row.doc), work.task_by_id(act.db, row.task)
    return act.record(
        kind, task_row=row.task, agent=doc["agent"], inst=doc["instance"], task=task.name if task else None,
        tool=doc["tool"], ext=ext, sealed=sealed,
    )  # fmt: skip


def signature_from(data: bytes, file: str) -> Signer:
    """A signature made elsewhere: what `ssh-keygen -Y sign -n nhictl-approval` writes, or a compact JWS."""
    text = data.strip()
    if not text.startswith((b"-----BEGIN SSH SIGNATURE-----", b"eyJ")) or not text.isascii():
        raise InputError("neither an SSH signature nor a JWS", file=file, code="signature_malformed")
    return lambda _: text


def canonical_call(shown: Shown) -> str:
    """The call as an approver has to see it: one line of ASCII, sorted, everything that is not plain escaped."""
    return json.dumps(shown.call, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
