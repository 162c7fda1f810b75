"""The receiver, against DCMTK's senders, honest and hostile ones."""

import os
import queue
import socket
import struct
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE, build_context
from pynetdicom.association import Association
from sqlalchemy import select

from node.admission import TRANSFER_SYNTAXES
from node.config import Caller, Peer, ReceiveSettings
from node.connection import SPARE_CONNECTIONS
from node.database import Database
from node.receiver import Receiver
from node.scu import PeerError, Verdict, echo, send
from node.spool import Spool
from node.tables import Conflict, Instance, RejectedInstance
from tests.node.dicom_files import SERIES, STUDY, ct, data_set_of, write
from tests.node.raw_association import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RJ,
    ABORT,
    COMMAND,
    DATA_SET,
    LAST,
    P_DATA_TF,
    RawAssociation,
    p_data,
    request_pdu,
    status_of,
    store_command,
)

# DCMTK keeps Nagle's algorithm on unless it is told not to.
DCMTK = os.environ | {"TCP_NODELAY": "1"}
CT_DEFAULT = [build_context(CTImageStorage, [ExplicitVRLittleEndian])]


@dataclass
class Node:
    """A running receiver with its spool and database."""

    receiver: Receiver
    database: Database
    spool: Spool
    closed: "queue.Queue[tuple[frozenset[str], str]]"

    @property
    def port(self) -> int:
        return self.receiver.address[1]

    def peer(self, **changes: object) -> Peer:
        return Peer(name="node", ae_title="COXA", host="127.0.0.1", port=self.port).model_copy(update=changes)

    def storescu(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [
            "/usr/bin/storescu",
            "-aec",
            "COXA",
            "-aet",
            "CT1",
            "127.0.0.1",
            str(self.port),
            *arguments,
        ]
        return subprocess.run(command, env=DCMTK, check=check, capture_output=True, text=True, timeout=30)

    def associate(self, **changes: object) -> Association:
        arguments: dict[str, object] = {"ae_title": "COXA", "contexts": CT_DEFAULT, **changes}
        entity = AE("CT1")
        entity.acse_timeout = entity.dimse_timeout = 10
        return entity.associate("127.0.0.1", self.port, **arguments)  # type: ignore[arg-type]

    def files(self) -> set[str]:
        paths = (path for path in self.spool.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.spool.root)) for path in paths}

    def used(self) -> set[str]:
        """Paths of the instances that are in use."""
        with self.database.reading() as session:
            return set(session.scalars(select(Instance.path)))

    def rejections(self) -> list[tuple[int, str, str | None]]:
        with self.database.reading() as session:
            columns = (RejectedInstance.status, RejectedInstance.reason, RejectedInstance.path)
            return [(row[0], row[1], row[2]) for row in session.execute(select(*columns))]

    def conflicts(self) -> set[str]:
        with self.database.reading() as session:
            return set(session.scalars(select(Conflict.path)))


Start = Callable[..., Node]


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Iterator[Start]:
    """Starts receivers; keywords are settings."""
    with ExitStack() as stack:

        def start(root: Path = tmp_path / "spool", **changes: object) -> Node:
            settings = ReceiveSettings(min_free_disk_bytes=0).model_copy(update={"port": 0, **changes})
            closed: queue.Queue[tuple[frozenset[str], str]] = queue.Queue()
            spool = Spool(root)
            receiver = Receiver(settings, spool, database, lambda *facts: closed.put(facts))
            receiver.start()
            stack.callback(receiver.stop, grace_s=0.5)
            return Node(receiver, database, spool, closed)

        yield start


@pytest.fixture
def node(start: Start) -> Node:
    return start()


def stored(association: Association, image: Dataset) -> int:
    """What is answered to an instance that is sent as it is, without being checked on this side."""
    image.file_meta = Dataset()  # type: ignore[assignment]
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return int(association.send_c_store(image).Status)


def test_echo(node: Node) -> None:
    subprocess.run(["/usr/bin/echoscu", "-aec", "COXA", "127.0.0.1", str(node.port)], env=DCMTK, check=True)
    assert echo(node.peer()) > 0


DCMTK_OPTIONS = {
    uid.ImplicitVRLittleEndian: "-xi",
    uid.ExplicitVRLittleEndian: "-xe",
    uid.ExplicitVRBigEndian: "-xb",
    uid.DeflatedExplicitVRLittleEndian: "-xd",
    uid.RLELossless: "-xr",
    uid.JPEGBaseline8Bit: "-xy",
    uid.JPEGExtended12Bit: "-xx",
    uid.JPEGLosslessSV1: "-xs",
    uid.JPEGLSLossless: "-xt",
    uid.JPEGLSNearLossless: "-xu",
    uid.JPEG2000Lossless: "-xv",
    uid.JPEG2000: "-xw",
}


