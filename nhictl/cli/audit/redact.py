"""`nhictl audit redact`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from nhictl.cli.approver_options import Key, KeyPassphrase, signer
from nhictl.cli.audit.words import counted
from nhictl.cli.main import Reply
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops.erase import Redacted, Wanted, check, finish_all, redact
from nhictl.render import Result


def command(
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="all content of this task")] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="S", help="this principal's name, and all content of its tasks")
    ] = None,
    record: Annotated[
        int | None, typer.Option("--record", metavar="SEQ", help="the content of one record, such as an imported file")
    ] = None,
    reason: Reason = None,
    end_tasks: Annotated[
        bool, typer.Option("--end-tasks", help="kill tasks that are still open in the same act")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what it would erase, and erase nothing")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="do what is left of erasures that are pending")] = False,
    key: Key = None,
    key_passphrase_file: KeyPassphrase = None,
) -> Reply:
    """Erase content for good: keys, sealed content, open copies of it, in every file of the home. Proofs still hold.

    Exit 3 erasure_pending: it is recorded, and something still keeps a file from being cleaned; it says what. Not in reach
    are exports, backups elsewhere, snapshots, and blocks that a disk has set aside. Where the policy in force names approvers
    for `redact`, it takes one of them: by user id, or by --key.

    Example: nhictl audit redact --subject alice@example.org --reason "request of 1 December" --dry-run
    """
    wanted = Wanted((task,) if task is not None else (), subject, record)
    house = session().house()
    if finish:
        if task or subject or record is not None or reason or end_tasks or dry_run or key or key_passphrase_file:
            raise InputError("--finish stands alone", code="usage")
        done, head = finish_all(house), None
    else:
        check(wanted, reason)
        signs = signer(key, key_passphrase_file)
        done, head = redact(house, wanted, reason or "", end_tasks=end_tasks, dry_run=dry_run, signer=signs)
    body = done.to_json() | {"dry_run": dry_run}
    if dry_run:
        body["state"] = "planned"
    if head is not None:
        body["log"] = head.to_json()
    result = Result("nhictl.redaction/v1", body, text=_lines(done, dry_run=dry_run, finish=finish))
    return Reply(result, 3 if done.pending else 0)


def _lines(done: Redacted, *, dry_run: bool, finish: bool) -> Iterator[str]:
    would = "would be " if dry_run else ""
    if not finish:
        pieces, tasks = counted(done.pieces, "piece"), counted(done.tasks, "task")
        yield f"{would}erased: {pieces} of content, of {tasks} and {counted(done.records, 'other record')}"
    if done.counters:
        yield f"counts of limits per principal {would}let go of, so they begin anew: {done.counters}"
    if done.ended:
        yield f"{would}killed, since they were open: {', '.join(done.ended[:8])}"
    if done.copies:
        yield f"copies beside the database {'that it would reach' if dry_run else 'looked at'}: {', '.join(done.copies)}"
    for what in done.pending:
        yield f"erasure_pending: {what}"
    if not done.pending and not dry_run:
        yield "nothing of it is left in the home; exports, backups elsewhere and snapshots are not in reach"
