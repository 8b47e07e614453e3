"""What an argument is for, found from evidence, and whether a tool only reads.

In this order, the first that says something decides:

1. the look of the values: email and web addresses, numbers, flags, prose; then, unless the name says prose, accounts and
   keys, paths, moments;
2. the name, read by the general vocabulary of `words`: its last word counts most, as in `user_email`;
3. where short texts come from: those that stand whole in earlier results of the same run (a list of names that was read
   before) name something that exists; what the agent made up does not;
4. else it is a `name`: a short text that may be anything.

A tool only reads if the first verb in its name says so (of `mail.list`, what follows the dot) and it is given no prose; a
tool without a known verb only if, in several runs, what came back was much more than what went in. All other tools act.
Being wrong in that direction pins too much, in the other it would leave open where something goes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from nhictl.core.policy.propose import shapes, words
from nhictl.core.policy.propose.evidence import RESOURCE

if TYPE_CHECKING:
    from nhictl.core.policy.propose.evidence import Argument, Evidence

__all__ = ["ID", "IDENTIFIERS", "OPAQUE", "SECRET", "only_reads", "role_of", "roles"]

ID, SECRET, OPAQUE = "id", "secret", "opaque"
IDENTIFIERS: Final = frozenset({shapes.ADDRESS, shapes.PLACE, shapes.PATH, shapes.ACCOUNT, ID, SECRET, RESOURCE})
"""Roles that say to whom, where, or which: their values are pinned whatever else is known."""
BULK: Final = 3
LEAST: Final = 20
SEVERAL: Final = 3


def roles(evidence: Evidence) -> dict[tuple[str, str], str]:
    """The role of each argument of each tool, over everything the log shows of it."""
    return {key: role_of(key[1], argument) for key, argument in evidence.known.items()}


def role_of(path: str, argument: Argument) -> str:
    """The role of one argument."""
    if path == RESOURCE:
        return RESOURCE
    name = words.pieces(path.removeprefix("args."))
    if words.SECRET.intersection(name):
        return SECRET
    looks: Counter[str] = Counter()
    for value in argument.values.values():
        looks[shapes.shape(next(iter(value.spelt.values())))] += value.calls
    total = looks.total()
    if not total:
        return OPAQUE if argument.complex else _by_name(name) or shapes.NAME
    if looks[shapes.TEXT] and not looks[shapes.ADDRESS] + looks[shapes.PLACE] > looks[shapes.TEXT]:
        return shapes.TEXT
    likely, count = min(looks.items(), key=lambda item: (-item[1], item[0]))
    named = _by_name(name)
    sure = count == total or (named != shapes.TEXT and count * 2 > total)
    if likely in {shapes.ADDRESS, shapes.PLACE, shapes.FLAG} and sure:
        return likely
    if likely == shapes.NUMBER:
        return ID if named == ID else likely
    if named == shapes.TEXT:
        return named
    if likely in {shapes.ACCOUNT, shapes.PATH, shapes.MOMENT} and count * 2 > total:
        return likely
    return named or (ID if _from_results(argument) else shapes.NAME)


def _by_name(name: list[str]) -> str | None:
    for word in reversed(name):
        if word in words.PROSE:
            return shapes.TEXT
        if word in words.IDENTITY:
            return ID
        if word in words.INSTANT:
            return shapes.MOMENT
        if word in words.QUANTITY:
            return shapes.NUMBER
    return None


def _from_results(argument: Argument) -> bool:
    found = sum(value.found for value in argument.values.values())
    return found * 2 >= sum(value.calls for value in argument.values.values())


def only_reads(tool: str, evidence: Evidence, found: dict[tuple[str, str], str]) -> bool:
    """Whether calling `tool` seems to change nothing."""
    if any(_is_prose(path, found[of, path], evidence.known[of, path]) for of, path in found if of == tool):
        return False
    name = words.pieces(tool.rpartition(".")[2])
    verbs = [word for word in name if word in words.READS or word in words.ACTS]
    if not verbs:
        name = words.pieces(tool)
        verbs = [word for word in name if word in words.READS or word in words.ACTS]
    if verbs:
        return verbs[0] in words.READS and ("and" not in name or words.READS.issuperset(verbs))
    sizes = evidence.results.get(tool, [])
    given, got = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    runs = {run for (_, of), usage in evidence.usage.items() if of == tool for run in usage.runs}
    return len(runs) >= SEVERAL and len(sizes) >= SEVERAL and got >= BULK * max(given, len(sizes) * LEAST)


def _is_prose(path: str, role: str, argument: Argument) -> bool:
    """Whether what is handed over is long text under a name for text: a question to a search engine is none."""
    long = any(shapes.shape(one) == shapes.TEXT for value in argument.values.values() for one in value.spelt.values())
    return role == shapes.TEXT and (long or bool(argument.complex)) and _by_name(words.pieces(path[5:])) == shapes.TEXT
