"""Detections on tokens: used after their end, never issued, held by several, handed on too widely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.policy.algebra import regions
from nhictl.core.replay.detect.rule import Found, Lack, rule
from nhictl.core.replay.detect.scene import SKEW_US, Scene
from nhictl.core.strict_json import dumps
from nhictl.core.token.delegation import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.replay.detect.rule import Memory

_USES = ("token.used", "token.denied", "tool.called")


@rule(
    "TOKEN_AFTER_REVOKE", "token used after it was revoked", "critical",
    "OWASP-ASI-2026:ASI10 OWASP-NHI-2025:NHI1 NIST-AI-RMF:GOVERN-4.3",
    "a verifier far away that had not yet seen the revocation, or a clock more than a minute fast",
    on="token.used tool.called token.delegated",
)  # fmt: skip
def token_after_revoke(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """An allowed use later than the token's revocation plus 60 s. What ends a token is its own revocation, a cut-off that
    covers it, or the same for a token it was made from.
    """
    step = scene.step
    jti = step.parent if step.type == "token.delegated" else step.jti if step.allowed else None
    token = scene.world.tokens.get(jti) if jti is not None else None
    if token is None or step.us is None:
        return
    mark = scene.world.revocation(token)
    if mark is None or mark.us is None:
        if scene.world.hidden_cuts:
            yield Lack("whom a revocation by principal named")
    elif step.us > mark.us + SKEW_US:
        late = (step.us - mark.us) // 1_000_000
        yield Found(token.jti, f"token {token.jti} was used {late} s after it was revoked", [mark.ref(), step.ref()])


@rule(
    "TOKEN_AFTER_EXPIRY", "token used after it expired", "high", "OWASP-NHI-2025:NHI7 OWASP-NHI-2025:NHI4",
    "a verifier that allows more leeway than a minute, or a clock more than a minute fast",
    on="token.used tool.called",
)  # fmt: skip
def token_after_expiry(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """An allowed use later than the token's expiry plus 60 s."""
    step, token = scene.step, scene.token
    if token is None or not step.allowed or step.us is None:
        return
    if token.expires_us is None:
        yield Lack("when the token expires")
    elif step.us > token.expires_us + SKEW_US:
        late = (step.us - token.expires_us) // 1_000_000
        message = f"token {token.jti} was used {late} s after it expired at {times.rfc3339(token.expires_us)}"
        yield Found(token.jti, message, [token.issued.ref(), step.ref()])


