"""Real CT on the whole way: the hip is measured, everything else is skipped with a true reason."""

import subprocess
from pathlib import Path

import pytest

from node.scu import send
from node.status import read_status
from tests.end_to_end.conftest import NodeFactory
from tests.end_to_end.running import storescu
from tests.orthanc import Orthanc

pytestmark = [pytest.mark.slow, pytest.mark.real_ct]


def complaints(path: Path) -> list[str]:
    """Errors that dciodvfy finds."""
    done = subprocess.run(["/usr/bin/dciodvfy", path], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("folder", ["hip_siemens_l4_to_midthigh", "wholebody_siemens"])
def test_a_real_hip_is_measured_and_delivered(
    make_node: NodeFactory, pacs: Orthanc, real_ct: Path, folder: str, tmp_path: Path
) -> None:
    node = make_node(pacs)
    node.start()
    storescu(node, *sorted((real_ct / folder).iterdir()))
    node.wait_for_delivery()
    for modality in ("SEG", "SR"):
        (instance,) = pacs.instances(modality)
        instance.save_as(tmp_path / f"{modality}.dcm")
        assert complaints(tmp_path / f"{modality}.dcm") == []


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("negative_chest_toshiba", "No femoral head was found"),
        ("negative_chestabdomen_ge", "No femoral head was found"),
        ("negative_head_ge_tilted", "The gantry was tilted"),
        ("negative_localizer_siemens", "only: localizer"),
        ("negative_summary_philips", "only: Secondary Capture"),
    ],
)
def test_what_is_no_hip_is_skipped_with_a_true_reason(
    make_node: NodeFactory, pacs: Orthanc, real_ct: Path, folder: str, reason: str
) -> None:
    node = make_node(pacs)
    node.start()
    files = sorted(path for path in (real_ct / folder).iterdir() if path.name != "DIRFILE")
    storescu(node, *files)
    study = node.wait_for("not eligible", instances=len(files))
    assert any(reason in line for line in study.reasons), study.reasons
    assert pacs.get("/instances") == []


def test_images_without_a_study_are_refused_and_kept_where_an_operator_sees_them(
    make_node: NodeFactory, pacs: Orthanc, real_ct: Path
) -> None:
    node = make_node(pacs)
    node.start()
    files = sorted((real_ct / "negative_abdomen_siemens_j2k").iterdir())
    assert {answer.status for answer in send(node.peer, files)} == {0xC000}
    status = read_status(node.database, 10)
    assert status.studies == []
    assert "StudyInstanceUID is missing" in status.last_rejections[0]
    assert list((node.settings.spool_folder / "quarantine").glob("*.dcm"))
