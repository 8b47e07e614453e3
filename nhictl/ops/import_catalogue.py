"""`policy import`: a catalogue out of what a server of tools says about them. Puts nothing in force."""

from __future__ import annotations

from typing import Any

from nhictl.core.policy.document import parse_policy
from nhictl.errors import InputError
from nhictl.formats import mcp_tools

SOURCES = ("mcp",)
MAX_FILE = mcp_tools.MAX_BYTES


def import_catalogue(
    kind: str, file: str, data: bytes, ident: str, *, open_unmapped: bool = False, prefix: str = ""
) -> dict[str, Any]:
    """`{"tools":[{name, args, digest}],"refused":[{tool, why}],"more":bool,"document":YAML}`; InputError for no such answer.

    The document was read back by the loader that a policy goes through.
    """
    if kind not in SOURCES:
        raise InputError(f"--from `{kind}` is unknown", code="usage", hint=f"one of {', '.join(SOURCES)}")
    if not prefix.isprintable() or not {" ", "*"}.isdisjoint(prefix):
        raise InputError("--prefix has no spaces, `*` or control characters", code="usage", hint="as in --prefix crm.")
    found = mcp_tools.read_tools(data, file, open_unmapped=open_unmapped, prefix=prefix)
    text = mcp_tools.to_yaml(found, ident)
    parse_policy([("the catalogue made of it", text.encode())])
    return {
        "tools": [{"name": tool.name, **tool.entry} for tool in found.tools if tool.entry is not None],
        "refused": [{"tool": tool.name, "why": tool.refused} for tool in found.tools if tool.entry is None],
        "more": found.more,
        "document": text,
    }
