"""Who is at the other end of a connection on this machine: the user id, as the kernel's table of sockets has it (proc(5)).

The guard acts for whoever reaches it, so only its own user may: a port of this machine is open to all of its users.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final

_TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")
_ESTABLISHED: Final = "01"


def uid_of(client: socket.socket) -> int | None:
    """The user who holds the other end, None if that cannot be told, as for a socket that nobody holds any more."""
    theirs, ours = _ends(client.getpeername()), _ends(client.getsockname())
    for name in _TABLES:
        try:
            lines = Path(name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[1] in theirs and fields[2] in ours and fields[3] == _ESTABLISHED:
                return int(fields[7]) if fields[9] != "0" else None
    return None


def _ends(name: tuple[str, int]) -> frozenset[str]:
    """An address and port as the tables write it: words of the machine's byte order in hex; IPv4 also in IPv6's form."""
    address = ip_address(name[0].partition("%")[0])
    port = f":{name[1]:04X}"
    both: list[IPv4Address | IPv6Address] = [address]
    if isinstance(address, IPv4Address):
        both.append(IPv6Address(f"::ffff:{address}"))
    return frozenset("".join(f"{word:08X}" for (word,) in struct.iter_unpack("=I", one.packed)) + port for one in both)
