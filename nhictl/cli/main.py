"""The one boundary: arguments in, one rendered result or one error out, and an exit status that means one thing."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, NamedTuple

from nhictl.cli.session import Session, begin
from nhictl.errors import InputError, NhictlError, UnavailableError
from nhictl.render import Result, emit, error_json, error_text


class Reply(NamedTuple):
    """What a verb hands back when its exit status is not 0: the result is printed all the same."""

    result: Result | None
    exit: int


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    _prepare_streams()
    session = begin(arguments)
    try:
        return _run(arguments, session)
    except BrokenPipeError:
        _silence_stdout()
        return _take_back(session, 141)
    except OSError as error:  # stdout could not be written: a full disk, a closed terminal
        why = (error.strerror or str(error)).lower()
        code = _fail(UnavailableError(f"cannot write the answer: {why}", code="output_failed"), session)
        _silence_stdout()
        return _take_back(session, code)
    except KeyboardInterrupt:
        return _take_back(session, 130)
    except NhictlError as error:
        return _take_back(session, _fail(error, session))
    except Exception as error:  # noqa: BLE001  # the boundary: nothing of a bug is shown but where it is
        return _take_back(session, _bug(error, session))
    finally:
        _warn(session)
        session.close()


def _prepare_streams() -> None:
    """UTF-8 whatever the locale says; a stream that was closed before we began refuses every write."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDONLY), "w"))
            continue
        with contextlib.suppress(AttributeError, ValueError):  # a stream that a test put there
            if stream.fileno() == number:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _run(arguments: list[str], session: Session) -> int:
    from nhictl.cli.lazy import root

    session.format()  # a bad $NHICTL_OUTPUT is refused before anything is done
    if any(not _is_text(argument) for argument in _ours(arguments)):
        raise InputError("an argument is not UTF-8", code="usage")
    command = root()
    try:
        with command.make_context("nhictl", list(arguments)) as context:
            answer = command.invoke(context)
    except Exception as error:
        if type(error).__name__ == "Exit" and hasattr(error, "exit_code"):  # help and version end here
            sys.stdout.flush()
            return int(error.exit_code)
        usage = _usage(error, session)
        if usage is None:
            raise
        raise usage from error
    reply = answer if isinstance(answer, Reply) else Reply(answer, 0)
    if reply.result is not None:
        show(reply.result, session)
    session.undelivered = None
    for notice in session.notices():
        report(notice, session)
        return reply.exit or notice.exit
    return reply.exit


def _ours(arguments: list[str]) -> list[str]:
    """The arguments that are for us: those of a command to run may be any bytes."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return before if "run" in before else arguments


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _take_back(session: Session, code: int) -> int:
    """A token that could not be printed is in nobody's hands: revoke it, so that nothing is live that nobody has."""
    if session.undelivered is not None:
        from nhictl.ops.revoke_token import Selector, revoke

        revoke(session.house(), Selector(jti=session.undelivered), "could not be delivered")
    return code


def show(result: Result, session: Session) -> None:
    """Print a result on stdout in the format asked for."""
    terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if terminal else None
    emit(result, session.format(), sys.stdout, color=terminal and session.color(), terminal=terminal, width=width)


def _usage(error: Exception, session: Session) -> NhictlError | None:
    """The parser's own complaints, as errors of ours; recognised by shape, since the parser is vendored by typer."""
    if not (hasattr(error, "exit_code") and hasattr(error, "format_message")):
        return None
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "nhictl"
    if type(error).__name__ == "NoArgsIsHelpError":
        if not session.json_errors():
            print(context.get_help(), file=sys.stderr)
        return InputError("a command is missing", code="usage", hint=f"{path} --help")
    if type(error).__name__ == "NoSuchOption":  # its text differs between the parser's versions
        known = sorted(str(option) for option in getattr(error, "possibilities", None) or ())
        like = f"did you mean {' or '.join(f'`{option}`' for option in known)}? " if known else ""
        name = getattr(error, "option_name", "?")
        return InputError(f"no such option `{name}`", code="usage", hint=f"{like}{path} --help")
    message = str(error.format_message()).strip().rstrip(".").replace("'", "`")
    return InputError(message[:1].lower() + message[1:], code="usage", hint=f"{path} --help")


def _fail(error: NhictlError, session: Session) -> int:
    if session.wants_debug():
        _traceback(error)
    report(error, session)
    return error.exit if session.own_failure is None else session.own_failure


def report(error: NhictlError, session: Session, *, warning: bool = False) -> None:
    """Print an error, or a warning, on standard error, as JSON where that was asked for."""
    text = error_json(error, warning=warning) if session.json_errors() else error_text(error, warning=warning)
    with contextlib.suppress(OSError):  # nobody reads standard error: the status still tells
        print(text, file=sys.stderr, flush=True)


def _warn(session: Session) -> None:
    """What was read from, or revoked in, a database that was put back: said on standard error, beside the answer."""
    house = session.opened()
    if house is None or not house.unheeded():
        return
    from nhictl.ops.high_water import warning

    if (found := warning(house)) is not None:
        report(found, session, warning=True)


def _bug(error: Exception, session: Session) -> int:
    """Exit 70. Neither message nor values are shown: they might hold a secret; type and place are enough to report it."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno}" if place is not None else "?"
    if session.wants_debug():
        _traceback(error)
        return 70 if session.own_failure is None else session.own_failure
    message = f"internal error: {type(error).__name__} in {where}"
    return _fail(NhictlError(message, hint="run it again with --debug, and report it"), session)


def _traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


def _silence_stdout() -> None:
    """Nobody reads any more: keep the interpreter from complaining about it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
