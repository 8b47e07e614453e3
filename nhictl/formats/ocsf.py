"""Records as events of the Open Cybersecurity Schema Framework, version 1.8.0 (released March 2026), class API Activity.

Class `api_activity`: category 6, class 6003, `type_uid` 600300 + activity. (`ai_agent_activity` is on no released version.)

| OCSF 1.8.0                     | ours                                                                               |
|--------------------------------|------------------------------------------------------------------------------------|
| `time`                         | `ts`, milliseconds since the epoch, UTC                                            |
| `activity_id`                  | by `type`, table `ACTIVITY`: 1 Create, 2 Read, 3 Update, 4 Delete, else 99 Other    |
| `status_id`, `status`          | `outcome`: ok 1 Success; deny, error 2 Failure                                     |
| `status_code`                  | `dec.reason`                                                                       |
| `severity_id`, `severity`      | ok 1 Informational, error 2 Low, deny 3 Medium                                     |
| `message`                      | type, tool and outcome in words                                                    |
| `metadata.event_code`          | `type`                                                                             |
| `metadata.sequence`, `.uid`    | the record's number; chain and number                                              |
| `metadata.log_name`            | `nhictl/` and the chain id, as in checkpoints                                      |
| `metadata.correlation_uid`     | `task`                                                                             |
| `metadata.original_time`       | `ext.time`, where a framework told its own clock, else `ts`                        |
| `actor.user.uid`, `.name`      | `actor.id`, `actor.os_user`                                                        |
| `actor.app_name`, `.app_uid`   | `agent`, and its SPIFFE ID                                                         |
| `actor.session.uid`            | `jti`                                                                              |
| `api.operation`                | `tool`, else `type`                                                                |
| `api.service.name`             | `nhictl`                                                                           |
| `api.request.uid`              | `call`                                                                             |
| `api.response.error`           | `dec.reason` of what was denied                                                    |
| `src_endpoint`                 | `hostname`: `actor.host`; `instance_uid`: `inst`                                   |
| `resources[]`                  | the task, `type` "task"                                                            |
| `trace.uid`                    | `trace` (profile `trace`)                                                          |
| `raw_data`, `_hash`, `_size`   | the line itself, its SHA-256, its bytes                                            |
| `unmapped`                     | all that is left, and `gen_ai.*` by OpenTelemetry's names (`OTEL`)                 |

Content is not in it: lines hold commitments only, which are under `unmapped`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from nhictl.core import times
from nhictl.core.identity import spiffe

VERSION: Final = "1.8.0"
CLASS: Final = 6003
ACTIVITY: Final = {
    1: "log.genesis log.imported agent.registered agent.svid_issued task.opened token.issued token.delegated token.exchanged"
    " trust.added trust.published lease.taken credential.acquired approval.requested approval.granted key.prepared"
    " message.added authority.frozen",
    2: "log.exported token.presented token.used token.denied policy.evaluated tool.called tool.returned approval.used",
    3: "log.key_rotated log.restored agent.updated agent.suspended agent.resumed agent.key_rotated instance.suspended"
    " instance.resumed policy.activated approval.denied key.activated key.tainted custody.changed",
    4: "log.redacted agent.retired task.closed task.killed token.revoked trust.removed lease.lost credential.revoked"
    " key.revoked authority.unfrozen",
    99: "credential.revoke_failed",
}
"""What a record type does, as the class sees it. A tool's call is a read of the authority; what the tool does is its own."""

OTEL: Final = {
    "gen_ai.agent.name": "agent", "gen_ai.operation.name": "op", "gen_ai.tool.name": "tool",
    "gen_ai.tool.call.id": "call",
}  # fmt: skip
"""OpenTelemetry's semantic conventions for generative AI, and our members; `gen_ai.agent.id` is the SPIFFE ID."""

