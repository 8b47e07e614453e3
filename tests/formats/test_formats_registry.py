"""Telling formats apart, asking for one by name, and naming runs by their files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nhictl import formats
from nhictl.errors import InputError

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "runs"
RUN = {
    "suite_name": "s",
    "pipeline_name": "p",
    "user_task_id": "u",
    "injections": {"a": "b"},
    "messages": [{"role": "x"}],
}
TEXT = json.dumps(RUN).encode()
SNIFFED: dict[str, tuple[bytes, str | None]] = {
    "a run": (TEXT, "agentdojo"),
    "indented": (json.dumps(RUN, indent=2).encode(), "agentdojo"),
    "blanks first": (b" \r\n\t" + TEXT, "agentdojo"),
    "other order": (json.dumps(dict(reversed(RUN.items()))).encode(), "agentdojo"),
    "one name missing": (json.dumps({k: v for k, v in RUN.items() if k != "suite_name"}).encode(), "agentdojo"),
    "with a byte order mark, refused later by name": (b"\xef\xbb\xbf" + TEXT, "agentdojo"),
    "cut in messages": (TEXT[: TEXT.index(b'"role"')], "agentdojo"),
    "cut before messages": (TEXT[: TEXT.index(b'"messages"') + 4], "agentdojo"),
    "cut before its value": (TEXT[: TEXT.index(b'"messages"') + 11], "agentdojo"),
    "two names missing": (b'{"suite_name": "s", "messages": []}', None),
    "no messages": (b'{"suite_name": "s", "pipeline_name": "p", "user_task_id": "u"}', None),
    "messages are no list": (b'{"suite_name": "s", "pipeline_name": "p", "messages": {}}', None),
    "names are no texts": (b'{"suite_name": 1, "pipeline_name": 2, "user_task_id": 3, "messages": []}', None),
    "a chat": (b'{"messages": [{"role": "user", "content": "hi"}]}', None),
    "names in an inner object": (b'{"x": ' + TEXT + b"}", None),
    "a list of runs": (b"[" + TEXT + b"]", None),
    "empty": (b"", None),
    "binary": (bytes(range(256)), None),
    "deep": (b'{"a":' * 100_000, None),
    "log line of ours": (b'{"v":1,"ts":"2026-01-01T00:00:00.000000Z","type":"log.genesis"}', None),
}


@pytest.mark.parametrize("name", SNIFFED)
def test_sniff(name: str) -> None:
    head, expected = SNIFFED[name]
    assert formats.sniff(head) == expected


def test_every_cut_of_a_run_is_answered() -> None:
    answers = [formats.sniff(TEXT[:end]) for end in range(len(TEXT) + 1)]
    first = answers.index("agentdojo")
    assert set(answers[:first]) == {None}
    assert set(answers[first:]) == {"agentdojo"}


def test_unknown_format_is_an_input_error() -> None:
    with pytest.raises(InputError, match="unknown log format `nope`") as caught:
        formats.read("nope", TEXT, run="r", file="f")
    assert caught.value.hint is not None
    assert "agentdojo" in caught.value.hint


NAMES: list[tuple[list[str], list[str]]] = [
    ([], []),
    (["d/run.json"], ["run"]),
    (["d/a.json", "d/b.json"], ["a", "b"]),
    (["d/x/a.json", "d/y/a.json"], ["x/a", "y/a"]),
    (["d/x/a.json", "d/x/y/a.json"], ["a", "y/a"]),
    (["d/../d/x/a.json", "./d/y/b.json"], ["x/a", "y/b"]),
    (["/r/one.1/a.json", "/r/one.2/a.json"], ["one.1/a", "one.2/a"]),
    (["d/a.json", "d/a.jsonl", "d/b.json"], ["a.json", "a.jsonl", "b"]),
    (["d/a.json", "d/a.jsonl", "d/a.json.xz"], ["a.json", "a.jsonl", "a.json.xz"]),
    (["d/a.json", "d/./a.json"], ["a", "a#2"]),
    (["d/a.json", "d/a#2.json", "d/a.json"], ["a", "a#2", "a#3"]),
    (["d/ä b.json"], ["ä b"]),
    (["d/plain", "d/.hidden"], ["plain", ".hidden"]),
]


@pytest.mark.parametrize(("paths", "expected"), NAMES)
def test_run_names(paths: list[str], expected: list[str]) -> None:
    assert formats.run_names(paths) == expected
    assert len(set(expected)) == len(expected)


def test_the_sample_run_tells_its_story() -> None:
    data = (SAMPLES / "invoice-bot-attacked.json").read_bytes()
    assert formats.sniff(data) == "agentdojo"
    made = formats.read("agentdojo", data, run="attacked", file="attacked.json")
    calls = [event for event in made.events if event.n is not None]
    assert [(event.tool, event.outcome) for event in calls] == [
        ("invoice.read", "ok"), ("contacts.find", "ok"), ("pay.send", "error"), ("pay.balance", "not_executed"),
    ]  # fmt: skip
    assert calls[2].args == {"to": {"iban": "DE00000000000000000099"}, "amount": 940.0, "currency": "EUR"}
    assert calls[2].error == "PermissionError: the amount is above what this task may pay"
    plain = formats.read("agentdojo", (SAMPLES / "invoice-bot.json").read_bytes(), run="p", file="p")
    assert [event.outcome for event in plain.events if event.n is not None] == ["ok", "ok"]