def test_bytes_are_stored_as_they_came_in_every_transfer_syntax(node: Node, tmp_path: Path) -> None:
    sent = {
        write(ct(number), tmp_path / f"{number}.dcm", syntax): syntax
        for number, syntax in enumerate(sorted(TRANSFER_SYNTAXES))
    }
    assert {answer.verdict for answer in send(node.peer(), list(sent))} == {Verdict.STORED}
    for path, syntax in sent.items():
        stored = node.spool.root / STUDY / SERIES / f"{SERIES}.{path.stem}.dcm"
        assert dcmread(stored).file_meta.TransferSyntaxUID == syntax
        assert data_set_of(stored) == data_set_of(path), syntax.name
    assert len(node.used()) == len(sent)


def test_storescu_sends_every_transfer_syntax_it_knows(node: Node, tmp_path: Path) -> None:
    for number, (syntax, option) in enumerate(DCMTK_OPTIONS.items()):
        path = write(ct(number), tmp_path / f"{number}.dcm", syntax)
        node.storescu(option, path)
        stored = dcmread(node.spool.root / STUDY / SERIES / f"{SERIES}.{number}.dcm")
        assert stored.file_meta.TransferSyntaxUID == syntax
        if syntax.is_encapsulated:
            assert stored.PixelData == dcmread(path).PixelData
    assert len(node.used()) == len(DCMTK_OPTIONS)


@pytest.mark.real_ct
def test_real_ct_of_every_kind_comes_through(node: Node, real_ct: Path) -> None:
    files = sorted((real_ct / "edge_cases").glob("wg04_*.dcm"))
    for answer in send(node.peer(), files):
        assert answer.verdict is Verdict.STORED, answer
        sent = dcmread(answer.path, stop_before_pixels=True)
        folder = node.spool.root / sent.StudyInstanceUID / sent.SeriesInstanceUID
        versions = folder.glob(f"{sent.SOPInstanceUID}*.dcm")
        assert data_set_of(answer.path) in [data_set_of(path) for path in versions]
    assert len(node.files()) == len(files)


def test_the_senders_studies_are_known_when_its_association_closes(node: Node, tmp_path: Path) -> None:
    paths = [write(ct(number, study=f"1.2.{number}"), tmp_path / f"{number}.dcm") for number in (1, 2)]
    node.storescu(*paths)
    assert node.closed.get(timeout=5) == (frozenset({"1.2.1", "1.2.2"}), "CT1")


def test_an_association_that_brought_nothing_is_not_reported(node: Node) -> None:
    echo(node.peer())
    node.receiver.stop()
    assert node.closed.empty()


def test_interleaved_associations(node: Node, tmp_path: Path) -> None:
    """Four senders take turns in one series; each is answered for its own."""
    paths = [write(ct(number), tmp_path / f"{number}.dcm") for number in range(12)]
    with ExitStack() as stack:
        associations = [node.associate() for _ in range(4)]
        for association in associations:
            stack.callback(association.release)
        for number, path in enumerate(paths):
            assert associations[number % 4].send_c_store(dcmread(path)).Status == 0
    for path in paths:
        assert data_set_of(node.spool.root / STUDY / SERIES / f"{SERIES}.{path.stem}.dcm") == data_set_of(
            path
        )
    assert len(node.used()) == len(paths)


