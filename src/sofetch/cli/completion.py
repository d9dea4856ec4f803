"""``sofetch completion``: prints a shell's completion script, puts it where that shell looks, and takes it away again.

Owns one file for each shell, in the user's own folders. It must not edit a shell's start-up file: where a line is
needed there, it is told. A file of that name that is not ours is neither overwritten nor removed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from sofetch.cli.frame import Frame, command, group

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_SOFETCH_COMPLETE"  # in each of our scripts, so that they can be told from others
_SHELL_ENV = {"SHELL": "Your shell, where none is named.", "XDG_DATA_HOME, XDG_CONFIG_HOME": "Where the file goes."}


@group("completion", example="sofetch completion install\nsofetch completion bash", config=False)
def completion() -> None:
    """Install the completion of commands and options for bash, zsh or fish, or print its script."""


@command(
    "install",
    example="sofetch completion install\nsofetch completion install zsh",
    environment=[_SHELL_ENV],
    config=False,
)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def install(frame: Frame, shell: str | None) -> None:
    """Put the completion script where the SHELL looks for it. Default: the shell of $SHELL.

    Doing it again changes nothing, or renews the script after an upgrade. No start-up file is edited: if yours needs a
    line, it is printed.
    """
    shell = shell or shell_of(os.environ)
    path = place(shell, os.environ)
    before = _ours(path)
    text = script(shell) + "\n"
    if before != text:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"cannot write {path}: {error.strerror}") from error
    done = "unchanged" if before == text else "installed" if before is None else "renewed"
    if frame.json:
        frame.data({"shell": shell, "path": str(path), "done": done, "line": line(shell, path)})
    else:
        frame.say(f"{done}: {path}")
        frame.note(line(shell, path))
        frame.note("A new shell completes.")


@command("uninstall", example="sofetch completion uninstall bash", environment=[_SHELL_ENV], config=False)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def uninstall(frame: Frame, shell: str | None) -> None:
    """Remove the script that `sofetch completion install` wrote. Default: for the shell of $SHELL."""
    shell = shell or shell_of(os.environ)
    path = place(shell, os.environ)
    there = _ours(path) is not None
    if there:
        try:
            path.unlink()
        except OSError as error:
            raise click.UsageError(f"cannot remove {path}: {error.strerror}") from error
    if frame.json:
        frame.data({"shell": shell, "path": str(path), "done": "removed" if there else "absent"})
    else:
        frame.say(f"removed: {path}" if there else f"not there: {path}")


def shell_of(environ: Mapping[str, str]) -> str:
    """The shell that $SHELL names. Raises UsageError if it is none of ours."""
    name = Path(environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise click.UsageError(f"cannot tell your shell from $SHELL ({name or 'not set'}): name bash, zsh or fish")
    return name


def place(shell: str, environ: Mapping[str, str]) -> Path:
    """Where the script of a shell goes, as each shell's manual has it."""
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    if shell == "bash":
        return Path(environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion") / "completions/sofetch"
    if shell == "zsh":
        return data / "zsh/site-functions/_sofetch"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish/completions/sofetch.fish"


def line(shell: str, path: Path) -> str:
    """What else the shell may need, for the user to decide."""
    if shell == "bash":
        return f"The package bash-completion finds it. Without that package, add to ~/.bashrc:  source '{path}'"
    if shell == "zsh":
        return f"Add to ~/.zshrc, before compinit:  fpath=('{path.parent}' $fpath)"
    return "fish finds it by itself."


def script(shell: str) -> str:
    """The completion script of a shell, as click makes it."""
    from click.shell_completion import get_completion_class

    from sofetch.cli.root import root

    generator = get_completion_class(shell)
    if generator is None:  # pragma: no cover - SHELLS names click's own
        raise click.UsageError(f"no completion for {shell}")
    return generator(root, {}, "sofetch", _VARIABLE).source()


def _ours(path: Path) -> str | None:
    """The text of our script there, None if there is no file. Raises UsageError if the file is another's."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"cannot read {path}: {type(error).__name__}") from error
    if _VARIABLE not in text:
        raise click.UsageError(f"{path} is not a script of sofetch: move it away first")
    return text


def _printer(shell: str) -> click.Command:
    @command(shell, example=f"sofetch completion {shell} > sofetch.{shell}", config=False, as_json=False)
    def show(_frame: Frame) -> None:
        click.echo(script(shell))

    show.help = f"Print the completion script of {shell}, to be evaluated by it."
    return show


for _shell in SHELLS:
    completion.add_command(_printer(_shell))
completion.add_command(install)
completion.add_command(uninstall)
