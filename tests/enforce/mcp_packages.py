"""Other people's MCP servers, where npm's packages of them are installed: in $NHICTL_TEST_NPM, or beside the checkout's CI.

npm install --prefix DIR @modelcontextprotocol/server-everything @modelcontextprotocol/server-filesystem
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ENTRY = {"everything": "server-everything/dist/index.js", "filesystem": "server-filesystem/dist/index.js",
         "inspector": "inspector/cli/build/cli.js"}  # fmt: skip


def program(name: str) -> list[str]:
    """How to start it; skips where it is not."""
    folder = os.environ.get("NHICTL_TEST_NPM")
    node = shutil.which("node")
    entry = Path(folder or "/nowhere") / "node_modules/@modelcontextprotocol" / ENTRY[name]
    if node is None or not entry.exists():
        pytest.skip(f"no {name} of @modelcontextprotocol in $NHICTL_TEST_NPM")
    return [node, str(entry)]
