"""The keyring file and other files that nobody else can read: guarded when they are read, whole when they are written.

Owns mode, owner and durability. Error texts name paths, never content; ``called`` says what such a file is to people.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from sofetch.errors import KeyringError, told_path
from sofetch.keys.places import NO_FILE_HINT
from sofetch.mask.keyring import Keyring, Unwrap, new_keyring_text, parse_keyring

MAX_KEYRING_BYTES: Final = 1_048_576
KEYRING_FILE: Final = "keyring file"


def load_keyring_file(path: str | os.PathLike[str], *, unwrap: Unwrap | None = None) -> Keyring:
    """The keyring in a file of mode 0600 or stricter that this user or root owns; a link is judged by its target.

    Raises KeyringError if the file is missing, unreadable, open to others, or not a keyring.
    """
    place = Path(path).expanduser()
    return parse_keyring(read_keyring_file(place), where=f"keyring file {place}", unwrap=unwrap)


def write_new_keyring(path: str | os.PathLike[str], *, kid: str = "k1") -> None:
    """Write a keyring with one new primary key to a new file of mode 0600. An existing file is never touched.

    Raises KeyringError if there is a file already, or it cannot be written.
    """
    create_keyring_file(Path(path).expanduser(), new_keyring_text(kid))


def create_keyring_file(place: Path, text: str, *, keep: str = "a lost key is lost for good") -> None:
    """Write a new file of mode 0600. An existing file is never touched. Raises KeyringError."""
    try:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyringError(
            f"{place} exists already and is left as it is", hint=f"{keep}: choose another file"
        ) from None
    except OSError as error:
        raise KeyringError(
            f"{told_path(place)} cannot be made ({_cause(error)})", hint="choose a folder you can write to"
        ) from None
    try:
        _write_all(descriptor, text.encode())
    except OSError as error:
        place.unlink(missing_ok=True)
        raise KeyringError(f"{place} cannot be written ({_cause(error)})", hint="nothing was left behind") from None


def replace_keyring_file(path: str | os.PathLike[str], text: str, *, called: str = KEYRING_FILE) -> None:
    """Put another content in the place of the one in this file, whole or not at all; the mode is 0600.

    A link stays, its target is replaced. Raises KeyringError, and then the file is as it was.
    """
    place = Path(path).expanduser().resolve()
    made: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)  # 0600 from the start
        made = Path(name)
        _keep_owner(descriptor, place)
        _write_all(descriptor, text.encode())
        made.replace(place)
        _sync_folder(place.parent)
    except OSError as error:
        if made is not None:
            made.unlink(missing_ok=True)
        raise KeyringError(
            f"{called} {place} cannot be replaced ({_cause(error)})", hint="it is as it was before"
        ) from None


def _keep_owner(descriptor: int, place: Path) -> None:
    """Root that changes the service's keyring leaves it the service's."""
    if os.geteuid() == 0:
        owner = place.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_keyring_file(place: Path, *, called: str = KEYRING_FILE, hint: str = NO_FILE_HINT) -> str:
    """Opened first and judged by the descriptor, so that what is judged is what is read."""
    try:
        # Without O_NONBLOCK a named pipe would wait for a writer for ever.
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KeyringError(f"{called} {told_path(place)} cannot be opened ({_cause(error)})", hint=hint) from None
    try:
        _refuse_unguarded(os.fstat(descriptor), place, called)
        return _decoded(_read_all(descriptor), place, called)
    except OSError as error:
        raise KeyringError(f"{called} {place} cannot be read ({_cause(error)})", hint="check the disk") from None
    finally:
        os.close(descriptor)


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_KEYRING_BYTES + 1)


def _refuse_unguarded(status: os.stat_result, place: Path, called: str) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        raise KeyringError(f"{called} {place} is not a regular file", hint="name the file itself")
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyringError(
            f"{called} {place} belongs to user {status.st_uid}, neither to this one ({os.geteuid()}) nor to root",
            hint=f"chown it: whoever owns {place} could put another key there",
        )
    if mode & ~0o600:
        raise KeyringError(
            f"{called} {place} has mode {mode:04o}; wanted is 0600 or stricter",
            hint=f"chmod 600 {place} (in Kubernetes: defaultMode: 0400 on the secret's volume)",
        )


def _decoded(data: bytes, place: Path, called: str) -> str:
    if len(data) > MAX_KEYRING_BYTES:
        raise KeyringError(f"{called} {place} is larger than {MAX_KEYRING_BYTES} bytes", hint="is it the right file?")
    try:
        return data.decode()
    except UnicodeDecodeError:
        del data
    raise KeyringError(f"{called} {place} is not UTF-8 text", hint="is it the right file?")


def _cause(error: OSError) -> str:
    """The system's own words for the error number: without the path, which the text has already."""
    return os.strerror(error.errno) if error.errno else "unknown error"