_ACTIVITY_OF: Final = {kind: number for number, kinds in ACTIVITY.items() for kind in kinds.split()}
_ACTIVITY_NAMES: Final = {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"}
_STATUS: Final = {"ok": (1, "Success"), "deny": (2, "Failure"), "error": (2, "Failure")}
_SEVERITY: Final = {"ok": (1, "Informational"), "error": (2, "Low"), "deny": (3, "Medium")}
_MAPPED: Final = frozenset(
    {"v", "ts", "type", "outcome", "agent", "inst", "task", "jti", "tool", "call", "op", "trace", "prev"}
)


def activity(kind: str) -> int:
    """The activity of a record type; 99 for one that is newer than this table."""
    return _ACTIVITY_OF.get(kind, 99)


def milliseconds(text: str) -> int:
    """OCSF's `timestamp_t`."""
    return times.parse_rfc3339(text) // 1000


def event(seq: int, line: bytes, record: dict[str, Any], chain: str, domain: str, product: str) -> dict[str, Any]:
    """One record as an event; `domain` is the trust domain, `product` our version."""
    kind, outcome = record["type"], record["outcome"]
    number = activity(kind)
    status, severity = _STATUS[outcome], _SEVERITY[outcome]
    reason = (record.get("dec") or {}).get("reason")
    made: dict[str, Any] = {
        "activity_id": number, "activity_name": _ACTIVITY_NAMES[number], "category_uid": 6,
        "category_name": "Application Activity", "class_uid": CLASS, "class_name": "API Activity",
        "type_uid": CLASS * 100 + number, "type_name": f"API Activity: {_ACTIVITY_NAMES[number]}",
        "time": milliseconds(record["ts"]), "severity_id": severity[0], "severity": severity[1],
        "status_id": status[0], "status": status[1], "status_code": reason,
        "message": words(record), "metadata": _metadata(seq, record, chain, product),
        "actor": _actor(record, domain), "api": _api(record, reason), "src_endpoint": _endpoint(record),
        "resources": [{"uid": record["task"], "type": "task"}] if "task" in record else None,
        "trace": {"uid": record["trace"]} if "trace" in record else None,
        "raw_data": line.decode(), "raw_data_size": len(line),
        "raw_data_hash": {"algorithm_id": 3, "algorithm": "SHA-256", "value": sha256(line).hexdigest()},
        "unmapped": _unmapped(record, domain),
    }  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def words(record: dict[str, Any]) -> str:
    """What happened, in one line."""
    parts = [record["type"], record.get("tool"), record["outcome"]]
    parts += [f"agent {record['agent']}" if "agent" in record else None]
    return " ".join(part for part in parts if part)


def _metadata(seq: int, record: dict[str, Any], chain: str, product: str) -> dict[str, Any]:
    made = {
        "version": VERSION, "product": {"name": "nhictl", "vendor_name": "nhictl", "version": product},
        "log_name": f"nhictl/{chain}", "uid": f"{chain}:{seq}", "sequence": seq, "event_code": record["type"],
        "original_time": (record.get("ext") or {}).get("time") or record["ts"], "correlation_uid": record.get("task"),
        "profiles": ["trace"] if "trace" in record else None,
    }  # fmt: skip
    return {name: value for name, value in made.items() if value is not None}


def _actor(record: dict[str, Any], domain: str) -> dict[str, Any]:
    who = record.get("actor") or {}
    user = {"uid": who.get("id"), "name": who.get("os_user")}
    made: dict[str, Any] = {
        "user": {name: value for name, value in user.items() if value is not None} or {"uid": "unknown"}
    }
    if "agent" in record:
        made |= {"app_name": record["agent"], "app_uid": spiffe.agent_id(domain, record["agent"])}
    if "jti" in record:
        made["session"] = {"uid": record["jti"]}
    return made


def _api(record: dict[str, Any], reason: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"operation": record.get("tool") or record["type"], "service": {"name": "nhictl"}}
    if "call" in record:
        made["request"] = {"uid": record["call"]}
    if record["outcome"] != "ok":
        made["response"] = {"error": reason or record["outcome"]}
    return made


def _endpoint(record: dict[str, Any]) -> dict[str, Any]:
    host = (record.get("actor") or {}).get("host")
    made = {"hostname": host, "instance_uid": record.get("inst")}
    return {name: value for name, value in made.items() if value is not None} or {"name": "unknown"}


def _unmapped(record: dict[str, Any], domain: str) -> dict[str, Any]:
    made = {name: record[ours] for name, ours in OTEL.items() if ours in record}
    if "agent" in record:
        made["gen_ai.agent.id"] = spiffe.agent_id(domain, record["agent"])
    return made | {f"nhictl.{name}": value for name, value in record.items() if name not in _MAPPED} | {
        "nhictl.prev": record["prev"]
    }  # fmt: skip
