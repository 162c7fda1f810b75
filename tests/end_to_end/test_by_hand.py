"""The commands an operator types: what they leave behind, say, and exit with."""

import json
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.end_to_end.running import COXA
from tests.orthanc import Orthanc

pytestmark = pytest.mark.slow


HIP_TISSUE = ("--route", "hip-tissue")
"""The schematic hip has no single muscles."""


def coxa(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """One command, in an empty folder, so that no configuration file is found by chance."""
    return subprocess.run([COXA, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_process_leaves_objects_and_says_what_was_measured(hip: list[Path], tmp_path: Path) -> None:
    done = coxa("process", hip[0].parent, "--out", tmp_path / "out", *HIP_TISSUE, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "seg.dcm", "sr.dcm", "overlay.png", "result.json"
    }  # fmt: skip
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    row = next(m for m in result["measurements"] if m["tissue"] == "muscle" and m["name"] == "area")
    assert row["unit"] == "cm2"
    assert f"{row['value']:.2f}" in done.stdout
    assert "research use only" in done.stdout


def test_process_twice_gives_the_same_identifiers(hip: list[Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = coxa("process", hip[0].parent, "--out", tmp_path / name, *HIP_TISSUE, folder=tmp_path)
        assert done.returncode == 0
    for name in ("seg.dcm", "sr.dcm"):
        first, second = (dcmread(tmp_path / folder / name) for folder in ("a", "b"))
        for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
            assert first[keyword].value == second[keyword].value


def test_process_without_a_hip_says_why_and_exits_with_3(chest: list[Path], tmp_path: Path) -> None:
    done = coxa("process", chest[0].parent, "--out", tmp_path / "out", folder=tmp_path)
    assert done.returncode == 3
    assert "proximal_femur" in done.stdout
    assert not (tmp_path / "out").exists()


def test_route_prints_every_condition(chest: list[Path], tmp_path: Path) -> None:
    done = coxa("route", chest[0].parent, folder=tmp_path)
    assert done.returncode == 0
    for words in ("holds Modality is CT", "fails anatomy", "not eligible"):
        assert words in " ".join(done.stdout.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("route", "nowhere"), "There is no folder nowhere"),
        (("process", ".", "--out", "out"), "holds no DICOM images"),
        (("process", ".", "--out", "out", "--route", "knee"), "no route 'knee'"),
        (("echo", "pacs"), "no peer 'pacs'"),
        (("echo", "PACS@nowhere"), "is not AETITLE@host:port"),
        (("status",), "No node has run"),
        (("serve", "--config", "missing.yaml"), "missing.yaml cannot be read"),
        (("check", "--config", "missing.yaml"), "missing.yaml cannot be read"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_exits_with_2(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = coxa(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_peer_that_is_not_there_exits_with_4(hip: list[Path], tmp_path: Path) -> None:
    for command in (("echo",), ("send", hip[0].parent)):
        done = coxa(*command, "PACS@127.0.0.1:1", folder=tmp_path)
        assert done.returncode == 4
        assert "cannot be reached" in " ".join((done.stderr + done.stdout).split())


def test_echo_and_send_reach_a_pacs(pacs: Orthanc, hip: list[Path], tmp_path: Path) -> None:
    peer = f"{pacs.ae_title}@127.0.0.1:{pacs.dicom_port}"
    assert "answers in" in coxa("echo", peer, folder=tmp_path).stdout
    sent = coxa("send", hip[0].parent, peer, folder=tmp_path)
    assert sent.returncode == 0, sent.stderr
    assert len(pacs.get("/instances")) == len(hip)
