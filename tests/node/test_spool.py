"""What has a final name is whole and on the disk; everything else leaves nothing behind."""

import errno
import json
import os
import threading
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

from node.identifiers import Identifiers, UnreadableDataSet, is_uid, read_identifiers
from node.spool import IncomingFile, Spool, file_header
from tests.node.dicom_files import SERIES, STUDY, ct

INSTANCE = f"{SERIES}.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
IDENTIFIERS = Identifiers(STUDY, SERIES, INSTANCE, CT_IMAGE, "CT")
HEADER = file_header(CT_IMAGE, INSTANCE, ExplicitVRLittleEndian)


def encoded(**changes: object) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ct(**changes))  # type: ignore[arg-type]
    return buffer.getvalue()


def kept(spool: Spool, data: bytes) -> tuple[str, bool]:
    with spool.begin(HEADER) as incoming:
        incoming.write(data)
        result = spool.keep(incoming, IDENTIFIERS)
    return result.path, result.is_conflict


def files(spool: Spool) -> set[str]:
    return {str(path.relative_to(spool.root)) for path in spool.root.rglob("*") if path.is_file()}


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_an_instance_is_a_dicom_file_under_its_uids(spool: Spool) -> None:
    data = encoded()
    path, is_conflict = kept(spool, data)
    assert path == f"{STUDY}/{SERIES}/{INSTANCE}.dcm"
    assert not is_conflict
    assert files(spool) == {path}
    assert (spool.root / path).read_bytes() == HEADER + data
    read = dcmread(spool.root / path)
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID == INSTANCE
    assert read.file_meta.FileMetaInformationGroupLength == len(HEADER) - 144


def test_only_the_owner_may_read(spool: Spool) -> None:
    path, _ = kept(spool, encoded())
    with spool.begin(HEADER) as incoming:
        aside = spool.quarantine(incoming, {})
    for part in (spool.root / path, spool.root / aside, (spool.root / aside).with_suffix(".json")):
        assert part.stat().st_mode & 0o777 == 0o600
    folders = [path for path in spool.root.rglob("*") if path.is_dir()]
    assert {folder.stat().st_mode & 0o777 for folder in [spool.root, *folders]} == {0o700}


def test_the_same_bytes_twice_are_one_file(spool: Spool) -> None:
    assert kept(spool, encoded()) == kept(spool, encoded())
    assert len(files(spool)) == 1


def test_other_bytes_under_the_same_uid_lie_beside_the_first(spool: Spool) -> None:
    first, _ = kept(spool, encoded())
    other, is_conflict = kept(spool, encoded(Rows=8))
    again, is_still_conflict = kept(spool, encoded(Rows=8))
    assert is_conflict
    assert is_still_conflict
    assert other == again
    assert files(spool) == {first, other}
    assert dcmread(spool.root / first).Rows == 16
    assert dcmread(spool.root / other).Rows == 8


def test_of_many_senders_of_one_instance_none_overwrites_another(spool: Spool) -> None:
    versions = [encoded(Rows=rows) for rows in range(1, 9)]
    threads = [threading.Thread(target=kept, args=(spool, data)) for data in versions * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = {(spool.root / name).read_bytes() for name in files(spool)}
    assert stored == {HEADER + data for data in versions}
    assert len(files(spool)) == len(versions)


def test_nothing_remains_of_what_was_not_kept(spool: Spool) -> None:
    with spool.begin(HEADER) as incoming:
        incoming.write(b"half")
    assert files(spool) == set()


def test_left_overs_of_a_crash_are_removed_at_the_next_start(spool: Spool) -> None:
    path, _ = kept(spool, encoded())
    spool.begin(HEADER).write(b"half")
    assert len(files(spool)) == 2
    assert files(Spool(spool.root)) == {path}


def test_bytes_names_and_folders_are_synced_before_keep_returns(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def recording(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink().relative_to(spool.root)))
        sync(handle)

    monkeypatch.setattr(os, "fsync", recording)
    kept(spool, encoded())
    assert synced[0].startswith("incoming/")
    assert synced[1:] == [".", STUDY, f"{STUDY}/{SERIES}"]


def test_a_failing_disk_gives_no_final_name(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="the disk fails"):
        kept(spool, encoded())
    assert files(spool) == set()


def test_what_has_to_stay_free_on_the_disk_stays_free(spool: Spool) -> None:
    disk = os.statvfs(spool.root)
    with pytest.raises(OSError, match="free space") as failure:
        spool.begin(HEADER, min_free_bytes=disk.f_bavail * disk.f_frsize * 2)
    assert failure.value.errno == errno.ENOSPC
    assert files(spool) == set()


def test_a_full_disk_loses_nothing_that_was_kept(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    path, _ = kept(spool, encoded())
    with spool.begin(HEADER) as incoming, pytest.raises(OSError, match="space") as failure:
        incoming.write(bytes(1_000_000))
    assert failure.value.errno == errno.ENOSPC
    assert files(spool) == {path}
    assert dcmread(spool.root / path).SOPInstanceUID == INSTANCE


def test_quarantine_keeps_the_bytes_and_the_reason_and_names_nobody(spool: Spool) -> None:
    with spool.begin(HEADER) as incoming:
        incoming.write(b"anything")
        path = spool.root / spool.quarantine(incoming, {"reason": "not understood", "status": "0xC000"})
    assert path.parent == spool.root / "quarantine"
    assert path.read_bytes() == HEADER + b"anything"
    assert json.loads(path.with_suffix(".json").read_text())["reason"] == "not understood"
    assert len(files(spool)) == 2


@given(st.text(alphabet="0123456789./\\\0 ~aé", max_size=70))
def test_no_uid_names_a_path_outside(text: str) -> None:
    if is_uid(text):
        assert len(text) <= 64
        assert Path("/spool") / text == Path(f"/spool/{text}").resolve()


@pytest.mark.parametrize(
    "text", ["", ".", "..", "../1", "1/2", "1..2", ".1", "1.", "1.2\0", "1.2 ", "٣", "1" * 65]
)
def test_what_is_not_a_uid(text: str) -> None:
    assert not is_uid(text)


def test_identifiers_are_read_from_the_data_set() -> None:
    assert read_identifiers(BytesIO(encoded()), ExplicitVRLittleEndian) == IDENTIFIERS


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"]
)
def test_no_identifier_may_be_missing(keyword: str) -> None:
    with pytest.raises(UnreadableDataSet, match=keyword):
        read_identifiers(BytesIO(encoded(**{keyword: None})), ExplicitVRLittleEndian)


def test_a_data_set_that_was_cut_off_within_identifiers_or_pixels_is_noticed() -> None:
    whole = encoded()
    end_of_identifiers = whole.index(SERIES.encode(), whole.index(b"\x20\x00\x0e\x00"))
    pixels = len(whole) - 512
    for length in (*range(end_of_identifiers), *range(pixels, len(whole))):
        with pytest.raises(UnreadableDataSet):
            read_identifiers(BytesIO(whole[:length]), ExplicitVRLittleEndian)


@given(st.binary(max_size=300))
def test_no_bytes_lead_to_anything_but_identifiers_or_a_reason(data: bytes) -> None:
    with suppress(UnreadableDataSet):
        read_identifiers(BytesIO(data), ExplicitVRLittleEndian)


def test_an_incoming_file_can_be_discarded_twice(tmp_path: Path) -> None:
    incoming = IncomingFile(tmp_path, HEADER, 0)
    incoming.discard()
    incoming.discard()
    assert list(tmp_path.iterdir()) == []
