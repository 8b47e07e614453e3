"""The command tree as data: what there is, where it lives, and one line about it. Read by help, completion and docs."""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """A command: the module under `nhictl.cli` that defines its function `command`, and its summary."""

    module: str
    summary: str


class Noun(NamedTuple):
    """A group of verbs."""

    summary: str
    verbs: dict[str, Verb]


TREE: Final[dict[str, Noun | Verb]] = {
    "init": Verb("init", "start an authority: keys, database, first record"),
    "agent": Noun(
        "register agents and end their standing",
        {
            "register": Verb("agent.register", "register an agent with its accountable owner"),
            "apply": Verb("agent.apply", "bring agents to what a file says, all or none"),
            "list": Verb("agent.list", "list agents"),
            "show": Verb("agent.show", "show one agent"),
            "update": Verb("agent.update", "change what an agent is registered with"),
            "rotate-key": Verb("agent.rotate_key", "give an agent a new key; the old one ends after an overlap"),
            "suspend": Verb("agent.suspend", "stop an agent or one running copy of it at once, until it is resumed"),
            "resume": Verb("agent.resume", "let a suspended agent or running copy act again"),
            "retire": Verb("agent.retire", "end an agent for good"),
        },
    ),
    "task": Noun(
        "open approved pieces of work and end them",
        {
            "open": Verb("task.open", "open a task and print its id"),
            "list": Verb("task.list", "list tasks"),
            "show": Verb("task.show", "show one task with its scope"),
            "close": Verb("task.close", "close a task that is done; its tokens are refused from now on"),
            "kill": Verb("task.kill", "kill a task; its tokens are refused from now on"),
        },
    ),
    "token": Noun(
        "issue, verify and revoke per-task tokens",
        {
            "issue": Verb("token.issue", "issue a short-lived token for a task and print it"),
            "delegate": Verb("token.delegate", "make a narrower token for another agent out of a token"),
            "verify": Verb("token.verify", "verify a token, and whether it allows a call"),
            "inspect": Verb("token.inspect", "decode a token; proves nothing"),
            "revoke": Verb("token.revoke", "revoke tokens; the next check refuses them"),
            "list": Verb("token.list", "list issued tokens"),
            "show": Verb("token.show", "show one issued token by its jti"),
        },
    ),
    "trust": Noun(
        "give others what they need to check our tokens",
        {
            "publish": Verb("trust.publish", "write public keys and metadata into a folder that is served"),
        },
    ),
    "policy": Noun(
        "put rules in force and ask what they decide",
        {
            "activate": Verb("policy.activate", "put a policy in force"),
            "show": Verb("policy.show", "show the policy in force"),
            "check": Verb("policy.check", "ask what a policy decides; never writes"),
            "test": Verb("policy.test", "run requests against the decisions they should get"),
        },
    ),
    "audit": Noun(
        "prove, import and replay what was done",
        {
            "verify": Verb("audit.verify", "prove that a log is unaltered"),
            "checkpoint": Verb("audit.checkpoint", "print the newest signed checkpoint, to keep elsewhere"),
            "export": Verb("audit.export", "write the log out, byte for byte"),
            "import": Verb("audit.import_", "take other systems' logs in as evidence"),
            "replay": Verb("audit.replay", "reconstruct what an agent did"),
        },
    ),
    "crypto": Noun(
        "check keys, signatures and names by themselves",
        {
            "jws-verify": Verb("crypto.jws_verify", "check a signature against one public key"),
            "dpop-verify": Verb("crypto.dpop_verify", "check a DPoP proof of possession"),
            "jwks-lint": Verb("crypto.jwks_lint", "find what is wrong with a set of public keys"),
            "jwk-thumbprint": Verb("crypto.jwk_thumbprint", "print the thumbprint of a public key"),
            "spiffe-id": Verb("crypto.spiffe_id", "check a SPIFFE ID"),
            "status-list": Verb("crypto.status_list", "look up an entry of a token status list, or pack one"),
            "spiffe-bundle": Verb("crypto.spiffe_bundle", "find what is wrong with a SPIFFE bundle"),
        },
    ),
    "selftest": Verb("selftest", "put what must be refused to this very installation"),
    "demo": Verb("demo", "see the whole story in a temporary home"),
    "completion": Verb("completion", "print a completion script for bash, zsh or fish"),
}
