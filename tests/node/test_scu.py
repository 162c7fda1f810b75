"""The node as a sender, against DCMTK, Orthanc, and a destination that behaves as badly as a test wants."""

import os
import queue
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread, uid
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt

from node.config import Peer
from node.scu import Answer, PeerError, RelatedInstances, Verdict, echo, related_instances, send
from tests.node.dicom_files import SERIES, STUDY, ct, data_set_of, write
from tests.orthanc import Orthanc
from tests.ports import free_port

Answers = Callable[[evt.Event], int]


@pytest.fixture(autouse=True)
def picky_destinations(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node's receiver, where it was imported, lets every server of this process take any storage."""
    monkeypatch.setattr(_config, "UNRESTRICTED_STORAGE_SERVICE", False)


@contextmanager
def destination(answer: Answers, **limits: object) -> Iterator[Peer]:
    """A storage SCP that answers as it is told."""
    entity = AE("PACS")
    for keyword, value in limits.items():
        setattr(entity, keyword, value)
    if not entity.supported_contexts:
        entity.supported_contexts = AllStoragePresentationContexts
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, answer)])
    assert server is not None
    try:
        port = server.server_address[1]
        yield Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, timeout_s=5)
    finally:
        entity.shutdown()


def number_of(event: evt.Event) -> int:
    return int(event.file_meta.MediaStorageSOPInstanceUID.rpartition(".")[2])


def images(folder: Path, count: int) -> list[Path]:
    return [write(ct(number), folder / f"{number}.dcm") for number in range(1, count + 1)]


