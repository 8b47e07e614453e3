"""`nhictl serve`."""

from __future__ import annotations

import grp
import importlib.util
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from nhictl.cli.main import Reply, show
from nhictl.cli.session import session
from nhictl.errors import InputError, UnavailableError
from nhictl.ops import reading, serve_public
from nhictl.ops.serve_start import check_place, loopback, opened
from nhictl.render import Result
from nhictl.render.escape import terminal

_MODES = {"owner": 0o600, "everyone": 0o666}


def command(
    at: Annotated[
        str | None, typer.Option("--socket", metavar="PATH", help="a unix socket; the kernel says who connects")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="a TCP port instead; port 0: any that is free")
    ] = None,
    open_to: Annotated[
        str, typer.Option("--open-to", metavar="owner|everyone|GROUP", help="which users may connect to the socket")
    ] = "owner",
    beyond: Annotated[
        bool, typer.Option("--beyond-loopback", help="let --listen be another address than the machine's own")
    ] = False,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="where others reach it; default: an https issuer")
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option("--audience", metavar="URI", help="who it is to tokens shown as Authorization; default: URL"),
    ] = None,
    public: Annotated[
        str | None,
        typer.Option(
            "--public", metavar="DIR", help="publish keys and lists there, and serve them; default: trust publish's"
        ),
    ] = None,
) -> Reply:
    """Serve decisions over HTTP: AuthZEN evaluations, introspection, token exchange, keys, health and metrics.

    Evaluations and /token are live: recorded before they are answered. Introspection writes nothing. On the socket the home's
    owner may ask everything; other users, and everybody over TCP, what serve.yaml in the home lists, and what a token that
    they show is good for. It speaks no TLS: put a reverse proxy in front. SIGTERM ends it once requests are answered.

    Example: nhictl serve --socket /run/nhictl/serve.sock --open-to everyone
    """
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("starlette") is None:
        raise UnavailableError(
            "`serve` needs starlette and uvicorn, which are not installed", code="extra_missing",
            hint="pip install 'nhictl[serve]'",
        )  # fmt: skip
    if (at is None) == (listen is None):
        raise InputError("where to serve: --socket PATH or --listen HOST:PORT", code="usage")
    host, port = _address(listen, beyond) if listen is not None else ("", 0)
    mode, group = _open_to(open_to)
    base = _url(url)
    if audience is not None:
        reading.check_audience(audience)
    if at is not None:
        check_place(Path(at))
    house = opened(session().house())

    from nhictl.enforce.serve import run
    from nhictl.enforce.serve.service import Place, Service

    sock = run.unix_socket(Path(at), mode, group) if at is not None else run.tcp_socket(host, port)
    try:
        issuer = house.meta["issuer"]
        folder = serve_public.chosen(house, public)
        where = f"unix:{at}" if at is not None else f"http://{_shown(host)}:{sock.getsockname()[1]}"
        if base is None:
            base = issuer if issuer.startswith("https://") else where if listen is not None else None
        note = _Notes()
        service = Service(house, Place(issuer, base, audience or base, folder))
        house.close()

        def ready() -> None:
            body: dict[str, Any] = {"at": where, "url": base, "audience": audience or base, "public": folder}
            show(Result("nhictl.serve/v1", body, plain=where), session())
            sys.stdout.flush()

        run.serve(run.server(service, note), service, sock, ready, note)
    finally:
        sock.close()
        if at is not None:
            Path(at).unlink(missing_ok=True)
    return Reply(None, 0)


def _address(listen: str, beyond: bool) -> tuple[str, int]:
    host, mark, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not mark or not host or not (port.isascii() and port.isdigit() and int(port[:9]) < 65536 and len(port) < 6):
        raise InputError(f"`--listen {listen}` is no HOST:PORT", code="usage", hint="such as 127.0.0.1:8471")
    if not loopback(host) and not beyond:
        raise InputError(
            f"{host} is reached from other machines, without TLS", code="usage",
            hint="serve on 127.0.0.1 behind a reverse proxy, or say --beyond-loopback",
        )  # fmt: skip
    return host, int(port)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _open_to(who: str) -> tuple[int, int | None]:
    if who in _MODES:
        return _MODES[who], None
    try:
        return 0o660, grp.getgrnam(who).gr_gid
    except KeyError:
        raise InputError(f"`--open-to {who}`: there is no such group", code="usage") from None


def _url(url: str | None) -> str | None:
    if url is None:
        return None
    scheme, mark, rest = url.rstrip("/").partition("://")
    if (
        scheme not in ("https", "http")
        or not mark
        or not rest
        or not rest.isascii()
        or not set(rest).isdisjoint('?#" \\')
    ):
        raise InputError(f"`--url {url}` is no http or https URL without query", code="usage")
    return url.rstrip("/")


class _Notes:
    """What people should know while it serves, on standard error; the same thing once a minute."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._told.get(text, -60.0) < 60 or len(self._told) > 1000:
            return
        self._told[text] = now
        print(f"nhictl: {terminal(text)}", file=sys.stderr, flush=True)
