"""What a log leaves unproven, collected while it is folded and said in plain sentences, few however long the log is."""

from __future__ import annotations

_LABELS = {
    "args": "arguments",
    "result": "results",
    "prompt": "prompts",
    "res": "resources",
    "principal": "principals",
}
_NAMED = 8


class Gaps:
    """Record numbers by what is missing; `note` for what is said about one record alone."""

    def __init__(self) -> None:
        self.calls_without_result: list[int] = []
        self.results_without_call: list[int] = []
        self._content: dict[str, list[int]] = {}
        self._notes: list[str] = []

    def missing(self, label: str, seq: int) -> None:
        """Record `seq` commits to content that cannot be opened."""
        self._content.setdefault(label, []).append(seq)

    def note(self, sentence: str) -> None:
        """Keep a sentence as it is."""
        self._notes.append(sentence)

    def sentences(self) -> list[str]:
        """Missing content by label, then calls and results that stand alone, then the notes."""
        made = []
        for label in sorted(self._content):
            name = _LABELS.get(label, f"content `{label}`")
            made.append(f"{name} erased or not at hand: {_records(self._content[label])}")
        if self.calls_without_result:
            made.append(f"calls without a result, so how they ended is unknown: {_records(self.calls_without_result)}")
        if self.results_without_call:
            made.append(f"results without a call: {_records(self.results_without_call)}")
        return made + self._notes


def _records(seqs: list[int]) -> str:
    named = ", ".join(str(seq) for seq in sorted(seqs)[:_NAMED])
    more = f" and {len(seqs) - _NAMED} more" if len(seqs) > _NAMED else ""
    return f"record{'s' if len(seqs) > 1 else ''} {named}{more}"
