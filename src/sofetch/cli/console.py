"""``sofetch console``: a web page beside the workers, for as long as it runs.

Owns its options and what is said at its start. What it shows is ``sofetch.console``'s.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from sofetch.cli.frame import OVERRIDE_ENV, QUEUE_ENV, SINK_ENV, Frame, command
from sofetch.errors import ConfigError

if TYPE_CHECKING:
    from sofetch.console.opening import Opened

CONSOLE_ENV = {
    "SOFETCH_CONSOLE_TOKEN": "The token to enter with. On loopback one is made where none is given.",
    "SOFETCH_CONSOLE_DSN": "Connection string of a role that may only read. Default: the sink's.",
    "SOFETCH_CONSOLE_WRITE_DSN": "Connection string of a role that may ask for replays and purges.",
}
_NEEDED = ("starlette", "uvicorn", "jinja2")
_KEYS = ("SOFETCH_KEYRING", "SOFETCH_REVERSIBLE_KEYRING")


@command(
    "console",
    example="sofetch console\n"
    "sofetch console --worker http://10.0.0.5:8080 --worker http://10.0.0.6:8080\n"
    "sofetch console --listen 0.0.0.0:8383 --proxy 10.0.0.2 --identity-header X-Forwarded-User",
    environment=(CONSOLE_ENV, SINK_ENV, QUEUE_ENV, OVERRIDE_ENV),
    as_json=False,
)
@click.option("--listen", default="127.0.0.1:8383", show_default=True, metavar="HOST:PORT", help="Where it listens.")
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="URL",
    help="Where a worker, or a supervisor of several, answers /metrics; repeatable. Default: [http] listen.",
)
@click.option("--name", "names", multiple=True, metavar="HOST", help="A name that browsers call it by; repeatable.")
@click.option(
    "--proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="An address or network whose --identity-header is believed; repeatable.",
)
@click.option("--identity-header", metavar="NAME", help="The header in which the proxy says who asks.")
@click.option("--no-queue", is_flag=True, help="Do not ask the queue how many messages wait.")
def console(
    frame: Frame,
    *,
    listen: str,
    workers: tuple[str, ...],
    names: tuple[str, ...],
    proxies: tuple[str, ...],
    identity_header: str | None,
    no_queue: bool,
) -> None:
    """Show what goes on, on a web page: charts, workers, quarantine, duplicates, privacy, configuration.

    It reads the workers' metrics, the database and the queue's counts, and changes nothing. It needs no key, takes none
    out of its environment, and cannot open or show a value. A replay or a purge is asked for here, and carried out by a
    worker that holds the keys.

    On loopback a token is made, and printed as a link that is good once. Elsewhere it listens only with
    SOFETCH_CONSOLE_TOKEN, or behind a proxy that says who asks. It speaks HTTP: TLS is the proxy's. Ends on Ctrl-C.
    """
    require_extra()
    from sofetch.config import load_pipelines
    from sofetch.console.opening import Wanted, opened
    from sofetch.stopping import Stop, stop_on_signals

    for name in _KEYS:
        os.environ.pop(name, None)
    settings, stop = frame.settings(), Stop()
    configured = load_pipelines(frame.config, environ=os.environ).pipelines
    others = [one for one in configured if one.pipeline_name != settings.pipeline_name]
    wanted = Wanted(
        listen=listen,
        workers=workers,
        names=names,
        proxies=proxies,
        identity_header=identity_header,
        with_queue=not no_queue,
    )
    opening = opened(settings, wanted, file=frame.config, environ=os.environ, others=others)
    with stop_on_signals(stop), opening as running:
        tell(running)
        while not stop.wait(3_600):
            pass


def require_extra() -> None:
    """ConfigError where what the page is made with is not installed."""
    if any(find_spec(name) is None for name in _NEEDED):
        raise ConfigError("the console is not installed", hint="pip install 'sofetch[console]'")


def tell(running: Opened) -> None:
    """Where it is, and how to come in. On stderr: the token is for whoever sits here, and no result."""
    click.echo(f"The console listens on {running.url} until Ctrl-C.", err=True)
    if running.link is not None:
        click.echo(f"  open   {running.link}   (good once)", err=True)
        click.echo(f"  token  {running.token}   (for every other browser, until it ends)", err=True)
