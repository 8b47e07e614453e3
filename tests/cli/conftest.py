"""Fixtures of the command-line tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.cli_help import POLICY, REPORT_BOT, Program


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program in this process, without a home yet."""
    return Program(tmp_path)


@pytest.fixture
def authority(program: Program) -> Program:
    """The same with an authority for example.org and the agent `report-bot`."""
    program.ok("init", "--trust-domain", "example.org")
    program.ok("agent", "register", "report-bot", *REPORT_BOT)
    return program


@pytest.fixture
def governed(authority: Program) -> Program:
    """The same with a policy in force that lets `report-bot` read reports."""
    authority.ok("policy", "activate", authority.write("policy.yaml", POLICY))
    return authority
