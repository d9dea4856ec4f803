"""``sofetch recover``: the values behind tokens, for those who may see them, with an audit row before anything shows.

Owns what is asked and told. Values go to standard output and nowhere else. What may be done, and in which order, is
``sofetch.governance``'s.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sofetch.cli.asked import PURPOSE_ENV, asked_by, now, purpose_options, read_file
from sofetch.cli.frame import KEY_ENV, OVERRIDE_ENV, SINK_ENV, Frame, command
from sofetch.cli.governed import means_of_recovery
from sofetch.cli.text import count, shown, table, terminal_safe
from sofetch.errors import ConfigError, ExitCode, NotApproved

if TYPE_CHECKING:
    from sofetch.governance.audit import AuditRow
    from sofetch.governance.recovery import Answer, Asked
    from sofetch.governance.request import Purpose, Request
    from sofetch.settings import Settings

_RECOVERY_ENV = {
    "SOFETCH_VAULT_DSN": "The vault's connection string; may hold the password.",
    "SOFETCH_RECOVERY_KEY_FILE": "The recovery key's private half, where --recovery-key is not given.",
}
_MOST_TOKENS = 10_000
_TOKENS_SHOWN = 20
"""Of a request that is to be signed: what is signed must have been seen."""
_MAX_LIST_BYTES = 16_777_216
_EXAMPLE = """\
sofetch recover --recovery-key recovery.pem --actor ana --purpose fraud --ticket F-8 h1.k1.…
sofetch recover --file tokens.txt --actor ana --purpose access --ticket DS-17 --json
sofetch recover --prepare request.json --actor ana --purpose fraud --ticket F-8 h1.k1.…
sofetch recover --approve request.json --key approver.pem
sofetch recover --request request.json --recovery-key recovery.pem
"""


@command("recover", example=_EXAMPLE, environment=(SINK_ENV, _RECOVERY_ENV, KEY_ENV, PURPOSE_ENV, OVERRIDE_ENV))
@click.argument("tokens", nargs=-1, metavar="[TOKEN…]")
@click.option("--file", "list_file", metavar="FILE|-", help="Tokens, one a line, from a file or standard input.")
@purpose_options(required=False)
@click.option("--column", metavar="COLUMN", help="The column that the tokens came from; needed for some addresses.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST_TOKENS),
    default=100,
    show_default=True,
    metavar="N",
    help="Refuse more tokens than this.",
)
@click.option(
    "--recovery-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="SOFETCH_RECOVERY_KEY_FILE",
    help="The recovery key's private half, mode 0600; needed for tokens whose values are in the vault.",
)
@click.option("--prepare", type=click.Path(path_type=Path), metavar="FILE", help="Write a request; show nothing.")
@click.option("--approve", type=click.Path(path_type=Path), metavar="FILE", help="Sign a request with --key.")
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The approver's private key, mode 0600.")
@click.option("--request", type=click.Path(path_type=Path), metavar="FILE", help="Run a request that was prepared.")
def recover(
    frame: Frame,
    *,
    tokens: tuple[str, ...],
    list_file: str | None,
    actor: str | None,
    purpose: str | None,
    ticket: str | None,
    column: str | None,
    limit: int,
    recovery_key: Path | None,
    prepare: Path | None,
    approve: Path | None,
    key: Path | None,
    request: Path | None,
) -> None:
    """Show the values behind tokens, once an audit row says who asked, why, and on which ticket.

    Tokens of the vault (h1) need the recovery key's private half, the others (r1, encrypted addresses) the reversible
    keyring. If the audit row cannot be written, nothing is shown. What is shown is personal data: it goes to standard
    output alone. Exit code 5 if some token was not recovered.

    Where [recovery] approvals asks for others' approval, --prepare writes a request, each approver reads it and signs
    it with --approve, and --request runs it: once, and before it ends. An encrypted address carries no proof: under a
    wrong key it opens to a wrong address. So does a value of mask fpe, whose column --column must name.
    """
    _refuse_mixed(
        prepare=prepare,
        approve=approve,
        request=request,
        given=bool(tokens or list_file or purpose or ticket or column),
        key=key,
    )
    settings = frame.settings()
    if approve is not None:
        _approve(frame, settings, approve, key)
        return
    if request is not None:
        _show(frame, settings, _approved(settings, request, limit=limit), recovery_key)
        return
    by = asked_by(actor=actor, purpose=purpose, ticket=ticket)
    wanted = _wanted(tokens, list_file, limit=limit)
    if prepare is not None:
        _prepare(frame, settings, prepare, by=by, tokens=wanted, column=column)
        return
    _require_no_approval(settings)
    from sofetch.governance.recovery import Asked

    _show(frame, settings, Asked(by=by, tokens=wanted, column=column), recovery_key)


def _refuse_mixed(
    *, prepare: Path | None, approve: Path | None, request: Path | None, given: bool, key: Path | None
) -> None:
    if sum(path is not None for path in (prepare, approve, request)) > 1:
        raise click.UsageError("--prepare, --approve and --request are three steps: give one of them")
    if given and (approve or request):
        raise click.UsageError("the request says already which tokens, what for, and on which ticket")
    if (key is None) != (approve is None):
        raise click.UsageError("--approve and --key go together")


def _wanted(tokens: Sequence[str], list_file: str | None, *, limit: int) -> list[str]:
    """The tokens, each once, in order."""
    if tokens and list_file is not None:
        raise click.UsageError("give TOKENs or --file, not both")
    lines = read_file(list_file, most_bytes=_MAX_LIST_BYTES).splitlines() if list_file is not None else tokens
    wanted = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not wanted:
        raise click.UsageError("there is no token: give some, or name a list with --file")
    _require_few(wanted, limit)
    return wanted


def _require_few(tokens: Sequence[str], limit: int) -> None:
    if len(tokens) > limit:
        hint = "ask for fewer, or raise --limit if so many are to be seen by a person"
        raise ConfigError(f"{len(tokens):,} tokens are more than the limit of {limit:,}", hint=hint)


def _require_no_approval(settings: Settings) -> None:
    if settings.recovery.approvals:
        raise NotApproved(
            f"a recovery needs {count(settings.recovery.approvals, 'approval')} by others here",
            hint="write a request with --prepare FILE, have it signed with --approve, run it with --request",
        )


def _prepare(
    frame: Frame, settings: Settings, path: Path, *, by: Purpose, tokens: Sequence[str], column: str | None
) -> None:
    from sofetch.governance.request import RequestFile, new_request, render_request

    hours = settings.recovery.request_hours
    made = new_request(by, pipeline=settings.pipeline_name, tokens=tokens, column=column, now=now(), hours=hours)
    _write_private(path, render_request(RequestFile(request=made)))
    if frame.json:
        frame.data({"request": made.id, "file": str(path), "tokens": len(tokens), "expires_at": made.expires_at})
        return
    frame.say(f"wrote {path}: a request for {count(len(tokens), 'token')}, good until {shown(made.expires_at)}")
    frame.note(f"  → an approver reads it and signs it: sofetch recover --approve {path} --key approver.pem")


def _approve(frame: Frame, settings: Settings, path: Path, key: Path | None) -> None:
    from sofetch.governance.request import approve, approvers_of, parse_request, render_request

    file = parse_request(_read_request(path))
    for line in _described(file.request):
        frame.say(line)
    signed = approve(file, private_pem=_approver_key(key), settings=settings.recovery, now=now())
    _replace(path, render_request(signed))
    names = approvers_of(signed, settings=settings.recovery)
    if frame.json:
        frame.data({"request": signed.request.id, "approvers": names, "needed": settings.recovery.approvals})
        return
    frame.say(f"approved by {terminal_safe(', '.join(names))}: {len(names)} of {settings.recovery.approvals}")


def _approver_key(key: Path | None) -> bytes:
    from sofetch.governance.request import MAKE_KEY
    from sofetch.keys.files import read_keyring_file

    return read_keyring_file(Path(key or "").expanduser(), called="approver's key", hint=MAKE_KEY).encode()


def _described(request: Request) -> list[str]:
    return [
        f"{terminal_safe(request.actor)} asks for {count(len(request.tokens), 'token')}, until "
        f"{shown(request.expires_at)}",
        f"purpose: {terminal_safe(request.purpose)}, ticket {terminal_safe(request.ticket)}",
        *(f"  {terminal_safe(token)}" for token in request.tokens[:_TOKENS_SHOWN]),
        *([f"  … and {more:,} more, in the file"] if (more := len(request.tokens) - _TOKENS_SHOWN) > 0 else []),
    ]


def _approved(settings: Settings, path: Path, *, limit: int) -> Asked:
    from sofetch.governance.recovery import Asked
    from sofetch.governance.request import parse_request, require_approved

    file = parse_request(_read_request(path))
    names = require_approved(file, pipeline=settings.pipeline_name, settings=settings.recovery, now=now())
    request = file.request
    _require_few(request.tokens, limit)
    return Asked(by=request.by, tokens=request.tokens, column=request.column, request=request.id, approvers=names)


def _show(frame: Frame, settings: Settings, asked: Asked, key: Path | None) -> None:
    from sofetch.governance.recovery import recover

    if _others_can_read_output():
        frame.warn("standard output is a file that others can read: chmod 600 it, or set umask 077 first")
    with means_of_recovery(settings, asked.tokens, column=asked.column, key=key, environ=os.environ) as means:
        row, answers = recover(asked, means)
    if frame.json:
        frame.data({"audit": _audit_of(row), "answers": [_as_json(answer) for answer in answers]})
    else:
        _say(frame, row, answers)
    _warn_of_doubts(frame, answers)
    if any(answer.outcome != "recovered" or answer.foreign for answer in answers):
        raise SystemExit(ExitCode.FINDINGS)


def _say(frame: Frame, row: AuditRow, answers: Sequence[Answer]) -> None:
    from sofetch.governance.recovery import MEANING

    tally = Counter(answer.outcome for answer in answers)
    frame.note(f"audit row {row.seq} says that {terminal_safe(row.actor)} was shown this; head {row.head}")
    if tally["recovered"]:
        frame.warn("what follows is personal data: keep it no longer than the purpose needs")
    told = ((answer.token, value) for answer in answers for value in _values(answer, MEANING[answer.outcome]))
    for line in table(["token", "value"], told):
        frame.say(line)


def _others_can_read_output() -> bool:
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):  # no file: a test's, or closed
        return False
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o077)


def _warn_of_doubts(frame: Frame, answers: Sequence[Answer]) -> None:
    """Values that may not be, or are not, those of the tokens they lay behind."""
    unchecked = sum(answer.unchecked for answer in answers)
    foreign = sum(answer.foreign for answer in answers)
    if unchecked:
        frame.warn(f"{count(unchecked, 'answer')} not checked against the token: the keyring lacks its key")
    if foreign:
        what = "lay behind a token that is not made of it: somebody wrote in the vault; not shown"
        frame.warn(f"{count(foreign, 'value')} {what}")


def _values(answer: Answer, meaning: str) -> Iterable[str]:
    return answer.values or [click.style(f"({meaning})", dim=True) if sys.stdout.isatty() else f"({meaning})"]


def _as_json(answer: Answer) -> dict[str, object]:
    told = {"token": answer.token, "outcome": answer.outcome, "values": list(answer.values)}
    return told | {"unchecked": answer.unchecked, "foreign": answer.foreign}


def _audit_of(row: AuditRow) -> dict[str, object]:
    return {"seq": row.seq, "digest": row.digest.hex(), "at": row.at}


def _read_request(path: Path) -> bytes:
    from sofetch.governance.request import MAX_FILE_BYTES

    return read_file(str(path), most_bytes=MAX_FILE_BYTES).encode()


def _write_private(path: Path, content: bytes) -> None:
    from sofetch.keys.files import create_keyring_file

    create_keyring_file(path.expanduser(), content.decode(), keep="it may be a request that others have signed")


def _replace(path: Path, content: bytes) -> None:
    from sofetch.keys.files import replace_keyring_file

    replace_keyring_file(path, content.decode(), called="request")
