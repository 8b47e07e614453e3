"""A small program whose descriptions hold everything that a shell could take for code."""

from __future__ import annotations

from nhictl.cli.completion_scripts.program import Argument, Command, Option, Program, Value

TEXT = 'it\'s "quoted" $(touch pwned) `touch pwned` $HOME a|b;c&d <e >f (g) [h] {i,j} *.k ?l #m !n ~o \\p 100%q r:s'
HELP = Option(("-h", "--help"), TEXT, None, again=False)
HOSTILE = Program(
    {(): (("plain", "nothing in it"), ("hostile", TEXT))},
    (
        Command(("plain",), "nothing in it", (), ()),
        Command(
            ("hostile",), TEXT,
            (Option(("--danger",), TEXT, Value("A:B [C]", "text"), again=True), Option(("--dare",), TEXT, None, again=False)),
            (Argument(TEXT, Value("x", "text"), many=False),),
        ),
    ),
    (HELP,),
)  # fmt: skip
