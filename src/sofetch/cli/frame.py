"""The frame every command stands in: shared options, the shape of its help, and where its output goes.

Owns the options ``-c``, ``--json``, ``-q`` and ``--no-color`` and the sections of a help page. It must not import
anything slow: ``sofetch --help`` passes through here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from sofetch.cli.text import terminal_safe, to_json

if TYPE_CHECKING:
    from sofetch.config import Configured
    from sofetch.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

CONFIG_ENV = {"SOFETCH_CONFIG": "Path of the configuration, where -c is not given."}
OVERRIDE_ENV = {"SOFETCH_<SECTION>_<KEY>": "Overrides one setting; `sofetch settings` lists them all."}
KEY_ENV = {
    "SOFETCH_KEYRING": "The keyring itself, as JSON.",
    "SOFETCH_KEYRING_FILE": "Path of the keyring file, mode 0600.",
    "SOFETCH_KEYS_SECRET": "AWS secret that holds the keyring.",
    "SOFETCH_REVERSIBLE_KEYRING, …_FILE": "The keyring for what can be reversed, if it is another.",
}
QUEUE_ENV = {
    "SOFETCH_SOURCE_QUEUE": "Queue name or URL; overrides [source] queue.",
    "SOFETCH_SOURCE_ENDPOINT": "Endpoint of an SQS server other than AWS.",
    "AWS_PROFILE, AWS_REGION, …": "Credentials and region, as for every AWS tool.",
}
SINK_ENV = {"SOFETCH_SINK_DSN": "Postgres connection string; may hold the password."}
VAULT_ENV = {"SOFETCH_VAULT_DSN": "Connection string of the vault's database; may hold the password."}
COLOR_ENV = {"NO_COLOR": "Set to anything: no colour."}


@dataclass(slots=True)
class Frame:
    """What the shared options said. One for each call of the command line; the root makes it."""

    config: str | None = None
    pipeline: str | None = None
    json: bool = False
    quiet: bool = False

    def settings(self) -> Settings:
        """The configuration of the one pipeline that is meant, read and checked. Raises ConfigError."""
        from sofetch.config import load_config

        return load_config(self.config, environ=os.environ, pipeline=self.pipeline)

    def pipelines(self, names: Sequence[str] = ()) -> Configured:
        """All pipelines of the configuration, or those of these names and of --pipeline. Raises ConfigError."""
        from sofetch.config import Configured, load_pipelines

        found = load_pipelines(self.config, environ=os.environ)
        chosen = [*names, *([self.pipeline] if self.pipeline is not None else [])]
        return Configured(found.named(chosen), found.several)

    def say(self, text: str = "") -> None:
        """One line for people, to stdout. Nothing with --json, whose stdout is JSON alone."""
        if not self.json:
            click.echo(text)

    def data(self, value: object) -> None:
        """One JSON document to stdout: indented for a reader, on one line for a program."""
        click.echo(to_json(value, indent=sys.stdout.isatty()))

    def note(self, text: str) -> None:
        """One line beside the result, to stderr; silenced by -q."""
        if not self.quiet:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """One line that must be seen, to stderr, -q or not."""
        if self.json:
            click.echo(json.dumps({"warning": text}), err=True)
        else:
            click.echo(f"{click.style('warning:', fg='yellow', bold=True)} {terminal_safe(text)}", err=True)


class Documented(click.Command):
    """A command whose help ends with an example and the environment variables it reads."""

    def __init__(
        self, *args: Any, example: str = "", environment: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.example = example
        self.environment = dict(environment or {}) | COLOR_ENV

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The two sections after the options."""
        write_example(formatter, self.example)
        with formatter.section("Environment"):
            formatter.write_dl(list(self.environment.items()))
        super().format_epilog(ctx, formatter)


class DocumentedGroup(Documented, click.Group):
    """The same for a group of commands."""


def write_example(formatter: click.HelpFormatter, example: str) -> None:
    """The section ``Example``: lines as they are, so that they can be copied."""
    with formatter.section("Example"):
        for line in example.strip().splitlines():
            formatter.write(f"{' ' * formatter.current_indent}{line}\n")


