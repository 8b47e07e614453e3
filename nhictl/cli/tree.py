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
            "svid": Verb("agent.svid", "certify an agent's key with a short-lived X.509-SVID"),
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
            "exchange": Verb("token.exchange", "exchange a CI job's own token for a task and its token"),
            "delegate": Verb("token.delegate", "make a narrower token for another agent out of a token"),
            "verify": Verb("token.verify", "verify a token, and whether it allows a call"),
            "inspect": Verb("token.inspect", "decode a token; proves nothing"),
            "revoke": Verb("token.revoke", "revoke tokens; the next check refuses them"),
            "list": Verb("token.list", "list issued tokens"),
            "show": Verb("token.show", "show one issued token by its jti"),
        },
    ),
    "freeze": Verb("freeze", "stop an agent, a group, an environment or everything at once"),
    "unfreeze": Verb("unfreeze", "lift a freeze; what nothing else ended goes on"),
    "run": Verb("run", "run a command under a task that ends with it"),
    "credential": Noun(
        "secrets of other systems that runs are given",
        {
            "list": Verb("credential.list", "list what the operator declared"),
            "revoke": Verb("credential.revoke", "revoke what a killed run left behind"),
        },
    ),
    "trust": Noun(
        "give others what they need to check our tokens, and say whose are believed here",
        {
            "publish": Verb("trust.publish", "write public keys and metadata into a folder that is served"),
            "refresh": Verb("trust.refresh", "sign published status lists anew; for a timer"),
            "add": Verb("trust.add", "believe a foreign issuer, such as a CI system, for what a file says"),
            "list": Verb("trust.list", "list the foreign issuers that are believed"),
            "explain": Verb("trust.explain", "show why a CI job's token is good or not, claim by claim"),
            "remove": Verb("trust.remove", "stop believing a foreign issuer"),
            "lint": Verb("trust.lint", "find what is too open about trusts"),
        },
    ),
    "key": Noun(
        "rotate the authority's own keys, and say who keeps them",
        {
            "list": Verb("key.list", "list signing keys and what depends on them"),
            "prepare": Verb("key.prepare", "make and publish the next signing key"),
            "activate": Verb("key.activate", "let a prepared key sign"),
            "taint": Verb("key.taint", "say that a key is not to be relied on; names its live tokens"),
            "revoke": Verb("key.revoke", "end a tainted key and every token it signed"),
            "rotate": Verb("key.rotate", "let a new key sign the log; the old one names it and is destroyed"),
            "custody": Verb("key.custody", "show who keeps the key of the keys, or change it"),
        },
    ),
    "policy": Noun(
        "put rules in force and ask what they decide",
        {
            "activate": Verb("policy.activate", "put a policy in force"),
            "show": Verb("policy.show", "show the policy in force"),
            "check": Verb("policy.check", "ask what a policy decides; never writes"),
            "test": Verb("policy.test", "run requests against the decisions they should get"),
            "lint": Verb("policy.lint", "find what is wrong or strange about a policy, for every request"),
            "diff": Verb("policy.diff", "show exactly what a new policy newly allows and denies"),
            "who-can": Verb("policy.who_can", "show which agents may call a tool"),
            "what-can": Verb("policy.what_can", "show what an agent may call"),
            "simulate": Verb("policy.simulate", "say what a policy would have decided about a log"),
            "propose": Verb("policy.propose", "propose a scope or rules from what logs show was done"),
            "unused": Verb("policy.unused", "show what a policy grants and no log used"),
            "import": Verb("policy.import_", "make a catalogue of tools from what an MCP server lists"),
            "export": Verb("policy.export", "write a policy out for another engine"),
        },
    ),
    "approval": Noun(
        "calls that wait for a human's yes",
        {
            "list": Verb("approval.list", "list calls that were denied until somebody says yes"),
            "show": Verb("approval.show", "show the exact call, and what a yes would bind"),
            "grant": Verb("approval.grant", "say yes to one exact call, once; signed where it has to be"),
            "deny": Verb("approval.deny", "say no, or take back a yes that was not used"),
        },
    ),
    "audit": Noun(
        "prove, import and replay what was done",
        {
            "verify": Verb("audit.verify", "prove that a log is unaltered"),
            "checkpoint": Verb("audit.checkpoint", "print the newest signed checkpoint, to keep elsewhere"),
            "prove": Verb("audit.prove", "prove one record, or that the log only grew"),
            "witness": Verb("audit.witness", "remember a log's checkpoints elsewhere and cosign them"),
            "bundle": Verb("audit.bundle", "write records as evidence that travels, with proofs"),
            "export": Verb("audit.export", "write the log out, byte for byte or as other systems have it"),
            "tail": Verb("audit.tail", "print the newest records, and follow the log"),
            "record": Verb("audit.record", "record what an agent framework tells, line by line"),
            "import": Verb("audit.import_", "take other systems' logs in as evidence"),
            "replay": Verb("audit.replay", "reconstruct what an agent did"),
            "detect": Verb("audit.detect", "find what should not have happened, with the records that decide it"),
            "state": Verb("audit.state", "show who could do what at a moment"),
            "trace": Verb("audit.trace", "show what a token did, and at most could have done"),
            "prune": Verb("audit.prune", "move old records out into a file; proofs go on"),
            "redact": Verb("audit.redact", "erase content for good; proofs still hold"),
        },
    ),
    "guard": Noun(
        "stand in front of an agent's tools and ask before each call",
        {
            "hook": Verb("guard.hook", "decide on a coding agent's hook event; fails closed"),
            "mcp": Verb("guard.mcp", "stand between an MCP client and a server; every call is judged"),
            "install": Verb("guard.install", "put the guard into a coding agent's settings, or take it out"),
            "status": Verb("guard.status", "prove that the guards are on"),
        },
    ),
    "serve": Verb("serve", "serve decisions, tokens and keys over HTTP"),
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
    "report": Noun(
        "evidence for reviews and audits, measured on state and log",
        {
            "controls": Verb("report.controls", "measure the controls of a framework"),
            "review": Verb("report.review", "list the access that somebody has to look at"),
        },
    ),
    "doctor": Verb("doctor", "say what is the matter with this home, and what to do"),
    "home": Noun(
        "keep a copy of the home, and bring it back",
        {
            "backup": Verb("home.backup", "copy the database while others write, and check the copy"),
            "restore": Verb("home.restore", "bring a backup back; nothing is granted until it is accepted"),
        },
    ),
    "selftest": Verb("selftest", "put what must be refused to this very installation"),
    "demo": Verb("demo", "see the whole story in a temporary home"),
    "completion": Verb("completion", "print a completion script for bash, zsh or fish"),
}
