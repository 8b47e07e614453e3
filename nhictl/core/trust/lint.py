"""What is too open about a trust, or will not work: told before it is in force, each with its place.

An **error** lets in what nobody meant to let in, or can never let in anything; a trust with one is not added. A
**warning** is a choice to be aware of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.token import jwks as key_sets
from nhictl.core.trust import gates, providers
from nhictl.core.trust.document import Source
from nhictl.core.trust.value import Trust

_SHARED: Final = frozenset(
    {
        "sts.amazonaws.com",
        "api://AzureADTokenExchange",
        "sigstore",
        "pypi",
        "npm:registry.npmjs.org",
        "sts.googleapis.com",
    }
)
"""Audiences under which CI jobs fetch tokens for somebody else."""
_LONG_LIFETIME_S: Final = 3600
_LONG_DEADLINE_S: Final = 86400


class Finding(NamedTuple):
    """One thing said about a trust; `where` is the path of keys it is about, `key` and `kid` the key of the set."""

    code: str
    message: str
    where: tuple[str, ...] = ()
    error: bool = True
    key: int | None = None
    kid: str | None = None

    def to_json(self, source: Source) -> dict[str, Any]:
        """The members of a `jwks-lint` finding, then `file`, `line` and `column`."""
        file, line, column = _place(source, self.where)
        if self.where == ("jwks",) and source.jwks_file is not None:
            file, line, column = source.jwks_file, None, None
        severity = "error" if self.error else "warning"
        return {
            "code": self.code, "severity": severity, "message": self.message, "key": self.key, "kid": self.kid,
            "file": file, "line": line, "column": column,
        }  # fmt: skip


def _place(source: Source, where: tuple[str, ...]) -> tuple[str | None, int | None, int | None]:
    node = place = source.root
    for key in where:
        if not isinstance(node.value, dict) or key not in node.value:
            break
        place, node = node.key_node(key), node.value[key]
    return place.file, place.line, place.column


def lint(source: Source) -> list[Finding]:
    """Everything there is to say about a trust, in the order of its parts."""
    trust = source.trust
    found = [*_issuer(trust), *_keys(source), *_audience(trust), *_claims(trust)]
    found += [Finding(*each) for each in gates.ids(trust)]
    found += [Finding(*each) for each in gates.gates(trust)]
    return [*found, *_grant(trust)]


def _issuer(trust: Trust) -> Iterator[Finding]:
    where = ("issuer",)
    rest = trust.issuer.removeprefix("https://")
    if rest == trust.issuer:
        yield Finding("issuer_not_https", "an issuer is an https URL: else anybody on the way could be it", where)
    elif not rest.partition("/")[0] or set(rest) & set("?#@") or not rest.isascii():
        yield Finding("issuer_malformed", "an issuer is https, a host and a path, without query or fragment", where)
    expected = providers.of_issuer(trust.issuer)
    if expected is not None and expected is not trust.of:
        message = (
            f"this issuer is {expected.name}: read as `{trust.provider}` its claims would not be held to its rules"
        )
        yield Finding("provider_mismatch", message, ("provider",))
    elif trust.of is providers.OTHER:
        for value in trust.match.get("sub", []):
            if isinstance(value, str) and value.startswith(("repo:", "project_path:")):
                message = f"`{value}` is what GitHub and GitLab write: say `provider: github` or `gitlab`"
                yield Finding("provider_mismatch", message, ("provider",))


def _keys(source: Source) -> Iterator[Finding]:
    trust, where = source.trust, ("jwks",)
    for one in key_sets.lint(source.jwks):
        yield Finding(one.code, one.message, where, one.error or one.code == "set_empty", one.key, one.kid)
    usable = {alg for key in trust.keys for alg in _fits(key)}
    for alg in trust.algorithms:
        if alg not in usable:
            yield Finding("algorithm_unused", f"none of the pinned keys is for {alg}", ("algorithms",))
    if not trust.algorithms and trust.keys:
        yield Finding("algorithms_missing", "none of the pinned keys is of a kind that is known here", where)


def _fits(key: dict[str, Any]) -> tuple[str, ...]:
    from nhictl.core.token.algorithms import kind_of_key

    kind = kind_of_key(key.get("kty"), key.get("crv"))
    return () if kind is None else (key["alg"],) if key.get("alg") in kind.algorithms else kind.algorithms


def _audience(trust: Trust) -> Iterator[Finding]:
    where = ("audience",)
    if not trust.audience:
        yield Finding("audience_missing", "without an audience a token meant for anybody would do", where)
    elif trust.of is providers.GITHUB and trust.audience.startswith("https://github.com/"):
        message = "this is what GitHub puts in when nobody asks for an audience: choose one that means this authority"
        yield Finding("audience_default", message, where, error=False)
    elif trust.audience.rstrip("/") == trust.issuer.rstrip("/"):
        message = (
            "this is the issuer itself, the audience of tokens that name none: choose one that means this authority"
        )
        yield Finding("audience_default", message, where, error=False)
    elif trust.audience in _SHARED:
        message = "jobs fetch tokens with this audience for another service, which could bring them here"
        yield Finding("audience_shared", message, where, error=False)


def _claims(trust: Trust) -> Iterator[Finding]:
    for claim, values in trust.match.items():
        where = ("match", claim)
        if fault := providers.refused(trust.of, claim):
            yield Finding(fault[0], fault[1], where)
            continue
        if claim in trust.of.names:
            message = f"`{claim}` is a name and can change hands; the ids decide, and a rename will lock its owner out"
            yield Finding("name_mutable", message, where, error=False)
        if claim == "sub" and trust.of is not providers.OTHER:
            message = (
                "what `sub` looks like can be changed, and GitHub changed it in 2026; the ids say the same and stay"
            )
            yield Finding("sub_format", message, where, error=False)
        wanted = int if claim in providers.NUMERIC else str
        if trust.of is not providers.OTHER and any(type(value) is not wanted for value in values):
            right = "a number" if wanted is int else "a string, also where it is digits or true: quote it"
            yield Finding("claim_type", f"`{claim}` is {right}; compared exactly, this would never match", where)
        for value in values:
            if isinstance(value, str) and (what := _pattern(value)):
                yield Finding(
                    "wildcard", f"`{value}` has {what}: values are compared whole, nothing is a pattern", where
                )


def _pattern(value: str) -> str | None:
    """What of a value is a pattern's and no claim's, or None."""
    for sign in ("*", "?", "${", "|"):
        if sign in value:
            return f"`{sign}`"
    if value.startswith("^") or value.endswith("$") or ".+" in value:
        return "the look of a regular expression"
    return None


def _grant(trust: Trust) -> Iterator[Finding]:
    if not trust.intents:
        yield Finding("intents_missing", "a trust lists the intents that its jobs may have", ("intents",))
    if not trust.scope:
        yield Finding("scope_missing", "a trust has a scope: what its tasks may touch at most", ("scope",))
    for box in trust.scope:
        free = not box.get("resource") and not box.get("when")
        if free and any(not tool.strip("*.") for tool in box["tools"]):
            yield Finding("scope_open", "a box allows every tool, on everything, with any arguments", ("scope",))
        elif any("*" in tool for tool in box["tools"]):
            yield Finding(
                "scope_broad", "a box names tools by a pattern: later ones are in it", ("scope",), error=False
            )
    if not trust.token_audiences:
        message = "jobs may have tokens for any audience: list those they need in `token_audiences`"
        yield Finding("token_audiences_open", message, (), error=False)
    if trust.max_lifetime_s > _LONG_LIFETIME_S:
        message = (
            f"a token of the issuer may live {times.duration(trust.max_lifetime_s)}: that long a stolen one is good"
        )
        yield Finding("lifetime_long", message, ("max_lifetime",), error=False)
    if trust.deadline_s > _LONG_DEADLINE_S:
        message = f"tasks may stay open {times.duration(trust.deadline_s)}, whatever becomes of the job"
        yield Finding("deadline_long", message, ("deadline",), error=False)
