"""Cases of muscles come back as they were written, under whatever names; blocks lie where they should."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.muscles import ThighStructure
from tests.training.tiny_muscles import boxes
from training.case_files import CaseError
from training.muscle_cases import (
    MuscleCase,
    cut_block,
    gridded,
    read_muscle_case,
    read_muscle_cases,
    write_muscle_case,
)
from training.synthesis.muscle_truth import ANYTHING, TRUTHS

ADDUCTORS = TRUTHS.index(
    frozenset(
        {ThighStructure.ADDUCTOR_MAGNUS, ThighStructure.ADDUCTOR_BREVIS, ThighStructure.ADDUCTOR_LONGUS}
    )
)


def write(folder: Path, case: MuscleCase, names: object = None) -> Path:
    write_muscle_case(folder, case)
    target = folder / case.subject / case.name
    if names is not None:
        (target / "labels.json").write_text(json.dumps(names))
    return target


def test_a_case_is_read_as_written_and_slices_without_labels_are_unknown(tmp_path: Path) -> None:
    case = boxes("a")
    found = read_muscle_case(write(tmp_path, case))
    assert (found.subject, found.name) == ("a", "1")
    assert found.spacing_mm == pytest.approx(case.spacing_mm)
    np.testing.assert_array_equal(found.hu, case.hu)
    np.testing.assert_array_equal(found.labels[4:12], case.labels[4:12])
    assert (found.labels[:4] == ANYTHING).all()
    assert (found.labels[12:] == ANYTHING).all()


def test_names_say_which_muscle_with_or_without_a_side(tmp_path: Path) -> None:
    names = {"1": "Femur-Left", "3": "left gracilis", "10": "adductors", "11": "gluteus_maximus_right"}
    case = boxes("a")
    case.labels[5, 0, 0] = 10
    case.labels[5, 0, 1] = 11
    found = read_muscle_case(write(tmp_path, case, names | {"12": "hip"})).labels
    # Numbers of the file, 3 sartorius in ThighStructure and 11 gracilis, mean what its names say.
    assert found[8, 8, 5] == ThighStructure.GRACILIS
    assert found[8, 8, 12] == ThighStructure.FEMUR
    assert (found[5, 0, 0], found[5, 0, 1]) == (ADDUCTORS, ThighStructure.GLUTEUS_MAXIMUS)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (None, r"unknown label value\(s\) 77"),
        ({"1": "femur"}, r"unknown label value\(s\) 3, 11, 77"),
        ({"1": "femur", "3": "liver"}, "'liver' is no structure"),
        ({"1": "femur", "300": "gracilis"}, "the value 300"),
        (["femur"], "cannot be read as names"),
    ],
)
def test_faults_are_named_with_the_case(tmp_path: Path, names: object, words: str) -> None:
    case = boxes("a")
    case.labels[5, 0, 0] = 77
    with pytest.raises(CaseError, match=f"^Case a/1: .*{words}"):
        read_muscle_case(write(tmp_path, case, names))


def test_a_case_without_labels_is_refused(tmp_path: Path) -> None:
    case = boxes("a")
    case.labels[:] = 0
    with pytest.raises(CaseError, match="no slice has a label"):
        read_muscle_case(write(tmp_path, case))


def test_cases_come_in_order_one_by_one(tmp_path: Path) -> None:
    for subject in ("b", "a"):
        write(tmp_path, boxes(subject))
    cases = read_muscle_cases(tmp_path)
    assert len(cases) == 2
    assert [case.subject for case in cases] == ["a", "b"]
    with pytest.raises(CaseError, match="holds no cases"):
        read_muscle_cases(tmp_path / "a")


def test_a_case_is_brought_to_the_grid_of_the_blocks() -> None:
    hu = np.full((21, 41, 61), 50, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    labels[:, 21:, :] = 3
    found = gridded(MuscleCase("a", "1", hu, labels, (2.0, 1.0, 1.0)))
    assert found.spacing_mm == (4.0, 2.0, 2.0)
    assert found.hu.shape == found.labels.shape == (11, 21, 31)
    assert (found.hu == 50).all()
    assert (found.labels[:, 11:] == 3).all()
    assert (found.labels[:, :10] == 0).all()


def test_a_block_is_about_a_labelled_voxel_with_air_beyond_the_scan() -> None:
    hu = np.arange(6 * 7 * 8, dtype=np.int16).reshape(6, 7, 8)
    labels = np.zeros(hu.shape, np.uint8)
    labels[5, 3, 0] = 3
    block_hu, block_labels = cut_block(
        MuscleCase("a", "1", hu, labels, (4, 2, 2)), (4, 4, 4), torch.Generator()
    )
    assert block_labels[2, 2, 2] == 3
    assert block_hu[2, 2, 2] == hu[5, 3, 0]
    np.testing.assert_array_equal(block_hu[:3, :, 2:], hu[3:, 1:5, :2])
    for outside in (block_labels[3], block_labels[:, :, :2]):
        assert (outside == ANYTHING).all()
    assert (block_hu[3] == -1000).all()
