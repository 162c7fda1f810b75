"""When a study is whole: quiet, or counted by a real PACS."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from node.completion import Completion
from node.config import CompletionSettings, Peer
from node.database import Database, ReceivedInstance
from node.scu import RelatedInstances, Verdict, send
from tests.node.conftest import instance
from tests.orthanc import Orthanc
from tests.series import write_series

Watch = Callable[[float, Peer | None], Completion]


@pytest.fixture
def real_database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(f"sqlite:///{tmp_path / 'coxa.sqlite'}")
    yield database
    database.close()


@pytest.fixture
def completed() -> threading.Event:
    return threading.Event()


@pytest.fixture
def watch(real_database: Database, completed: threading.Event) -> Iterator[Watch]:
    started: list[Completion] = []

    def start(quiet_s: float, peer: Peer | None) -> Completion:
        completion = Completion(CompletionSettings(quiet_s=quiet_s), peer, real_database, completed.set)
        completion.start()
        started.append(completion)
        return completion

    yield start
    for completion in started:
        completion.stop()


@pytest.fixture
def small_series(tmp_path: Path) -> list[Path]:
    return write_series(tmp_path / "ct", np.zeros((3, 8, 8), dtype=np.int16))


def as_received(dataset: Dataset) -> ReceivedInstance:
    return ReceivedInstance(
        study_instance_uid=dataset.StudyInstanceUID,
        series_instance_uid=dataset.SeriesInstanceUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        sop_class_uid=dataset.SOPClassUID,
        transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
        modality=dataset.Modality,
        path=f"{dataset.SOPInstanceUID}.dcm",
        calling_ae_title="CT1",
    )


def test_a_quiet_study_is_complete(watch: Watch, real_database: Database, completed: threading.Event) -> None:
    watch(0.2, None)
    real_database.record_instance(instance(1))
    assert completed.wait(10)
    assert real_database.open_studies() == []


def test_a_study_that_is_not_quiet_is_not_complete(
    watch: Watch, real_database: Database, completed: threading.Event
) -> None:
    watch(3600, None)
    real_database.record_instance(instance(1))
    assert not completed.wait(0.5)


@pytest.mark.parametrize(
    ("related", "whole"),
    [
        (RelatedInstances(3, {"1": 2, "2": 1}), True),
        (RelatedInstances(4, {"1": 3, "2": 1}), False),
        (RelatedInstances(3, {"1": 2, "3": 1}), False),
        (RelatedInstances(3, {"1": None, "2": None}), True),
        (RelatedInstances(4, {}), False),
        (RelatedInstances(3, {}), True),
        (RelatedInstances(0, {}), False),
        (RelatedInstances(None, {}), False),
    ],
)
def test_what_a_peer_counts_is_compared_by_series(related: RelatedInstances, whole: bool) -> None:
    assert related.are_covered_by({"1": 2, "2": 1}) is whole


@pytest.mark.slow
def test_a_study_that_the_pacs_counts_as_whole_does_not_wait(
    watch: Watch, real_database: Database, completed: threading.Event, pacs: Orthanc, small_series: list[Path]
) -> None:
    assert {answer.verdict for answer in send(pacs.peer, small_series)} == {Verdict.STORED}
    completion = watch(3600, pacs.peer)
    *most, last = pacs.instances()
    for dataset in most:
        real_database.record_instance(as_received(dataset))
    completion.association_closed(frozenset({str(last.StudyInstanceUID)}))
    assert not completed.wait(1), "complete, though one instance is missing"
    real_database.record_instance(as_received(last))
    completion.association_closed(frozenset({str(last.StudyInstanceUID)}))
    assert completed.wait(10)


@pytest.mark.slow
def test_a_pacs_that_is_down_is_no_reason_to_stop(
    watch: Watch, real_database: Database, completed: threading.Event
) -> None:
    completion = watch(2, Peer(name="pacs", ae_title="NOBODY", host="127.0.0.1", port=1, timeout_s=1))
    real_database.record_instance(instance(1))
    completion.association_closed(frozenset({"1.2"}))
    assert completed.wait(10)