def test_parallel_senders(node: Node, tmp_path: Path) -> None:
    paths = [write(ct(number), tmp_path / f"{number}.dcm") for number in range(40)]
    threads = [threading.Thread(target=node.storescu, args=paths[part::4]) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(node.used()) == len(node.files()) == len(paths)


def test_the_same_instance_twice_is_one(node: Node, tmp_path: Path) -> None:
    path = write(ct(), tmp_path / "ct.dcm")
    node.storescu(path)
    node.storescu(path)
    assert len(node.files()) == 1
    assert node.used() == node.files()
    assert node.conflicts() == set()


@pytest.mark.parametrize(("on_conflict", "rows"), [("keep_first", 16), ("keep_last", 8)])
def test_other_bytes_under_one_uid_are_kept_and_one_is_used(
    start: Start, tmp_path: Path, on_conflict: str, rows: int
) -> None:
    node = start(on_conflict=on_conflict)
    first, second = write(ct(), tmp_path / "first.dcm"), write(ct(Rows=8), tmp_path / "second.dcm")
    node.storescu(first)
    node.storescu(second)
    node.storescu(second)
    [used] = node.used()
    [unused] = node.conflicts()
    assert node.files() == {used, unused}
    assert dcmread(node.spool.root / used).Rows == rows


def test_keep_last_returns_to_the_first_when_that_comes_again(start: Start, tmp_path: Path) -> None:
    node = start(on_conflict="keep_last")
    first, second = write(ct(), tmp_path / "first.dcm"), write(ct(Rows=8), tmp_path / "second.dcm")
    for path in (first, second, first):
        node.storescu(path)
    [used] = node.used()
    assert dcmread(node.spool.root / used).Rows == 16


def test_private_and_future_storage_is_taken(node: Node) -> None:
    for sop_class in ("1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.99999"):
        association = node.associate(contexts=[build_context(sop_class, [ExplicitVRLittleEndian])])
        assert stored(association, ct(SOPClassUID=sop_class, SOPInstanceUID=f"{sop_class}.1")) == 0
        association.release()


def test_only_storage_and_verification_are_offered(node: Node) -> None:
    find = "1.2.840.10008.5.1.4.1.2.2.1"
    association = node.associate(contexts=[build_context(find), *CT_DEFAULT])
    assert [context.abstract_syntax for context in association.accepted_contexts] == [CTImageStorage]
    association.release()


def test_of_several_transfer_syntaxes_one_that_can_be_decoded_is_chosen(node: Node) -> None:
    jpip = "1.2.840.10008.1.2.4.94"
    contexts = [build_context(CTImageStorage, [jpip, uid.JPEGLSLossless, ExplicitVRLittleEndian])]
    association = node.associate(contexts=contexts)
    assert association.accepted_contexts[0].transfer_syntax == [uid.JPEGLSLossless]
    association.release()


NOT_UIDS = ["../../../etc/passwd", "1.2.3/../../x", "/1.2.3", "1..2", "1.2.x", "1.2.3\\1.2.4", " "]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:.*exceeds the maximum length")
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_hostile_identifiers_go_to_quarantine(node: Node, keyword: str) -> None:
    association = node.associate()
    hostile = [*NOT_UIDS, "1" * 65]
    for text in hostile:
        assert stored(association, ct(**{keyword: text})) == 0xC000  # type: ignore[arg-type]
    association.release()
    rejections = node.rejections()
    assert len(rejections) == len(hostile)
    for status, reason, path in rejections:
        assert status == 0xC000
        assert keyword in reason
        assert data_set_of(node.spool.root / str(path))
    assert {Path(name).parent for name in node.files()} == {Path("quarantine")}


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_a_uid_may_be_padded_with_nulls(node: Node) -> None:
    association = node.associate()
    assert stored(association, ct(StudyInstanceUID="1.2.3\0")) == 0
    association.release()
    assert node.files() == {f"1.2.3/{SERIES}/{SERIES}.1.dcm"}


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_missing_identifiers(node: Node, keyword: str) -> None:
    association = node.associate()
    image = ct()
    delattr(image, keyword)
    assert stored(association, image) == 0xC000
    association.release()
    assert node.used() == set()


def test_a_data_set_that_contradicts_its_command(node: Node, tmp_path: Path) -> None:
    other_class, other_instance = (
        write(ct(1), tmp_path / "class.dcm"),
        write(ct(2), tmp_path / "instance.dcm"),
    )
    replace(other_class, CTImageStorage, CTImageStorage[:-1] + "9")
    replace(other_instance, f"{SERIES}.2", f"{SERIES}.3")
    answers = send(node.peer(), [other_class, other_instance])
    assert [answer.status for answer in answers] == [0xA900, 0xA900]
    assert len(node.rejections()) == 2
    assert node.used() == set()


def replace(path: Path, old: str, new: str) -> None:
    """Changes the file meta information, from which the command is made, and leaves the data set alone."""
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode(), 1))


def test_a_command_that_contradicts_its_context_or_names_no_instance(node: Node) -> None:
    cases = {0x0122: store_command(sop_class=MRImageStorage), 0x0117: store_command(sop_instance="../../x")}
    with warnings.catch_warnings(), RawAssociation(node.port) as caller:
        warnings.simplefilter("ignore")  # pydicom's, about the UID that the command names
        assert caller.request() == A_ASSOCIATE_AC
        for status, command in cases.items():
            caller.send(p_data(COMMAND | LAST, command) + p_data(DATA_SET | LAST, b"anything"))
            assert status_of(caller.answer()) == status
    assert len(node.rejections()) == 2
    assert node.used() == set()


