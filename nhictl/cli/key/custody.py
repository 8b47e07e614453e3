"""`nhictl key custody`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl.cli.key.custody_options import CustodyHelper
from nhictl.cli.session import passphrase, passphrase_line, session
from nhictl.errors import InputError
from nhictl.ops import key_custody
from nhictl.render import Result


def command(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="the new custody: file|passphrase|helper|keyring")
    ] = None,
    custody_helper: CustodyHelper = None,
    new_passphrase_file: Annotated[
        str | None,
        typer.Option("--new-passphrase-file", metavar="FILE", help="the new passphrase; - for the first line of stdin"),
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="make a new key and seal everything under it")] = False,
    erase_old: Annotated[
        bool, typer.Option("--erase-old", help="have the old helper or keyring erase its secret; backups need it")
    ] = False,
) -> Result:
    """Show who keeps the key that opens all other keys; with KIND, change it.

    file: in the home, so whoever copies the home can sign. passphrase: 15 characters or more, through scrypt (128 MiB
    and about half a second for each command that signs). helper: a program of yours, run without a shell as COMMAND
    get|store|erase; standard input has an id and for store the secret, a line each; get prints the secret. keyring:
    the desktop's, with the extra nhictl[keyring].

    A key that lay in a file is replaced, others only with --new-key. Checks that sign nothing never ask for it.

    Example: nhictl key custody helper --custody-helper '/usr/local/bin/custody-gpg ops@example.org /var/lib/custody'
    """
    house = session().house()
    if kind is None:
        if custody_helper or new_passphrase_file or new_key or erase_old:
            raise InputError("which custody? KIND is missing", code="usage", hint="nhictl key custody KIND …")
        said, notes = key_custody.show(house)
        return Result("nhictl.custody/v1", {"custody": said, "notes": notes}, text=[*_lines(said), *notes])
    source = None
    if kind == "passphrase":
        standing = key_custody.show(house)[0]["kind"]
        if new_passphrase_file is not None:
            source = passphrase(new_passphrase_file, passphrase_line(new_passphrase_file))
        elif standing == "passphrase":
            source = key_custody.typed_passphrase()  # what --passphrase-file names is the old one
        else:
            source = house.passphrase
    elif new_passphrase_file is not None:
        raise InputError("--new-passphrase-file goes with the custody `passphrase`", code="usage")
    done, head = key_custody.change(
        house, key_custody.Wanted(kind, custody_helper, source), new_key=new_key, erase_old=erase_old
    )
    body: dict[str, Any] = {"custody": done.custody, "changed": done.step, "notes": done.notes, "log": head.to_json()}
    return Result("nhictl.custody/v1", body, text=[*_lines(done.custody), _step(done.step), *done.notes])


def _lines(said: dict[str, Any]) -> list[str]:
    since = f"since record {said['since']}" if "since" in said else "not in the log"
    lines = [f"custody: {said['kind']}, {since}"]
    if scrypt := said.get("scrypt"):
        lines.append(f"scrypt: n {scrypt['n']}, r {scrypt['r']}, p {scrypt['p']}: {scrypt['mib']} MiB a try")
    if helper := said.get("helper"):
        lines.append(f"helper: {' '.join(helper)}")
    return lines


def _step(step: dict[str, Any]) -> str:
    what = f"a new key, {step['resealed']} boxes sealed under it" if step["new_key"] else "the same key, wrapped anew"
    return f"changed from {step['from']}: {what}"
