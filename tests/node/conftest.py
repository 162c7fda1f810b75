"""A real database file per test, with a clock the test can move."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.database import Database, ReceivedInstance


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'coxa.sqlite'}")
    database.clock = clock
    yield database
    database.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield mount
    subprocess.run(["/bin/umount", str(mount)], check=True)


def instance(number: int, study: str = "1.2", series: str = "1.2.1") -> ReceivedInstance:
    """An instance as the receiver records it."""
    uid = f"{series}.{number}"
    return ReceivedInstance(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=uid,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        path=f"{study}/{series}/{uid}.dcm",
        calling_ae_title="CT1",
    )
