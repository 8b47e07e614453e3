"""`nhictl token verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nhictl.cli.call_options import Arg, Context, Resource, Tool, pairs
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.session import read_input, session
from nhictl.cli.token.bind import ClientCert, ProofFile, certificate_of, proof_of
from nhictl.errors import InputError
from nhictl.ops import policies, reading
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import ask
from nhictl.render import Result

if TYPE_CHECKING:
    from nhictl.ops.verify_offline import Verifier


def command(
    audience: Annotated[
        str | None, typer.Option("--audience", metavar="URI", help="who you are: the token has to be for you")
    ] = None,
    token_file: Annotated[
        str, typer.Option("--token-file", metavar="FILE", help="where the token is; - for stdin")
    ] = "-",
    tool: Tool = None,
    arg: Arg = None,
    resource: Resource = None,
    context: Context = None,
    at: At = None,
    live: Annotated[
        bool, typer.Option("--consume", help="live: checked, counted and recorded in one transaction")
    ] = False,
    profile: Annotated[
        str, typer.Option("--profile", metavar="at+jwt|jwt-svid|generic", help="what kind of token it has to be")
    ] = "at+jwt",
    dpop_proof: ProofFile = None,
    htm: Annotated[str | None, typer.Option("--htm", metavar="M", help="the method the proof has to be for")] = None,
    htu: Annotated[str | None, typer.Option("--htu", metavar="U", help="the address the proof has to be for")] = None,
    client_cert: ClientCert = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="without the authority: by its keys and status lists alone")
    ] = False,
    jwks: Annotated[
        str | None, typer.Option("--jwks", metavar="FILE", help="the issuer's keys: jwks.json, or its SPIFFE bundle")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", metavar="ISS", help="whose keys those are; spiffe://DOMAIN for a bundle")
    ] = None,
    status_list: Annotated[
        list[str] | None, typer.Option("--status-list", metavar="FILE", help="a status list of the issuer; repeatable")
    ] = None,
    max_stale: Annotated[
        str | None, typer.Option("--max-stale", metavar="TIME", help="how old a status list may be: 60s unless told")
    ] = None,
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="FILE", help="questions as JSONL; - for stdin")
    ] = None,
) -> Reply:
    """Verify a token, and with --tool whether it allows that call. Exit 0 valid, 1 refused, 3 cannot be decided.

    Without --consume nothing is written, and the answer says so. For a jwt-svid the task's scope decides about a call.
    A token that is bound to a key takes a --dpop-proof, and a live check takes each proof once; one that is bound to a
    certificate takes --client-cert. With --offline no home is needed: a revocation is seen through a status list only, as of
    that list's moment. Profile generic is for other issuers' tokens, and goes with --offline.
    A line of --batch is {"token", "audience", "tool", "args", "resource", "context", "at", "profile", "consume", "dpop_proof",
    "htm", "htu", "client_cert", "offline", "jwks", "issuer", "status_list", "max_stale"}, with keys and certificates inside.

    Example: nhictl token verify --audience https://api.example.org --tool reports.read --arg limit=10 <token
    """
    far = (jwks, issuer, status_list, max_stale)
    if offline and (live or context or ((jwks is None or issuer is None) and batch is None)):
        raise InputError("--offline takes --jwks and --issuer, and neither --consume nor --context", code="usage")
    if not offline and any(each is not None for each in far):
        raise InputError("--jwks, --issuer, --status-list and --max-stale go with --offline", code="usage")
    if batch is not None:
        if any((arg, tool, dpop_proof, htm, htu, client_cert, resource, context, token_file != "-")):  # noqa: S105  # a file's name
            raise InputError(
                "--batch goes with --audience, --profile, --at, --consume and --offline with what it takes",
                code="usage",
            )
        said = {"audience": audience, "profile": profile, "at": at, "consume": live or None, "offline": offline or None}
        return _batch(batch, said, _verifier(jwks, issuer, status_list, max_stale) if offline and jwks else None)
    if audience is None:
        raise InputError("missing option `--audience`", code="usage", hint="nhictl token verify --help")
    if tool is None and (arg or resource is not None or context):
        raise InputError("--arg, --resource and --context describe a call: name its --tool", code="usage")
    if live and at is not None:
        raise InputError("--consume is about now: it excludes --at", code="usage")
    if [token_file, dpop_proof, client_cert, jwks].count("-") > 1:
        raise InputError("one thing can come from stdin", code="usage", hint="name a FILE for the others")
    shown, certificate = _proof(dpop_proof, htm, htu), certificate_of(client_cert)
    data = _token(token_file)
    if offline:
        from nhictl.ops import verify_offline

        given = reading.arguments(None, tool, pairs("--arg", arg)) if tool and arg else {}
        verifier = _verifier(jwks, issuer, status_list, max_stale)
        asked = Question(data, audience, tool, given, resource, None, session().at(at), profile, shown, certificate)
        body, code = verify_offline.ask(verifier, asked, session().now_us())
    else:
        claimed = reading.context(pairs("--context", context))
        asked = Question(
            data, audience, tool, _arguments(tool, arg), resource, claimed, session().at(at), profile, shown, certificate
        )  # fmt: skip
        body, code = ask(session().house(), asked, live=live)
    return Reply(Result("nhictl.verdict/v1", body, text=[_sentence(body, tool)]), code)


def _proof(name: str | None, htm: str | None, htu: str | None) -> tuple[bytes, str, str] | None:
    if name is None and htm is None and htu is None:
        return None
    text = proof_of(name)
    if text is None or htm is None or htu is None:
        raise InputError("--dpop-proof FILE, --htm M and --htu U go together", code="usage")
    return text, htm, htu


def _batch(name: str, said: dict[str, Any], verifier: Verifier | None) -> Reply:
    from nhictl.cli.batch import answers
    from nhictl.ops.verify_batch import answer

    house = session().house()
    return Reply(None, answers(name, "nhictl.verdict/v1", lambda line: answer(house, line, said, verifier)))


def _verifier(jwks: str | None, issuer: str | None, lists: list[str] | None, stale: str | None) -> Verifier:
    """What the options say that is known far from the authority."""
    from nhictl.ops.verify_offline import Known, Verifier

    if jwks is None or issuer is None:
        raise InputError("--jwks and --issuer go together", code="usage")
    keys = reading.json_value(read_input(jwks, reading.JWKS_LIMIT), jwks)
    found = [read_input(name, reading.LIST_LIMIT) for name in lists or ()]
    return Verifier(Known(issuer, keys, found, reading.seconds("--max-stale", stale) if stale else reading.MAX_STALE_S))


def _token(name: str) -> bytes:
    """A token, or the first bytes of something too large to be one: that is a verdict, not an error."""
    try:
        return read_input(name, reading.TOKEN_LIMIT)
    except InputError as e:
        if e.code != "too_large":
            raise
        return b"x" * reading.TOKEN_LIMIT


def _arguments(tool: str | None, arg: list[str] | None) -> dict[str, Any] | None:
    if tool is None:
        return None
    return reading.arguments(policies.active(session().house()), tool, pairs("--arg", arg)) if arg else {}


def _sentence(body: dict[str, Any], tool: str | None) -> str:
    why = f": {body['message']}" if body.get("message") else ""
    if body["valid"]:
        claims = body["claims"]
        word = f"allowed: {tool} by" if tool else "valid:"
        until = reading.rfc3339(claims["exp"])
        who = f"{claims['client_id']} for task {claims['txn']}" if "txn" in claims else claims["sub"]
        return f"{word} {who}, token good until {until}"
    return f"{'denied' if tool else 'refused'} at step {body['step']}: {body['reason']}{why}"
