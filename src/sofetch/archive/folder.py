"""An archive in a folder: appended frame by frame, each on the disk before it counts.

Owns durability and modes: folders 0700, files 0600. Its errors name the system's words and the archive's folder.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from sofetch.archive.place import Listed
from sofetch.errors import ArchiveRefused, ArchiveUnavailable
from sofetch.findings import Finding

_FOR_A_PERSON: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
)
_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_BYTES: Final = 2**20
"""With less than this a batch of ordinary messages may not find room any more."""
_NEARLY_FULL_BYTES: Final = 64 * 2**20


class Folder:
    """Fills ``Place``."""

    appends = True

    def __init__(self, root: str) -> None:
        self._root = Path(root).expanduser()

    def prepare(self) -> None:
        """Make the folder, and a file in it that is taken away again."""
        with self._told("written"):
            _make_folder(self._root)
            probe = self._root / f".sofetch-{secrets.token_hex(8)}"
            descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.close(descriptor)
            probe.unlink()

    def check(self) -> Finding:
        """Whether the folder, or the nearest one above that is there, can be written to, and has room."""
        there = next((one for one in (self._root, *self._root.absolute().parents) if one.exists()), self._root)
        if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
            free_bytes = shutil.disk_usage(there).free
            if free_bytes < _NEARLY_FULL_BYTES:
                return self._little_room(free_bytes)
            what = "can be written to" if there == self._root else f"is not there yet, and can be made in {there}"
            return Finding(severity="ok", code="archive_writable", where=f"archive {self._root}", what=what)
        return Finding(
            severity="error",
            code="archive_refused",
            where=f"archive {self._root}",
            what=f"{there} cannot be written to by this user",
            hint="make the folder, and give it to the user that runs the worker",
        )

    def _little_room(self, free_bytes: int) -> Finding:
        return Finding(
            severity="error" if free_bytes < _FULL_BYTES else "warning",
            code="archive_room",
            where=f"archive {self._root}",
            what=f"{free_bytes // 1024:,} KiB are free on its disk; once it is full nothing is loaded",
            hint="make room: a larger disk, or `sofetch archive expire`",
        )

    def create(self, name: str) -> Appending:
        """Begin a file, durably named."""
        path = self._root / name
        with self._told("written"):
            _make_folder(path.parent)
            return Appending(path, self)

    def put(self, name: str, content: bytes) -> None:
        """By a file beside it that takes its name."""
        path = self._root / name
        made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with self._told("written"):
                _make_folder(path.parent)
                descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                made.replace(path)
                _sync(path.parent)
        except BaseException:
            with suppress(OSError):
                made.unlink()
            raise

    def names(self, prefix: str) -> Iterator[Listed]:
        """Walk the part of the tree that the prefix names."""
        with self._told("read"):
            names = sorted(self._walk(prefix))
        for name in names:
            with suppress(FileNotFoundError):  # deleted meanwhile
                yield Listed(name, (self._root / name).stat().st_size)

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The file; what is raised in the ``with`` is told as it is."""
        with self._told("read"):
            stream = (self._root / name).open("rb")
        with stream:
            yield stream

    def remove(self, names: Sequence[str]) -> None:
        """Delete the files, and folders that are empty then."""
        with self._told("written"):
            for name in names:
                (self._root / name).unlink(missing_ok=True)
            for folder in sorted({(self._root / name).parent for name in names}):
                self._prune(folder)

    def close(self) -> None:
        """There is nothing to give back."""

    def error(self, error: OSError, *, doing: str) -> ArchiveUnavailable | ArchiveRefused:
        """The project's error for the system's. ``doing`` completes «cannot be …»."""
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        what = f"the archive {self._root} cannot be {doing}: {why}"
        if error.errno in _FOR_A_PERSON:
            return ArchiveRefused(what, hint="give the folder to the user that runs this, mode 0700")
        if error.errno in _ROOM:
            hint = "make room: `sofetch archive expire` deletes old hours; what is held is archived then"
            return ArchiveUnavailable(what, hint=hint)
        return ArchiveUnavailable(what, hint="it may pass; if it does not, look at the disk and the mount")

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.error(error, doing=doing) from None

    def _walk(self, prefix: str) -> Iterator[str]:
        top = self._root / prefix
        for folder, _, files in os.walk(top):
            for file in files:
                if not file.startswith("."):
                    yield (Path(folder) / file).relative_to(self._root).as_posix()

    def _prune(self, folder: Path) -> None:
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # there is something in it
                return
            folder = folder.parent


class Appending:
    """Fills ``NewFile``: on the disk with each ``append``."""

    def __init__(self, path: Path, folder: Folder) -> None:
        self._path = path
        self._folder = folder
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor: int | None = os.open(path, flags, 0o600)
        self._good_bytes = 0
        try:
            _sync(path.parent)
        except OSError:
            self.abandon()
            raise

    def append(self, data: bytes) -> None:
        """Write and wait for the disk. After a failure the file keeps what was whole before."""
        try:
            self._write(data)
        except OSError as error:
            self.abandon()
            raise self._folder.error(error, doing="written") from None

    def close(self) -> None:
        """Everything is on the disk already."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):  # the data was synced; a close has nothing to add
                os.close(descriptor)

    def abandon(self) -> None:
        """Cut it back to what was whole; take it away if nothing was."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(descriptor, self._good_bytes)
        with suppress(OSError):
            os.close(descriptor)
        if not self._good_bytes:
            with suppress(OSError):
                self._path.unlink()

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            raise OSError(errno.EBADF, "closed")
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)
        self._good_bytes += len(data)


def _make_folder(folder: Path) -> None:
    """With everything above it, each durably named in its own."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)
        _sync(one.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
