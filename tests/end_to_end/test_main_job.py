"""A hip CT goes in by C-STORE; SEG and SR come out at a real PACS: the sender is DCMTK, the PACS Orthanc."""

import json
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from tests.end_to_end.conftest import NodeFactory
from tests.end_to_end.running import COXA, DCMTK_ENVIRONMENT, storescu, until
from tests.orthanc import Orthanc

pytestmark = pytest.mark.slow


def results(pacs: Orthanc) -> tuple[Dataset, Dataset]:
    """The only SEG and the only SR at the PACS."""
    (seg,) = pacs.instances("SEG")
    (sr,) = pacs.instances("SR")
    return seg, sr


def test_a_hip_ct_becomes_a_segmentation_and_a_report(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path]
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)
    study = node.wait_for_delivery()
    seg, sr = results(pacs)
    sources = {dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in hip}
    referenced = {
        item.ReferencedSOPInstanceUID for item in seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    assert len(referenced) == 5
    assert referenced < sources
    assert seg.StudyInstanceUID == sr.StudyInstanceUID == study.study_instance_uid
    assert seg.PatientID == dcmread(hip[0]).PatientID
    assert study.results[0].route == "hip-tissue"
    assert node.terminate() == 0


def test_what_stands_on_disk_is_what_the_pacs_has(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path]
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)
    study = node.wait_for_delivery()
    folder = node.settings.results_folder / study.results[0].folder
    seg, sr = results(pacs)
    assert dcmread(folder / "seg.dcm").SOPInstanceUID == seg.SOPInstanceUID
    assert dcmread(folder / "sr.dcm").SOPInstanceUID == sr.SOPInstanceUID == study.results[0].folder
    assert {path.name for path in folder.iterdir()} == {"seg.dcm", "sr.dcm", "overlay.png", "result.json"}
    assert json.loads((folder / "result.json").read_text())["measurements"]


def test_a_late_instance_leads_to_one_new_result_that_names_the_old(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path]
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip[:-1])
    first = node.wait_for_delivery()
    storescu(node, hip[-1])
    until(lambda: node.study().revision == 2, "the study is open again")
    second = node.wait_for_delivery()
    assert second.results[0].folder != first.results[0].folder
    reports = {str(sr.SOPInstanceUID): sr for sr in pacs.instances("SR")}
    assert reports.keys() == {first.results[0].folder, second.results[0].folder}
    predecessor = reports[second.results[0].folder].PredecessorDocumentsSequence[0]
    named = predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == first.results[0].folder


def test_the_same_images_again_change_nothing(make_node: NodeFactory, pacs: Orthanc, hip: list[Path]) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)
    node.wait_for_delivery()
    storescu(node, *hip)
    assert node.study().revision == 1
    assert node.study().state == "measured"
    results(pacs)


def test_a_pacs_that_is_down_gets_its_results_later(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path]
) -> None:
    pacs.stop()
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)

    def tried_twice() -> bool:
        deliveries = [d for study in node.studies() for result in study.results for d in result.deliveries]
        return bool(deliveries) and deliveries[0].attempts >= 2

    until(tried_twice, "two attempts to deliver")
    assert node.study().results[0].deliveries[0].reason
    pacs.start()
    node.wait_for_delivery()
    results(pacs)


def test_a_study_that_the_pacs_counts_whole_is_not_waited_for(
    make_node: NodeFactory, pacs: Orthanc, hip: list[Path]
) -> None:
    subprocess.run(
        ["/usr/bin/storescu", "-aec", pacs.ae_title, "127.0.0.1", str(pacs.dicom_port), *hip],
        env=DCMTK_ENVIRONMENT,
        check=True,
    )
    node = make_node(pacs, completion={"quiet_s": 3600, "ask": "pacs"})
    node.start()
    storescu(node, *hip[:-1])
    storescu(node, hip[-1])
    study = node.wait_for_delivery()
    assert study.revision == 1


def test_a_study_without_a_hip_is_a_decision_with_reasons(
    make_node: NodeFactory, pacs: Orthanc, chest: list[Path]
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *chest)
    study = node.wait_for("not eligible", instances=len(chest))
    assert "proximal_femur" in study.reasons[0]
    assert pacs.instances("SEG") == []


def test_sigterm_while_working_loses_nothing(make_node: NodeFactory, pacs: Orthanc, hip: list[Path]) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *hip)
    node.wait_for("working")
    assert node.terminate() == 0
    node.start()
    node.wait_for_delivery()
    results(pacs)


def test_two_nodes_do_not_share_a_folder(make_node: NodeFactory, pacs: Orthanc) -> None:
    node = make_node(pacs)
    node.start()
    second = subprocess.run(
        [COXA, "serve", "--config", str(node.config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 2
    assert "Another node uses" in second.stderr
