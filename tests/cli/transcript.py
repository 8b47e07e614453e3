"""Transcripts: a file of commands with what they print and how they end, run from top to bottom in one home.

A file is a sequence of blocks:

    == policy.yaml           a file, up to the line `==`
    $ nhictl agent list      a command; $NAME is a variable, `NAME=$(nhictl …)` sets one, `<<<"$NAME"` gives one on
                             standard input, `> file` writes one
    plain lines              what it printed on standard output
    ! lines                  what it printed on standard error
    ? 4                      its exit status, where it is not 0

What differs from run to run is written as a word, and only what is listed in `VOLATILE`.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

from tests.cli.cli_help import Done, Program

VOLATILE: Final = (
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z"), "TIME"),
    (re.compile(r"\bt-[0-9a-z]{16}\b"), "TASK"),
    (re.compile(r"\ba-[0-9a-z]{16}\b"), "REQUEST"),
    (re.compile(r"\bsha256:[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "CHAIN"),
    (re.compile(r'(?<="root":")[A-Za-z0-9+/]{43}='), "ROOT"),
    (re.compile(r'(?<="jti":")[\w-]{22}(?=")'), "JTI"),
    (re.compile(r"(?<= token )[\w-]{22}\b"), "JTI"),
    (re.compile(r'(?<="kid":")[\w-]{43}(?=")'), "KID"),
    (re.compile(r'(?<="(?:iat|nbf|exp)":)\d{10}\b'), "SECONDS"),
    (re.compile(r'(?<="instance":")[^"]+'), "INSTANCE"),
    (re.compile(r'(?<="inst":")[^"]+'), "INSTANCE"),
    (re.compile(r"(?<=verifier key nhictl/)\S+"), "VERIFIER-KEY"),
    (re.compile(r"\blog-[0-9a-f]{16}\b"), "LOG-KEY"),
    (re.compile(r"(?:(?<=in place of )|^)[\w-]{43}(?=$|  |,)"), "KID"),
    (re.compile(r"(?<=key\.activated )[\w-]{43}$"), "KID"),
    (re.compile(r"  +"), "  "),  # columns are as wide as the values above
)


class Transcript:
    """One file, run against one program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.known: dict[str, str] = {}

    def play(self, text: str) -> str:
        """Run the commands of a transcript and return it with what they really did."""
        made: list[str] = []
        lines = iter(text.splitlines())
        for line in lines:
            if line.startswith("== "):
                body = []
                while (inner := next(lines)) != "==":
                    body.append(inner)
                self.program.write(line[3:], "\n".join(body) + "\n")
                made += [line, *body, "=="]
            elif line.startswith("$ "):
                made += [line, *self._run(line[2:])]
            elif line.startswith("#") or not line:
                made.append(line)
        return "\n".join(made) + "\n"

    def _run(self, command: str) -> list[str]:
        name = None
        if found := re.fullmatch(r"([A-Z]+)=\$\((.*)\)", command):
            name, command = found[1], found[2]
        words = [self._filled(word) for word in shlex.split(command)]
        stdin, target = "", None
        for sign in ("<<<", ">"):
            for at, word in enumerate(words):
                if word == sign:
                    value = words[at + 1]
                    stdin, target = (value + "\n", target) if sign == "<<<" else (stdin, value)
                    del words[at : at + 2]
                    break
        assert words[0] == "nhictl", command
        done = self.program(*words[1:], stdin=stdin)
        if name is not None:
            self.known[name] = done.thing
            return []
        if target is not None:
            self.program.write(target, done.out)
            done = done._replace(out="")
        return self._shown(done)

    def _filled(self, word: str) -> str:
        return re.sub(r"\$([A-Z]+)", lambda found: self.known[found[1]], word)

    def _shown(self, done: Done) -> list[str]:
        said = [self.normal(line) for line in done.out.splitlines()]
        said += [("! " + self.normal(line)).rstrip() for line in done.err.splitlines()]
        return said + ([f"? {done.code}"] if done.code else [])

    def normal(self, line: str) -> str:
        """The line with what differs from run to run written as a word."""
        line = line.replace(str(self.program.home), "HOME").replace(str(self.program.folder), "HERE")
        for name, value in self.known.items():
            line = line.replace(value, f"${name}")
        for pattern, word in VOLATILE:
            line = pattern.sub(word, line)
        return line.rstrip()


def files() -> list[Path]:
    """All transcripts."""
    return sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
