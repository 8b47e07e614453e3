"""Every transcript under `transcripts/`, played against the program. NHICTL_TRANSCRIPTS=write records them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.cli_help import Program
from tests.cli.transcript import Transcript, files


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_transcript(path: Path, program: Program) -> None:
    written = path.read_text(encoding="utf-8")
    real = Transcript(program).play(written)
    if os.environ.get("NHICTL_TRANSCRIPTS") == "write":
        path.write_text(real, encoding="utf-8")
    assert real == written


def test_there_are_transcripts() -> None:
    assert len(files()) >= 5


def test_a_wrong_line_shows(program: Program) -> None:
    right = "$ nhictl agent show ghost\n! nhictl: no authority in `HOME`\n"
    real = Transcript(program).play(right)
    assert real.startswith(right)
    assert real.endswith("? 7\n")
    assert real != right