def command(
    name: str, *, example: str, environment: Sequence[Mapping[str, str]] = (), config: bool = True, as_json: bool = True
) -> Callable[[Callable[..., Any]], Documented]:
    """Declare a command of the frame: its shared options, example and environment. It is given the Frame first.

    ``config`` and ``as_json`` say whether the command has a use for -c and --json.
    """

    def declare(function: Callable[..., Any]) -> Documented:
        known = _environment(environment, config=config)
        made = click.command(name, cls=Documented, example=example, environment=known)(click.pass_obj(function))
        own = list(made.params)
        shared_options(config=config, as_json=as_json)(made)
        made.params = own + made.params[len(own) :]
        return made

    return declare


def group(
    name: str, *, example: str, environment: Sequence[Mapping[str, str]] = (), config: bool = True
) -> Callable[[Callable[[], None]], DocumentedGroup]:
    """Declare a group of commands in the same frame."""

    def declare(function: Callable[[], None]) -> DocumentedGroup:
        known = _environment(environment, config=config)
        make = click.group(name, cls=DocumentedGroup, example=example, environment=known)
        return make(shared_options(config=config)(function))

    return declare


def command_with_members(
    name: str, *, example: str, environment: Sequence[Mapping[str, str]] = ()
) -> Callable[[Callable[..., Any]], DocumentedGroup]:
    """Declare a command that does something by itself and has members too. It is given the Frame first.

    Its own options are not its members': given before one, they are a usage error and not ignored.
    """

    def declare(function: Callable[..., Any]) -> DocumentedGroup:
        known = _environment(environment, config=True)
        make = click.group(name, cls=DocumentedGroup, example=example, environment=known, invoke_without_command=True)
        made = make(click.pass_context(_unless_member(function)))
        shared_options()(made)
        return made

    return declare


def _unless_member(function: Callable[..., Any]) -> Callable[..., None]:
    """The function itself where no member is called; else nothing, but for options that would be lost."""

    @wraps(function)
    def run(ctx: click.Context, **options: Any) -> None:
        if ctx.invoked_subcommand is None:
            function(ctx.obj, **options)
            return
        for parameter in ctx.command.params:
            if ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE and parameter.expose_value:
                what = f"{parameter.opts[0]} says nothing to `{ctx.command_path} {ctx.invoked_subcommand}`"
                raise click.UsageError(what, ctx)

    return run


def shared_options(*, config: bool = True, as_json: bool = True) -> Callable[[F], F]:
    """The options of the frame. They may stand before or after the subcommand; after it wins."""
    options = []
    if config:
        options += [_CONFIG_OPTION, _PIPELINE_OPTION]
    if as_json:
        options.append(_JSON_OPTION)
    options += [_QUIET_OPTION, _NO_COLOR_OPTION]

    def add(target: F) -> F:
        # A command lists options as they are added, a function (that becomes one) the other way round.
        for option in options if isinstance(target, click.Command) else reversed(options):
            option(target)
        return target

    return add


def _environment(parts: Sequence[Mapping[str, str]], *, config: bool) -> dict[str, str]:
    known: dict[str, str] = {}
    for part in (CONFIG_ENV if config else {}, *parts):
        known |= part
    return known


def _keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(Frame), attribute, value)

    return callback


def _no_color(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Frame)
    if value:
        os.environ["NO_COLOR"] = "1"  # for what writes past click: the log and the live line
    if os.environ.get("NO_COLOR"):
        ctx.color = False


_CONFIG_OPTION = click.option(
    "-c",
    "--config",
    type=click.Path(),
    metavar="FILE",
    expose_value=False,
    callback=_keep("config"),
    help="Configuration, or a directory of them. Default: $SOFETCH_CONFIG, else ./sofetch.toml.",
)
_PIPELINE_OPTION = click.option(
    "--pipeline",
    metavar="NAME",
    expose_value=False,
    callback=_keep("pipeline"),
    help="Which pipeline, where the configuration holds several.",
)
_JSON_OPTION = click.option(
    "--json", is_flag=True, expose_value=False, callback=_keep("json"), help="Print JSON; errors too."
)
_QUIET_OPTION = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_keep("quiet"),
    help="Results only: no hints, no progress.",
)
_NO_COLOR_OPTION = click.option("--no-color", is_flag=True, expose_value=False, callback=_no_color, help="No colour.")
