"""The OS keyring (the library `keyring`: Secret Service, KWallet, Keychain) behind the protocol of a helper program.

Run as a script in a process of its own, which can be given up when a desktop's dialog waits for somebody who is not
there, and which keeps the library off everybody else's start. An error is one line on standard output and status 1.
"""

import importlib
import sys
from typing import Any

SERVICE = "nhictl"


def answer(action: str, name: str, secret: str) -> str:
    """Do what was asked and return what is printed: for `get` the secret, for `store` which keyring has it."""
    keyring: Any = importlib.import_module("keyring")
    if action == "get":
        found = keyring.get_password(SERVICE, name)
        if found is None:
            raise LookupError("it has no secret of that id; is it this user's keyring, unlocked?")
        return str(found)
    if action == "store":
        keyring.set_password(SERVICE, name, secret)
        if keyring.get_password(SERVICE, name) != secret:
            raise LookupError("it did not keep the secret")
        kind = type(keyring.get_keyring())
        return f"{kind.__module__}.{kind.__qualname__}"
    keyring.delete_password(SERVICE, name)
    return ""


def main() -> int:
    """One answer on standard output."""
    lines = [sys.stdin.readline().rstrip("\n") for _ in range(2)]
    try:
        print(answer(sys.argv[1], *lines))
    except ModuleNotFoundError as e:
        print("the library is not installed" if e.name == "keyring" else f"no module {e.name}")
    except Exception as e:  # noqa: BLE001  # a backend may raise anything
        known = {
            "LookupError": str(e),
            "NoKeyringError": "there is no keyring on this machine, or none that is running",
        }
        said = known.get(type(e).__name__, f"{type(e).__name__}: {e}").replace(lines[1] or "\n", " ")
        print(" ".join(said.split())[:500])
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