def verdicts(answers: list[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


@pytest.fixture(scope="module")
def running_pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    orthanc = Orthanc(tmp_path_factory.mktemp("orthanc") / "pacs")
    orthanc.start()
    yield orthanc
    orthanc.stop()


@pytest.fixture
def archive(running_pacs: Orthanc) -> Orthanc:
    """Started once, empty for every test."""
    running_pacs.clear()
    return running_pacs


@pytest.fixture
def nobody() -> Peer:
    return Peer(name="nobody", ae_title="NOBODY", host="127.0.0.1", port=free_port(), timeout_s=2)


def test_echo(archive: Orthanc) -> None:
    assert echo(archive.peer) > 0


def test_echo_says_why_not(archive: Orthanc, nobody: Peer) -> None:
    with pytest.raises(PeerError, match=r"nobody \(NOBODY at 127\.0\.0\.1:\d+\) cannot be reached"):
        echo(nobody)
    with pytest.raises(PeerError, match=r"(?i)rejects associations from COXA: called AE title not recogni"):
        echo(archive.peer.model_copy(update={"ae_title": "SOMEBODY"}))
    with destination(lambda _: 0) as deaf, pytest.raises(PeerError, match="none of the services"):
        echo(deaf)


def test_what_storescp_stores_is_what_was_sent(tmp_path: Path) -> None:
    """Images compressed in three ways, a SEG and a deflated SEG go on one association as they are."""
    syntaxes = [ExplicitVRLittleEndian, uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless]
    paths = [write(ct(n), tmp_path / f"{n}.dcm", syntax) for n, syntax in enumerate(syntaxes, start=1)]
    for n, syntax in enumerate((ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian), start=8):
        seg = ct(n, SOPClassUID=SegmentationStorage, Modality="SEG")
        paths.append(write(seg, tmp_path / f"{n}.dcm", syntax))
    folder, port = tmp_path / "received", free_port()
    folder.mkdir()
    command = ["/usr/bin/storescp", "+xa", "+B", "-od", str(folder), "-fe", ".dcm", str(port)]
    peer = Peer(name="dcmtk", ae_title="STORESCP", host="127.0.0.1", port=port, timeout_s=5)
    with subprocess.Popen(command, env=os.environ | {"TCP_NODELAY": "1"}) as storescp:
        try:
            echo_when_it_listens(peer)
            answers = send(peer, paths)
        finally:
            storescp.terminate()
    assert verdicts(answers) == [Verdict.STORED] * len(paths)
    received = {dcmread(path).SOPInstanceUID: path for path in folder.iterdir()}
    for path in paths:
        assert data_set_of(received[dcmread(path).SOPInstanceUID]) == data_set_of(path)


def echo_when_it_listens(peer: Peer) -> None:
    for _ in range(500):
        try:
            echo(peer)
        except PeerError:
            continue
        return
    raise AssertionError(f"{peer.name} does not listen")


def test_orthanc_stores_what_is_sent(archive: Orthanc, tmp_path: Path) -> None:
    assert verdicts(send(archive.peer, images(tmp_path, 3))) == [Verdict.STORED] * 3
    assert {image.SOPInstanceUID for image in archive.instances()} == {f"{SERIES}.{n}" for n in (1, 2, 3)}


def test_all_files_go_in_order_on_one_association(tmp_path: Path) -> None:
    seen: queue.Queue[tuple[int, int]] = queue.Queue()

    def answer(event: evt.Event) -> int:
        seen.put((id(event.assoc), number_of(event)))
        return 0

    with destination(answer) as peer:
        send(peer, images(tmp_path, 5))
    arrived = [seen.get_nowait() for _ in range(5)]
    assert len({association for association, _ in arrived}) == 1
    assert [number for _, number in arrived] == [1, 2, 3, 4, 5]


STATUSES = {
    0x0000: Verdict.STORED,
    0xB000: Verdict.STORED,
    0xB007: Verdict.STORED,
    0xA700: Verdict.NOT_NOW,
    0xA7FF: Verdict.NOT_NOW,
    0x0110: Verdict.NOT_NOW,
    0xA900: Verdict.NEVER,
    0xC000: Verdict.NEVER,
    0xCFFF: Verdict.NEVER,
    0x0122: Verdict.NEVER,
    0x0124: Verdict.NEVER,
}


def test_every_status_is_recorded_and_understood(tmp_path: Path) -> None:
    with destination(lambda event: list(STATUSES)[number_of(event) - 1]) as peer:
        answers = send(peer, images(tmp_path, len(STATUSES)))
    assert {answer.status: answer.verdict for answer in answers} == STATUSES
    assert all(f"0x{answer.status:04X}" in answer.text for answer in answers)


def test_a_context_that_is_not_accepted_concerns_only_its_own_files(tmp_path: Path) -> None:
    only_ct = [
        context for context in AllStoragePresentationContexts if context.abstract_syntax == CTImageStorage
    ]
    seg = ct(2, SOPClassUID=SegmentationStorage, Modality="SEG")
    paths = [
        write(ct(1), tmp_path / "ct.dcm"),
        write(seg, tmp_path / "seg.dcm"),
        write(ct(3), tmp_path / "jpeg2000.dcm", uid.JPEG2000Lossless),
    ]
    with destination(lambda _: 0, supported_contexts=only_ct) as peer:
        answers = send(peer, paths)
    assert verdicts(answers) == [Verdict.STORED, Verdict.NEVER, Verdict.NEVER]
    assert SegmentationStorage in answers[1].text
    assert uid.JPEG2000Lossless in answers[2].text


def test_what_was_not_answered_is_sent_again_on_a_new_association(tmp_path: Path) -> None:
    arrived: list[int] = []

    def hang_up_once(event: evt.Event) -> int:
        arrived.append(number_of(event))
        if arrived == [1, 2]:
            event.assoc.abort()
        return 0

    with destination(hang_up_once) as peer:
        answers = send(peer, images(tmp_path, 4))
    assert verdicts(answers) == [Verdict.STORED] * 4
    assert arrived == [1, 2, 3, 4, 2]


def test_who_never_answers_leaves_it_unknown(tmp_path: Path) -> None:
    arrived: list[int] = []

    def hang_up(event: evt.Event) -> int:
        arrived.append(number_of(event))
        event.assoc.abort()
        return 0

    with destination(hang_up) as peer:
        [answer] = send(peer, images(tmp_path, 1))
    assert (answer.verdict, answer.status) == (Verdict.UNKNOWN, None)
    assert arrived == [1, 1]


def test_a_peer_that_is_not_there_gets_it_later(nobody: Peer, tmp_path: Path) -> None:
    answers = send(nobody, images(tmp_path, 2))
    assert verdicts(answers) == [Verdict.NOT_NOW] * 2
    assert "cannot be reached" in answers[0].text


def test_a_peer_that_rejects_for_want_of_room_gets_it_later(tmp_path: Path) -> None:
    with destination(lambda _: 0, require_calling_aet=["ELSE"]) as peer:
        [answer] = send(peer, images(tmp_path, 1))
    assert answer.verdict is Verdict.NOT_NOW
    assert "COXA" in answer.text


def test_what_is_not_dicom_is_never_sent(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear colleague")
    with destination(lambda _: 0) as peer:
        answers = send(peer, [letter, *images(tmp_path, 1), tmp_path / "missing.dcm"])
    assert verdicts(answers) == [Verdict.NEVER, Verdict.STORED, Verdict.NEVER]


def test_how_much_orthanc_has_of_a_study(archive: Orthanc, tmp_path: Path) -> None:
    other = f"{STUDY}.2"
    paths = [*images(tmp_path, 3), write(ct(1, series=other), tmp_path / "other.dcm")]
    send(archive.peer, paths)
    related = related_instances(archive.peer, STUDY)
    assert related.series == {SERIES: 3, other: 1}
    assert related.study in (4, None)
    assert related.are_covered_by({SERIES: 3, other: 1})
    assert not related.are_covered_by({SERIES: 3})


def test_a_study_that_the_peer_does_not_know_is_covered_by_nothing(archive: Orthanc) -> None:
    assert not related_instances(archive.peer, "1.2.3").are_covered_by({"1.2.3.1": 5})


def test_a_peer_that_cannot_be_asked(nobody: Peer) -> None:
    with pytest.raises(PeerError, match="cannot be reached"):
        related_instances(nobody, STUDY)
    with destination(lambda _: 0) as peer, pytest.raises(PeerError, match="none of the services"):
        related_instances(peer, STUDY)


@pytest.mark.parametrize(
    ("related", "here", "covered"),
    [
        (RelatedInstances(None, {}), {"1": 5}, False),
        (RelatedInstances(0, {}), {}, False),
        (RelatedInstances(5, {}), {"1": 2, "2": 3}, True),
        (RelatedInstances(6, {}), {"1": 2, "2": 3}, False),
        (RelatedInstances(5, {"1": None, "2": 3}), {"1": 2, "2": 3}, True),
        (RelatedInstances(None, {"1": None, "2": 3}), {"1": 2, "2": 3}, False),
        (RelatedInstances(None, {"1": 2, "2": 3}), {"1": 2, "2": 4}, True),
        (RelatedInstances(9, {"1": 2, "2": 3}), {"1": 5}, False),
    ],
)
def test_when_everything_is_here(related: RelatedInstances, here: dict[str, int], covered: bool) -> None:
    assert related.are_covered_by(here) is covered
