"""Durable files: an instance has its final name only once it is whole and on the disk.

    <root>/<study>/<series>/<instance>.dcm             what is in use
    <root>/<study>/<series>/<instance>.<digest>.dcm    other bytes that came under the same UID
    <root>/incoming/                                   on the way in; emptied at every start
    <root>/quarantine/<date>-<random>.dcm, .json       not accepted, and why

Folders are named by UIDs that ``node.identifiers`` has checked: ``incoming`` and ``quarantine`` are none.
"""

import errno
import filecmp
import hashlib
import json
import os
import secrets
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from node.identifiers import Identifiers, is_uid

# Never to change, nor to carry a version: the same instance sent twice has to give the same bytes.
IMPLEMENTATION_CLASS_UID = "2.25.289012704338862107458911640386498129163"
IMPLEMENTATION_VERSION_NAME = "COXA"

_FOLDERS_REMEMBERED = 10_000


@dataclass(frozen=True)
class Kept:
    """Where an instance lies.

    Attributes:
        path: relative to the spool's root.
        is_conflict: other bytes came under this UID before, and keep their name.
    """

    path: str
    is_conflict: bool


class IncomingFile:
    """A data set on its way in. Whatever has not been kept when its block ends is gone.

    Args:
        folder: on the file system of the final place.
        header: preamble and file meta information.
        min_free_bytes: what has to stay free on the disk.

    Raises:
        OSError: the disk is, or would be, too full; or it fails.
    """

    def __init__(self, folder: Path, header: bytes, min_free_bytes: int) -> None:
        self.path = folder / secrets.token_hex(16)
        self.data_set_offset = len(header)
        self._min_free_bytes = min_free_bytes
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            self.write(header)
        except OSError:
            self.discard()
            raise

    def write(self, data: bytes | memoryview) -> None:
        """Appends.

        Raises:
            OSError: ENOSPC already before the disk is full.
        """
        disk = os.fstatvfs(self._file)
        if disk.f_bavail * disk.f_frsize - len(data) < self._min_free_bytes:
            raise OSError(errno.ENOSPC, "The free space that has to stay on the disk would be used up")
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def flush_to_disk(self) -> None:
        """Returns when the bytes are safe."""
        os.fsync(self._file)

    def open_data_set(self) -> BinaryIO:
        """For reading what has been written, behind the header."""
        file = self.path.open("rb")
        file.seek(self.data_set_offset)
        return file

    def discard(self) -> None:
        """Closes, and removes the temporary name."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class Spool:
    """The folder tree of one node; safe to use from many threads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        self._quarantine = root / "quarantine"
        for folder in (root, self._incoming, self._quarantine):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left_over in self._incoming.iterdir():
            left_over.unlink()
        self._durable_folders: set[Path] = set()
        self._lock = threading.Lock()

    def begin(self, header: bytes, min_free_bytes: int = 0) -> IncomingFile:
        """Opens a temporary file.

        Raises:
            OSError: no room, or the disk fails.
        """
        return IncomingFile(self._incoming, header, min_free_bytes)

    def keep(self, incoming: IncomingFile, identifiers: Identifiers) -> Kept:
        """Gives a whole instance its final name. When this returns it survives a power cut.

        Raises:
            OSError: the disk failed; nothing new has a final name then.
        """
        incoming.flush_to_disk()
        folder = self.root / identifiers.study_instance_uid / identifiers.series_instance_uid
        self._make_durable(folder)
        final = folder / f"{identifiers.sop_instance_uid}.dcm"
        is_conflict = not _link(incoming.path, final)
        if is_conflict:
            final = folder / f"{identifiers.sop_instance_uid}.{_digest(incoming.path)}.dcm"
            _link(incoming.path, final)
        _flush_folder(folder)
        return Kept(str(final.relative_to(self.root)), is_conflict)

    def quarantine(self, incoming: IncomingFile, facts: Mapping[str, object]) -> str:
        """Puts aside what was not accepted, with the facts beside it as JSON.

        Returns:
            Its path relative to the root.

        Raises:
            OSError: the disk failed.
        """
        final = self._quarantine / f"{datetime.now(UTC):%Y%m%d}-{secrets.token_hex(8)}.dcm"
        incoming.flush_to_disk()
        os.link(incoming.path, final)
        with open(final.with_suffix(".json"), "x", opener=_private) as file:
            json.dump(dict(facts), file, indent=2)
        _flush_folder(self._quarantine)
        return str(final.relative_to(self.root))

    def _make_durable(self, folder: Path) -> None:
        with self._lock:
            if folder in self._durable_folders and folder.is_dir():
                return
            for part in (folder.parent, folder):
                part.mkdir(mode=0o700, exist_ok=True)
                _flush_folder(part.parent)
            if len(self._durable_folders) >= _FOLDERS_REMEMBERED:
                self._durable_folders.clear()
            self._durable_folders.add(folder)


def file_header(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble, prefix and file meta information (PS3.10 section 7.1); what is not a UID is left empty."""
    uids = {
        0x0002: sop_class_uid,
        0x0003: sop_instance_uid,
        0x0010: transfer_syntax_uid,
        0x0012: IMPLEMENTATION_CLASS_UID,
    }
    elements = b"".join(
        (
            struct.pack("<HH2s2xI2s", 0x0002, 0x0001, b"OB", 2, b"\x00\x01"),
            *(_short(number, b"UI", uid if is_uid(uid) else "", b"\0") for number, uid in uids.items()),
            _short(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, b" "),
        )
    )
    group_length = struct.pack("<HH2sHI", 0x0002, 0x0000, b"UL", 4, len(elements))
    return bytes(128) + b"DICM" + group_length + elements


def _short(element: int, vr: bytes, text: str, padding: bytes) -> bytes:
    value = text.encode("ascii")
    value += padding * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, element, vr, len(value)) + value


def _link(source: Path, final: Path) -> bool:
    """Gives a file a second name unless that name is taken by other bytes; True when it has it.

    A link, not a rename: of two senders of one instance only one can be first, and none overwrites the other.
    """
    try:
        os.link(source, final)
    except FileExistsError:
        return filecmp.cmp(source, final, shallow=False)
    return True


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
