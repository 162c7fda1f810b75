"""SIGKILL at every stage of a study: afterwards there is exactly one result, at the PACS and in the rows."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from node.tables import Delivery, DeliveryState, Job, JobKind, JobState, MadeResult
from tests.end_to_end.conftest import NodeFactory
from tests.end_to_end.running import DCMTK_ENVIRONMENT, STORESCU, RunningNode, storescu, until
from tests.orthanc import Orthanc

pytestmark = pytest.mark.slow


def job_is(node: RunningNode, kind: JobKind, state: JobState) -> bool:
    with node.database.reading() as session:
        query = select(func.count(Job.id)).where(Job.kind == kind, Job.state == state)
        return bool(session.scalar(query))


def delivery_is(node: RunningNode, state: DeliveryState) -> bool:
    with node.database.reading() as session:
        return bool(session.scalar(select(func.count(Delivery.id)).where(Delivery.state == state)))


def received_all(node: RunningNode) -> bool:
    return node.study().state == "receiving"


def examining(node: RunningNode) -> bool:
    return job_is(node, JobKind.EXAMINE, JobState.LEASED)


def measuring(node: RunningNode) -> bool:
    return job_is(node, JobKind.MEASURE, JobState.LEASED)


def writing(node: RunningNode) -> bool:
    return any(node.settings.results_folder.glob(".unfinished-*/seg.dcm"))


def assert_one_result(node: RunningNode, pacs: Orthanc) -> None:
    node.wait_for_delivery()
    with node.database.reading() as session:
        assert session.scalar(select(func.count(MadeResult.id))) == 1
    (segmentation,) = pacs.instances("SEG")
    (report,) = pacs.instances("SR")
    assert report.SOPInstanceUID == node.study().results[0].folder
    assert list(node.settings.results_folder.iterdir()) == [
        node.settings.results_folder / str(report.SOPInstanceUID)
    ]
    assert segmentation.StudyInstanceUID == report.StudyInstanceUID


def test_killed_while_it_receives(make_node: NodeFactory, pacs: Orthanc, hip: list[Path]) -> None:
    node = make_node(pacs, completion={"quiet_s": 3600})
    node.start()
    command = [STORESCU, "-v", "-aet", "CT1", "-aec", "COXA", "127.0.0.1", str(node.port), *hip]
    sender = subprocess.Popen(
        command, env=DCMTK_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    until(lambda: node.studies() and node.study().instances >= 5, "some instances came")
    node.kill()
    said, _ = sender.communicate()
    acknowledged = said.count("(Success)")
    assert 5 <= acknowledged < len(hip), "the node was killed too late"
    assert node.study().instances >= acknowledged
    node = make_node_again(node)
    # The sender may have deleted what was acknowledged: only the rest comes again.
    storescu(node, *hip[acknowledged:])
    assert_one_result(node, pacs)
    assert node.study().instances == len(hip)


def make_node_again(node: RunningNode) -> RunningNode:
    """The same node, with a shorter patience."""
    text = node.config.read_text(encoding="utf-8").replace("quiet_s: 3600", "quiet_s: 1")
    node.config.write_text(text, encoding="utf-8")
    node.start()
    return node


@pytest.mark.parametrize("stage", [received_all, examining, measuring, writing])
def test_killed_at_a_stage(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path], stage: Callable[[RunningNode], bool]
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)
    until(lambda: stage(node), stage.__name__)
    node.kill()
    node.start()
    assert_one_result(node, pacs)


def test_killed_before_it_delivers(make_node: NodeFactory, pacs: Orthanc, hip: list[Path]) -> None:
    node = make_node(pacs)
    pacs.stop()
    node.start()
    storescu(node, *hip)
    until(lambda: delivery_is(node, DeliveryState.WAITING), "a delivery waits")
    node.kill()
    pacs.start()
    node.start()
    assert_one_result(node, pacs)


def test_killed_between_sending_and_writing_down_that_it_has_sent(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path]
) -> None:
    """The moment is short, so it is tried until it was hit."""
    for _ in range(10):
        node = make_node(pacs)
        node.start()
        storescu(node, *hip)
        until(lambda: pacs.get("/instances"), "something is at the PACS")
        node.kill()
        hit = delivery_is(node, DeliveryState.WAITING)
        node.start()
        assert_one_result(node, pacs)
        if hit:
            return
        pacs.clear()
    pytest.fail("the moment was not hit")


@pytest.mark.parametrize("stage", [examining, measuring])
def test_a_killed_worker_costs_one_attempt_and_does_not_touch_the_receiver(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path], stage: Callable[[RunningNode], bool]
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)
    until(lambda: stage(node), stage.__name__)
    (worker,) = node.workers()
    os.kill(worker, signal.SIGKILL)
    assert node.answers()
    assert_one_result(node, pacs)
    with node.database.reading() as session:
        assert session.scalar(select(func.max(Job.attempts))) == 2
