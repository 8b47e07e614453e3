"""`nhictl unfreeze`."""

from __future__ import annotations

from collections.abc import Iterator

from nhictl.cli.approver_options import Key, KeyPassphrase, signer
from nhictl.cli.freeze import Agent, All, Env, Group, body, chosen, title
from nhictl.cli.options import Reason
from nhictl.cli.session import session
from nhictl.ops.freeze import Frozen, unfreeze
from nhictl.render import Result


def command(
    everything: All = False,
    agent: Agent = None,
    group: Group = None,
    env: Env = None,
    reason: Reason = None,
    key: Key = None,
    key_passphrase_file: KeyPassphrase = None,
) -> Result:
    """Lift one freeze. Tokens are good again that nothing else ended and no other freeze holds. No such freeze: exit 4.

    Where the policy in force names approvers for `unfreeze`, it takes one of them: by user id, or by --key.

    Example: nhictl unfreeze --group payments --reason "incident 42 is closed"
    """
    made, head = unfreeze(
        session().house(), *chosen(everything, agent, group, env), reason, signer(key, key_passphrase_file)
    )
    return Result("nhictl.freeze/v1", body(made, False) | {"log": head.to_json()}, text=_lines(made))


def _lines(made: Frozen) -> Iterator[str]:
    yield f"{title(made)} unfrozen; agents: {made.agents}, live tokens brought back: {made.live_tokens}"
    for one in made.others:
        yield f"  still frozen: {one}, by record {one.seq}"
