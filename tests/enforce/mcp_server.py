"""A small MCP server over stdio that does what it is told, faults included; nothing but the standard library."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


def say(value: Any) -> None:
    sys.stdout.buffer.write(value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    for line in sys.stdin.buffer:
        for one in asked if isinstance(asked := json.loads(line), list) else [asked]:
            if "id" not in one:
                continue
            args = one.get("params", {}).get("arguments", {})
            what = args.get("do")
            if one["method"] != "tools/call":
                say({"jsonrpc": "2.0", "id": one["id"], "result": {"tools": [{"name": "act"}, {"name": "hidden"}]}})
                continue
            if what == "die":
                os._exit(3)
            if what == "hang":
                time.sleep(60)
            if what == "deaf":
                os.close(0)
                time.sleep(60)
            if what == "garbage":
                say(b"\xff not a message\n")
            text = "x" * args.get("size", 0) if what != "env" else "\n".join(sorted(os.environ))
            say(
                {
                    "jsonrpc": "2.0",
                    "id": one["id"],
                    "result": {"content": [{"type": "text", "text": text}], "line": len(line)},
                }
            )


main()
