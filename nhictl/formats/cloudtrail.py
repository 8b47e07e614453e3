"""AWS CloudTrail: files of `{"Records": […]}`, lists of records, one record a line, or what `lookup-events` prints.

- tool: `SERVICE:ACTION` as in IAM policies (`secretsmanager:GetSecretValue`), from `eventSource` and `eventName`; args:
  `requestParameters`; result: `responseElements`; call: `requestID`, else `eventID`; resource: the ARN, where one is named.
- principal: the identity's ARN (else its name, service, or account): who acted under AWS's names is never an agent of ours,
  so agent, task and intent stay unknown. `ext` keeps the whole `userIdentity`.
- run: the file's; order is by `eventTime`, since CloudTrail promises none.
- outcome: `denied` by the error codes of authorisation, `error` by any other, else `ok`.
- span: `eventID`. An event that is there twice (`eventID`, or `sharedEventID` across accounts) is one call and a
  `note.duplicate`. Service events, sign-ins and insights are events `note.TYPE`: nobody called a tool there.

Sources: reference/replay.md §1; AWS, "CloudTrail record contents".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.formats import moments
from nhictl.formats.documents import DocumentReading
from nhictl.formats.reading import BrokenError, UnknownError, decoded, kept, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_CALLS: Final = frozenset({"AwsApiCall", "AwsConsoleAction", "AwsVpceEvent"})
_NOTES: Final = frozenset({"AwsServiceEvent", "AwsConsoleSignIn", "AwsCloudTrailInsight"})
_DENIED: Final = frozenset({
    "AccessDenied", "AccessDeniedException", "AuthFailure", "AuthorizationError", "AuthorizationErrorException",
    "Client.UnauthorizedOperation", "Client.UnauthorizedAccess", "ExplicitDeny", "Forbidden", "ForbiddenException",
    "KMS.AccessDeniedException", "NotAuthorized", "NotAuthorizedException", "S3.AccessDenied", "Unauthorized",
    "UnauthorizedException", "UnauthorizedOperation", "VpceAccessDenied",
})  # fmt: skip
_OWN: Final = ("eventTime", "requestParameters", "responseElements", "eventID", "errorMessage")


def claims(record: Mapping[str, Any]) -> bool:
    """Whether this is a record, or a file of records."""
    for name in ("Records", "Events"):
        if name in record and record.keys() <= {name, "NextToken"}:
            first = record[name][0] if isinstance(record[name], list) and record[name] else None
            return not isinstance(first, dict) or claims(first)
    if isinstance(record.get("CloudTrailEvent"), str):
        return True
    return isinstance(record.get("eventName"), str) and isinstance(record.get("eventSource"), str)


class CloudTrail(DocumentReading):
    """A file of events."""

    format = "cloudtrail"
    lists = ("Records", "Events")
    by_time = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen: dict[str, None] = {}

    def record(self, value: dict[str, Any]) -> None:
        """Take one event."""
        if isinstance(value.get("CloudTrailEvent"), str):  # `lookup-events` has the record as text
            inside = decoded(value["CloudTrailEvent"])
            if not isinstance(inside, dict):
                raise BrokenError("`CloudTrailEvent` is not a record")
            value = inside
        name, source = text_of(value, "eventName"), text_of(value, "eventSource")
        kind = text_of(value, "eventType")
        if name is None and source is None and "eventVersion" not in value:
            raise UnknownError
        if name is None or source is None:
            raise BrokenError("`eventName` or `eventSource` is missing or not a text")
        self.time = moments.rfc3339(value.get("eventTime"))
        tool = f"{source.removesuffix('.amazonaws.com')}:{name}"
        span = text_of(value, "eventID")
        if self._again(value):
            event = self.event("note.duplicate", span=span)
            event.tool = tool
        elif kind is None or kind in _CALLS:
            identity = value.get("requestID") or value.get("eventID")
            event = self.call(tool, value.get("requestParameters"), identity, span=span)
            code = text_of(value, "errorCode")
            outcome = "ok" if code is None and not value.get("errorMessage") else "denied" if _denies(code) else "error"
            self.ended(event, outcome, value.get("responseElements"), value.get("errorMessage") or code)
        elif kind in _NOTES:
            event = self.event(f"note.{kind}", span=span)
            event.tool = tool
        else:
            raise UnknownError
        event.principal = principal(value.get("userIdentity"))
        event.resource = _resource(value.get("resources"))
        event.ext = kept(value, *_OWN) if event.type == "tool.called" else value

    def _again(self, value: dict[str, Any]) -> bool:
        names = [f"{key}:{value[key]}" for key in ("eventID", "sharedEventID") if isinstance(value.get(key), str)]
        again = any(name in self.seen for name in names)
        self.seen.update(dict.fromkeys(names))
        while len(self.seen) > 200_000:  # duplicates stand in neighbouring files or close by
            del self.seen[next(iter(self.seen))]
        return again


def principal(identity: Any) -> str | None:
    """Who acted, by the surest name the record gives: ARN, name, service, account, or the bare type."""
    if not isinstance(identity, dict):
        return None
    for name in ("arn", "userName", "invokedBy", "principalId", "accountId", "type"):
        if (found := text_of(identity, name)) is not None:
            return found
    return None


def _resource(resources: Any) -> str | None:
    if not isinstance(resources, list):
        return None
    named = [found for found in (text_of(one, "ARN") or text_of(one, "arn") for one in resources) if found]
    return named[0] if len(named) == 1 else None


def _denies(code: str | None) -> bool:
    return code is not None and (code in _DENIED or code.endswith(".AccessDenied"))


READING: Final = CloudTrail