def test_a_data_set_that_was_cut_off_is_not_acknowledged(node: Node, tmp_path: Path) -> None:
    path = write(ct(), tmp_path / "ct.dcm")
    path.write_bytes(path.read_bytes()[:-100])
    [answer] = send(node.peer(), [path])
    assert answer.status == 0xC000
    [(_, reason, aside)] = node.rejections()
    assert "ends within" in reason
    assert node.files() == {aside, str(aside).replace(".dcm", ".json")}


@pytest.mark.parametrize("farewell", [ABORT, b""], ids=["abort", "disconnect"])
def test_nothing_remains_of_a_sender_that_goes_within_a_data_set(node: Node, farewell: bytes) -> None:
    with RawAssociation(node.port) as caller:
        assert caller.request() == A_ASSOCIATE_AC
        caller.send(p_data(COMMAND | LAST, store_command()) + p_data(DATA_SET, bytes(10000)) + farewell)
    node.receiver.stop()
    assert node.files() == set()
    assert node.closed.empty()


TITLES = [b"", bytes(16), b"\xff" * 16, b"A\nERROR forged", b"a\\b", b"../../../../etc", b"'; DROP TABLE"]


def test_hostile_ae_titles_do_no_harm(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    node = start(allow=[Caller(ae_title="CT1")])
    for title in TITLES:
        with RawAssociation(node.port) as caller:
            assert caller.request(calling=title) in (A_ASSOCIATE_RJ, A_ABORT, 0)
        with RawAssociation(node.port) as caller:
            assert caller.request(called=title) in (A_ASSOCIATE_RJ, A_ABORT, 0)
    ours = [record.message for record in caplog.records if record.name.startswith("node")]
    assert not [message for message in ours if "\n" in message]
    assert echo(node.peer(calling_ae_title="CT1"))


def test_only_who_is_allowed_may_send(start: Start) -> None:
    node = start(
        allow=[
            Caller(ae_title="HERE", address="127.0.0.0/8"),
            Caller(ae_title="THERE", address="10.0.0.1"),
            Caller(ae_title="ANYWHERE"),
        ]
    )
    for title in ("HERE", "ANYWHERE"):
        echo(node.peer(calling_ae_title=title))
    for title in ("THERE", "STRANGER"):
        with pytest.raises(PeerError, match=r"(?i)calling AE title not recogni"):
            echo(node.peer(calling_ae_title=title))


def test_any_title_from_a_known_place(start: Start) -> None:
    assert echo(start(allow=[Caller(ae_title="*", address="127.0.0.1")]).peer(calling_ae_title="WHOEVER"))


def test_who_calls_somebody_else_is_rejected(start: Start) -> None:
    with pytest.raises(PeerError, match=r"(?i)called AE title not recogni"):
        echo(start().peer(ae_title="SOMEBODY"))
    assert echo(start(require_called_ae=False).peer(ae_title="SOMEBODY"))


def test_no_more_associations_than_allowed(start: Start) -> None:
    node = start(max_associations=2)
    first, second = node.associate(), node.associate()
    with pytest.raises(PeerError, match=r"(?i)local limit exceeded"):
        echo(node.peer())
    first.release()
    assert echo_when_there_is_room(node)
    second.release()


def echo_when_there_is_room(node: Node) -> float:
    """An association's place is free a moment after its caller has seen it end."""
    for _ in range(100):
        try:
            return echo(node.peer())
        except PeerError:
            continue
    raise AssertionError("no place became free")


def test_connections_without_an_association_keep_nobody_out(start: Start) -> None:
    node = start(max_associations=1)
    with ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(RawAssociation(node.port))
        assert echo(node.peer())


def test_there_is_an_end_to_connections(start: Start) -> None:
    node = start(max_associations=1, acse_timeout_s=1)
    with ExitStack() as stack:
        callers = [stack.enter_context(RawAssociation(node.port)) for _ in range(SPARE_CONNECTIONS + 5)]
        assert callers[-1].is_closed_within(2)
        assert all(caller.is_closed_within(5) for caller in callers)
    assert echo_when_there_is_room(node)


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: coxa\r\n\r\n",
    "zeros": bytes(1000),
    "four gigabytes announced": struct.pack(">BBI", P_DATA_TF, 0, 0xFFFFFFFF),
    "no request": p_data(COMMAND | LAST, store_command()),
    "request of noise": struct.pack(">BBI", 1, 0, 500) + bytes(range(250)) * 2,
}


