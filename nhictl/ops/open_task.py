"""`task open`: an approved piece of work, with the scope that its tokens can never leave."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import spiffe
from nhictl.core.ledger import content
from nhictl.core.policy.box import Box
from nhictl.core.token.delegation import MAX_DEPTH, permission
from nhictl.errors import InputError, RefusedError
from nhictl.ops import agents, frozen, instances, openers, tasks
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.store import work

DEFAULT_DEADLINE_S: Final = 3600
MAX_DEADLINE_S: Final = 30 * 86400
DEFAULT_TOKENS: Final = 100
MAX_TEXT: Final = 500
MAX_BOXES: Final = 64
MAX_DELEGATES: Final = 16
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class Order(NamedTuple):
    """What is asked for. `principal` is on whose behalf: it grants nothing. `delegates` may be handed parts of it, and hand
    parts on among themselves, `max_depth` times over.
    """

    agent: str
    intent: str
    purpose: str
    boxes: tuple[Box, ...]
    principal: str | None = None
    deadline_s: int = DEFAULT_DEADLINE_S
    max_tokens: int = DEFAULT_TOKENS
    max_calls: int | None = None
    instance: str | instances.Instance | None = None
    delegates: tuple[str, ...] = ()
    max_depth: int = 1


def new_name(random: bytes) -> str:
    """A task id: `t-` and 16 characters of Crockford's base 32 over 80 random bits."""
    number = int.from_bytes(random[:10], "big")
    return "t-" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(75, -5, -5))


def check(order: Order) -> None:
    """InputError (2) for an order that no task can be."""
    if why := spiffe.label_fault(order.intent, "an intent"):
        raise InputError(f"`{order.intent}`: {why}", code="invalid_label")
    for name, text in (("purpose", order.purpose), ("principal", order.principal or "x")):
        if not text.strip() or len(text) > MAX_TEXT or not text.isprintable():
            raise InputError(f"{name} is 1 to {MAX_TEXT} printable characters", code=f"invalid_{name}")
    if not 1 <= len(order.boxes) <= MAX_BOXES:
        raise InputError(
            f"a task has 1 to {MAX_BOXES} boxes of scope", code="invalid_scope", hint="--allow TOOL or --scope FILE"
        )
    if not 0 < order.deadline_s <= MAX_DEADLINE_S:
        raise InputError(f"a deadline is at most {times.duration(MAX_DEADLINE_S)} away", code="invalid_deadline")
    if not 1 <= order.max_depth <= MAX_DEPTH:
        raise InputError(f"--max-depth {order.max_depth} is not 1 to {MAX_DEPTH}", code="usage")
    if len(order.delegates) > MAX_DELEGATES:
        raise InputError(f"a task has at most {MAX_DELEGATES} delegates", code="usage")
    for option, value in (("--max-tokens", order.max_tokens), ("--max-calls", order.max_calls)):
        if value is not None and not 1 <= value <= 1_000_000_000:
            raise InputError(f"{option} {value} is not 1 to 1000000000", code="usage")


def open_task(
    house: House, order: Order, also: Callable[[Act, work.TaskRow], None] | None = None
) -> tuple[dict[str, Any], Head]:
    """Open and return the task; NotFoundError (4) for an unknown agent, ConflictError (5) for an inactive or
    frozen one or a suspended instance of it, RefusedError (1) for whoever may not, which is recorded. `also` is carried
    out in the same act.
    """
    check(order)
    proof = openers.prove(house, order.agent, order.intent, order.boxes)
    decide = opening(order, instances.chosen(order.instance), also=also, proof=proof)

    def decide_or_refuse(act: Act) -> dict[str, Any] | RefusedError:
        try:
            return decide(act)
        except RefusedError as e:
            return openers.record(act, order.agent, order.intent, e)

    answer, head = transact(house, decide_or_refuse)
    if isinstance(answer, RefusedError):
        raise answer
    return answer, head


def opening(
    order: Order,
    instance: instances.Instance,
    ci: dict[str, Any] | None = None,
    also: Callable[[Act, work.TaskRow], None] | None = None,
    proof: openers.Proof | None = None,
) -> Callable[[Act], dict[str, Any]]:
    """The part of an act that opens the task and returns it; `ci` is the CI run it was proved to be for.

    It raises RefusedError before anything is written for whoever may not open it; `proof` is what was found about that
    before the lock.
    """

    def decide(act: Act) -> dict[str, Any]:
        row = agents.find(act.house, order.agent)
        if (state := agents.state_at(row, act.now_us)) != "active":
            raise wrong_state("agent", row.name, state)
        instances.refuse_suspended(act, row, instance.id)
        frozen.refuse(act, row)
        found = openers.holds(act.house, proof, row.name, order.intent, order.boxes)
        if found.refused is not None:
            raise RefusedError(found.refused[1], code=found.refused[0])
        scope = [box.to_mapping() for box in order.boxes]
        deadline = act.now_us + order.deadline_s * 1_000_000
        name = new_name(act.house.random(10))
        doc: dict[str, Any] = {
            "intent": order.intent, "purpose": order.purpose, "principal": order.principal, "scope": scope,
            "deadline_us": deadline, "max_tokens": order.max_tokens, "max_calls": order.max_calls,
        }  # fmt: skip
        if ci is not None:
            doc["ci"] = ci
        if order.delegates:
            doc["delegation"] = _delegation(act, order, row.name)
        task = work.add_task(act.db, name, row.id, instance.id, act.seq, strict_json.dumps(doc))
        sealed = {"purpose": order.purpose, "scope": scope}
        if order.principal:
            sealed["principal"] = order.principal
        ext: dict[str, Any] = {
            "intent": order.intent,
            "deadline": times.rfc3339(deadline),
            "max_tokens": order.max_tokens,
        }
        if order.max_calls is not None:
            ext["max_calls"] = order.max_calls
        ext["opener"] = found.ext
        if order.delegates:
            ext["delegation"] = doc["delegation"]
        if instance.source != "given":
            ext["instance_from"] = instance.source
        digest = "sha256:" + sha256(content.canonical(scope)).hexdigest()
        act.record(
            "task.opened",
            task_row=task,
            sealed=sealed,
            agent=row.name,
            inst=instance.id,
            task=name,
            scope=digest,
            ext=ext,
        )
        opened = tasks.find(act.house, name)
        if also is not None:
            also(act, opened)
        return tasks.to_json(act.house, opened, act.now_us)

    return decide


def _delegation(act: Act, order: Order, own: str) -> dict[str, Any]:
    """Whom the task's tokens may be delegated to, as every entry of them says it; NotFoundError (4) for an unknown agent."""
    domain = act.house.meta["trust_domain"]
    names = dict.fromkeys(agents.find(act.house, name).name for name in order.delegates)
    if own in names:
        raise InputError(f"`{own}` cannot be its own delegate", code="usage")
    return permission(order.max_depth, [spiffe.agent_id(domain, name) for name in names])
