"""Who and from where: the immutable ids a trust has to match, and one of protected ref, environment or workflow.

An id alone admits every branch that anybody pushes. What may stand for "from where" differs: GitHub says of a ref
whether it is protected and of an environment nothing; GitLab says it of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nhictl.core.trust import providers
from nhictl.core.trust.value import Trust

Said = tuple[str, str, tuple[str, ...], bool]
"""Code, sentence, path, and whether it is an error."""
_HEX: Final = frozenset("0123456789abcdef")
_OUTSIDERS: Final = frozenset(
    {
        "pull_request", "pull_request_review", "pull_request_review_comment", "issue_comment", "issues", "discussion",
        "discussion_comment", "fork", "watch", "workflow_run",
    }
)  # fmt: skip
"""Events of GitHub that somebody without write access can bring about."""
_MERGE_REQUESTS: Final = frozenset({"merge_request_event", "external_pull_request_event"})


def ids(trust: Trust) -> Iterator[Said]:
    """What is missing or loose about who."""
    for claim in trust.of.ids:
        if claim not in trust.match:
            what = {"sub": "`sub`, which an OpenID provider never gives to anybody else"}.get(claim, f"`{claim}`")
            yield "id_missing", f"the trust has to match {what}: names can change hands", ("match",), True
    if trust.of is providers.GITLAB and "project_id" in trust.match and "namespace_id" not in trust.match:
        message = "a project that is moved to another group stays trusted: match `namespace_id` too"
        yield "namespace_unpinned", message, ("match",), False


def gates(trust: Trust) -> Iterator[Said]:
    """What is missing or loose about from where."""
    if trust.of is providers.OTHER:
        if not trust.match.keys() - {"sub"}:
            message = "only `sub` is matched: whether it says from where, such as a branch, is the issuer's affair"
            yield "gate_unknown", message, ("match",), False
        return
    yield from _events(trust)
    faults: list[Said] = []
    found = [_ref(trust, faults), _environment(trust, faults), _workflow(trust, faults)]
    yield from faults
    if not any(found) and not any(error for *_, error in faults):
        message = "one of protected ref, environment or workflow has to be matched: an id alone admits every branch"
        yield "gate_missing", message, ("match",), True


def _ref(trust: Trust, faults: list[Said]) -> bool:
    protected = trust.match.get("ref_protected")
    if protected is not None and protected != ["true"]:
        faults.append(("ref_unprotected", '`ref_protected` is matched as "true"', ("match", "ref_protected"), True))
        return False
    refs = trust.match.get("ref", [])
    for ref in refs:
        if isinstance(ref, str) and ref.startswith(("refs/pull/", "refs/merge-requests/")):
            message = f"`{ref}` is a proposal, that is anybody's code"
            faults.append(("ref_proposal", message, ("match", "ref"), True))
        elif trust.of is providers.GITHUB and not _is_ref(ref):
            message = f"GitHub writes a ref whole, as refs/heads/main: `{ref}` would never match"
            faults.append(("ref_short", message, ("match", "ref"), True))
    if protected is None:
        return False
    if trust.of is providers.GITHUB and not refs:
        message = "any protected ref will do: name the ones that are meant with `ref`"
        faults.append(("ref_unnamed", message, ("match", "ref_protected"), True))
        return False
    return True


def _environment(trust: Trust, faults: list[Said]) -> bool:
    if "environment" not in trust.match:
        return False
    if trust.of is providers.GITLAB:
        if trust.match.get("environment_protected") == ["true"]:
            return True
        if "ref_protected" in trust.match or "ci_config_ref_uri" in trust.match:
            return False
        message = (
            'anybody can deploy to an environment that is not protected: match `environment_protected: "true"` too'
        )
        faults.append(("environment_unprotected", message, ("match", "environment"), True))
        return False
    if not {"ref_protected", "workflow_ref"} & trust.match.keys():
        message = (
            "GitHub does not say whether an environment is protected: see that it has its rules, or name the ref too"
        )
        faults.append(("environment_unproven", message, ("match", "environment"), False))
    return True


def _workflow(trust: Trust, faults: list[Said]) -> bool:
    """GitLab's `ci_config_ref_uri`, GitHub's `workflow_ref` and `job_workflow_ref`, each pinned by what follows its `@`."""
    names = ("ci_config_ref_uri",) if trust.of is providers.GITLAB else ("workflow_ref", "job_workflow_ref")
    found = [name for name in names if name in trust.match]
    good = True
    for name in found:
        for value in trust.match[name]:
            if not _is_pinned(value):
                message = (
                    f"`{value}` does not say which version: it ends in @refs/heads/…, @refs/tags/… or @ and a commit"
                )
                faults.append(("workflow_unpinned", message, ("match", name), True))
                good = False
    if found == ["job_workflow_ref"] and good and not {"ref_protected", "environment"} & trust.match.keys():
        message = "`job_workflow_ref` is the workflow that is called: any branch can call it, with inputs of its own"
        faults.append(("caller_unpinned", message, ("match", "job_workflow_ref"), False))
    return bool(found) and good


def _events(trust: Trust) -> Iterator[Said]:
    if trust.of is providers.GITLAB:
        sources = trust.match.get("pipeline_source", [])
        if merge := sorted(str(s) for s in sources if s in _MERGE_REQUESTS):
            message = f"`{merge[0]}` runs what a merge request proposes"
            yield "event_outsiders", message, ("match", "pipeline_source"), False
        return
    events = trust.match.get("event_name")
    if events is None:
        message = "every event will do, also `pull_request_target`, which forks bring about: match `event_name`"
        yield "event_unpinned", message, ("match",), False
        return
    for event in events:
        if event == "pull_request_target":
            message = "`pull_request_target` runs with this repository's ids whenever a fork proposes something"
            yield "event_forks", message, ("match", "event_name"), True
        elif event in _OUTSIDERS:
            message = f"somebody without write access can bring about `{event}`"
            yield "event_outsiders", message, ("match", "event_name"), False


def _is_ref(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("refs/heads/", "refs/tags/"))


def _is_pinned(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    path, _, version = value.partition("@")
    commit = len(version) in (40, 64) and _HEX.issuperset(version)
    return bool(path) and (commit or (_is_ref(version) and version.count("/") >= 2 and not version.endswith("/")))