@rule(
    "UNKNOWN_JTI", "token used that was never issued", "critical", "OWASP-ASI-2026:ASI03 OWASP-NHI-2025:NHI4",
    "a log that does not begin at its beginning; a second authority's token under the same name",
    on="token.used token.denied tool.called",
)  # fmt: skip
def unknown_jti(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """A use without an earlier issue of that jti, or of a token whose SHA-256 is not that of the one that was issued."""
    step, token = scene.step, scene.token
    if step.jti is None or step.type not in _USES:
        return
    if token is None:
        if scene.world.whole:
            yield Found(step.jti, f"token {step.jti} was used, and no record issues it", [step.ref()])
        else:
            yield Lack("the log from its beginning")
    elif step.tok is not None and token.digest is not None and step.tok != token.digest:
        message = f"token {step.jti} was used with other bytes than were issued"
        yield Found(step.jti, message, [token.issued.ref(), step.ref()])


@rule(
    "SHARED_CREDENTIAL", "one token in several hands", "high",
    "OWASP-ASI-2026:ASI03 OWASP-NHI-2025:NHI9 OWASP-NHI-2025:NHI2",
    "a copy of the process that was moved to another host on purpose, or a host that changed its name",
    on="token.used token.denied tool.called",
)  # fmt: skip
def shared_credential(scene: Scene, mine: Memory) -> Iterator[Found | Lack]:
    """One jti with two or more agents, instances, hosts or keys: of those it was issued to and those it was used by,
    whether the use was allowed or not. Where hosts are not told, nothing is said about hosts.
    """
    step = scene.step
    if step.jti is None or step.type not in _USES:
        return
    ext = step.ext
    seen = (
        step.agent, step.inst, step.actor.get("host") or ext.get("host"), ext.get("jkt") or ext.get("x5t#S256"),
    )  # fmt: skip
    token = scene.token
    known = mine.get(step.jti)
    if known is None:
        if token is not None and (token.agent, token.inst) != seen[:2]:
            known = (token.issued, token.agent, token.inst, *seen[2:])
        else:
            known = (step.mark() or step.ref(), *seen)
        mine[step.jti] = known
    held = list(known[1:])
    for place, (kind, value) in enumerate(zip(("agent", "instance", "host", "key"), seen, strict=True)):
        if held[place] is None:
            held[place] = value
        elif value is not None and value != held[place]:
            first = known[0] if isinstance(known[0], dict) else known[0].ref()
            message = f"token {step.jti} was used by {kind}s `{held[place]}` and `{value}`"
            yield Found(step.jti, message, [first, step.ref()])
    if held != list(known[1:]):
        mine[step.jti] = (known[0], *held)


@rule(
    "DELEGATION_AMPLIFIED", "delegated token wider than its parent", "critical",
    "OWASP-ASI-2026:ASI03 OWASP-ASI-2026:ASI07 CSA-MAESTRO:L7",
    "none known: a child that is not narrower is a fault of whoever issued it",
    on="token.delegated",
)  # fmt: skip
def delegation_amplified(scene: Scene, _mine: Memory) -> Iterator[Found | Lack]:
    """A delegated token whose scope is not inside its parent's (proved by a call that only the child allows), that expires
    later, that is deeper than the task or the profile (5 actors) allows, or whose chain of agents or tokens is a circle.
    """
    step = scene.step
    if step.type != "token.delegated" or step.jti is None:
        return
    parent = scene.world.tokens.get(step.parent or "")
    records = [*([parent.issued.ref()] if parent is not None else []), step.ref()]
    for why in _structure(scene, parent):
        yield Found(step.jti, f"token {step.jti}: {why}", records)
    if parent is None:
        return
    outer = parent.scope if parent.delegated else scene.task.scope if scene.task is not None else None
    inner = step.content("scope")
    if outer is None or not isinstance(inner, list):
        yield Lack("the scopes of a delegated token and its parent")
        return
    answer = regions.subset(
        regions.union(scene.scope.boxes(inner)), regions.union(scene.scope.boxes(outer)), scene.policy()
    )
    if answer.holds is None:
        yield Lack(f"whether record {step.seq} narrows its parent: {answer.why}")
    elif not answer.holds and answer.witness is not None:
        witness = dumps(answer.witness.to_json())
        yield Found(step.jti, f"token {step.jti} allows what its parent does not: {witness}", records)


def _structure(scene: Scene, parent: Any) -> Iterator[str]:
    step, task = scene.step, scene.task
    expires = step.ext.get("exp")
    ends = parent.expires_us if parent is not None else None
    if isinstance(expires, int) and ends is not None and expires * 1_000_000 > ends:
        yield f"it expires {expires - ends // 1_000_000} s after its parent"
    act = [str(name) for name in step.ext.get("act") or ()]
    allowed = (task.ext.get("delegation") or {}).get("max_depth") if task is not None else None
    most = min(MAX_DEPTH, allowed) if isinstance(allowed, int) else MAX_DEPTH
    if len(act) > most:
        yield f"it is {len(act)} delegations deep, and {most} are allowed"
    chain = [*act, *([task.agent] if task is not None and task.agent is not None else [])]
    if len(set(chain)) < len(chain):
        yield f"its chain of agents is a circle: {' < '.join(chain)}"
    if step.jti == step.parent or (step.parent is not None and step.parent in scene.world.descendants(step.jti or "")):
        yield "its chain of tokens is a circle"
