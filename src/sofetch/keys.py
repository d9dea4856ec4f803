"""Where the keyring comes from: the environment or a file that nobody else can read.

Owns finding, guarding and creating the keyring file. It must not understand keys (``sofetch.mask.keyring`` does), and
it invents none: no key, no start. Error texts name variables and paths, never content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sofetch.errors import KeyringError
from sofetch.mask.keyring import Keyring, new_keyring_text, parse_keyring
from sofetch.settings import KeysSettings

KEYRING_VARIABLE: Final = "SOFETCH_KEYRING"
FILE_VARIABLE: Final = "SOFETCH_KEYRING_FILE"
MAX_KEYRING_BYTES: Final = 1_048_576

NO_KEY_HINT: Final = (
    f"make one with `sofetch keys new -o FILE` and name it in {FILE_VARIABLE} or in [keys] file, "
    f"or put its JSON in {KEYRING_VARIABLE}"
)


def load_keyring(keys: KeysSettings, *, environ: Mapping[str, str]) -> Keyring:
    """The keyring of SOFETCH_KEYRING (its JSON), else of the file in SOFETCH_KEYRING_FILE, else of ``[keys] file``.

    Raises KeyringError: none named, both variables set, or a keyring or file that is not fit for use.
    """
    inline, named = environ.get(KEYRING_VARIABLE), environ.get(FILE_VARIABLE)
    if inline and named:
        raise KeyringError(f"both {KEYRING_VARIABLE} and {FILE_VARIABLE} are set", hint="unset one of them")
    if inline:
        del inline  # parse_keyring drops its own, so that no frame of a traceback holds the text
        return parse_keyring(environ[KEYRING_VARIABLE], where=f"the keyring in {KEYRING_VARIABLE}")
    path = named or keys.file
    if not path:
        raise KeyringError("there is no key: nothing names a keyring", hint=NO_KEY_HINT)
    return load_keyring_file(path)


def load_keyring_file(path: str | os.PathLike[str]) -> Keyring:
    """The keyring in a file of mode 0600 or stricter that this user or root owns; a link is judged by its target.

    Raises KeyringError if the file is missing, unreadable, open to others, or not a keyring.
    """
    place = Path(path).expanduser()
    return parse_keyring(_read_guarded(place), where=f"keyring file {place}")


def write_new_keyring(path: str | os.PathLike[str], *, kid: str = "k1") -> None:
    """Write a keyring with one new primary key to a new file of mode 0600. An existing file is never touched.

    Raises KeyringError if there is a file already, or it cannot be written.
    """
    place = Path(path).expanduser()
    data = new_keyring_text(kid).encode()
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyringError(
            f"{place} exists already and is left as it is", hint="a lost key is lost for good: choose another file"
        ) from None
    except OSError as error:
        raise KeyringError(
            f"{place} cannot be made ({_cause(error)})", hint="choose a folder you can write to"
        ) from None
    try:
        _write_all(descriptor, data)
    except OSError as error:
        place.unlink(missing_ok=True)
        raise KeyringError(f"{place} cannot be written ({_cause(error)})", hint="nothing was left behind") from None


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _read_guarded(place: Path) -> str:
    """Opened first and judged by the descriptor, so that what is judged is what is read."""
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer for ever.
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyringError(f"keyring file {place} cannot be opened ({_cause(error)})", hint=NO_KEY_HINT) from None
    try:
        _refuse_unguarded(os.fstat(descriptor), place)
        return _decoded(_read_all(descriptor), place)
    except OSError as error:
        raise KeyringError(f"keyring file {place} cannot be read ({_cause(error)})", hint="check the disk") from None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_KEYRING_BYTES + 1)


def _refuse_unguarded(status: os.stat_result, place: Path) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise KeyringError(f"keyring file {place} is not a regular file", hint="name the file itself")
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyringError(
            f"keyring file {place} belongs to user {status.st_uid}, neither to this one ({os.geteuid()}) nor to root",
            hint=f"chown it: whoever owns {place} could put another key there",
        )
    if mode & ~0o600:
        raise KeyringError(
            f"keyring file {place} has mode {mode:04o}; wanted is 0600 or stricter",
            hint=f"chmod 600 {place} (in Kubernetes: defaultMode: 0400 on the secret's volume)",
        )


def _decoded(data: bytes, place: Path) -> str:
    if len(data) > MAX_KEYRING_BYTES:
        raise KeyringError(
            f"keyring file {place} is larger than {MAX_KEYRING_BYTES} bytes", hint="is it the right file?"
        )
    try:
        return data.decode()
    except UnicodeDecodeError:
        del data
    raise KeyringError(f"keyring file {place} is not UTF-8 text", hint="is it the right file?")


def _cause(error: OSError) -> str:
    """The system's own words for the error number: without the path, which the text has already."""
    return os.strerror(error.errno) if error.errno else "unknown error"