def test_garbage_on_the_port(node: Node) -> None:
    for kind, data in GARBAGE.items():
        with RawAssociation(node.port) as caller:
            caller.send(data)
            assert caller.is_closed_within(5), kind
    assert echo(node.peer())


NONSENSE = {
    "no command": p_data(COMMAND | LAST, b"noise"),
    "unknown context": p_data(COMMAND | LAST, store_command(), 77) + p_data(DATA_SET | LAST, b"", 77),
    "item too long": struct.pack(">BBIIBB", P_DATA_TF, 0, 6, 1000, 1, 0),
    "no PDU": bytes(100),
}


# pynetdicom's thread of an association does not survive a malformed command; the association does not either.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nonsense_within_an_association(node: Node) -> None:
    for kind, data in NONSENSE.items():
        with RawAssociation(node.port) as caller:
            assert caller.request() == A_ASSOCIATE_AC
            caller.send(data)
            assert caller.is_closed_within(5), kind
    assert echo(node.peer())


@pytest.mark.parametrize("beginning", [b"", b"\x01\x00\x00", request_pdu(b"CT1", b"COXA")[:-5]])
def test_who_never_ends_a_request_is_put_out(start: Start, beginning: bytes) -> None:
    node = start(acse_timeout_s=0.5)
    with RawAssociation(node.port) as caller:
        caller.send(beginning)
        assert caller.is_closed_within(3)


def test_who_drips_is_put_out(start: Start) -> None:
    node = start(acse_timeout_s=0.5, network_timeout_s=0.5)
    with RawAssociation(node.port) as caller:
        caller.send(struct.pack(">BBI", 1, 0, 200))
        assert caller.is_closed_while_dripping(0.1, bytes_at_most=40)
    with RawAssociation(node.port) as caller:
        assert caller.request() == A_ASSOCIATE_AC
        caller.send(struct.pack(">BBI", P_DATA_TF, 0, 1000))
        assert caller.is_closed_while_dripping(0.1, bytes_at_most=40)


def test_a_silent_association_gives_its_place_back(start: Start) -> None:
    node = start(max_associations=1, network_timeout_s=0.5)
    with RawAssociation(node.port) as caller:
        assert caller.request() == A_ASSOCIATE_AC
        caller.send(p_data(COMMAND | LAST, store_command()) + p_data(DATA_SET, bytes(1000)))
        assert caller.is_closed_within(5)
    assert echo_when_there_is_room(node)
    node.receiver.stop()
    assert node.files() == set()


def test_low_disk_is_answered_before_the_disk_is_full(start: Start, tmp_path: Path) -> None:
    node = start(min_free_disk_bytes=10**18)
    [answer] = send(node.peer(), [write(ct(), tmp_path / "ct.dcm")])
    assert answer.status == 0xA700
    assert node.files() == node.used() == set()


def test_a_full_disk_loses_no_acknowledged_instance(start: Start, tmp_path: Path, small_disk: Path) -> None:
    node = start(root=small_disk / "spool")
    paths = [write(ct(number, PixelData=bytes(40000)), tmp_path / f"{number}.dcm") for number in range(10)]
    answers = send(node.peer(), paths)
    assert {answer.status for answer in answers} == {0x0000, 0xA700}
    stored = {answer.path.stem for answer in answers if answer.verdict is Verdict.STORED}
    assert node.files() == node.used() == {f"{STUDY}/{SERIES}/{SERIES}.{number}.dcm" for number in stored}
    for name in node.used():
        assert len(dcmread(node.spool.root / name).PixelData) == 40000


def test_a_failing_database_is_answered_and_survived(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(ct(), tmp_path / "ct.dcm")
    with monkeypatch.context() as patch:
        patch.setattr(node.database, "record_instance", lambda _: 1 / 0)
        assert [answer.status for answer in send(node.peer(), [path])] == [0xA700]
        assert node.used() == set()
    assert [answer.status for answer in send(node.peer(), [path])] == [0x0000]
    assert node.used() == node.files()
    assert node.conflicts() == set()


def test_stop_lets_nobody_in_and_ends_what_is_open(node: Node) -> None:
    association = node.associate()
    port = node.port
    node.receiver.stop(grace_s=0.1)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    association.join(5)
    assert not association.is_established
