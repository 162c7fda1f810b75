"""The whole pipeline on a schematic hip: right slice, right side, the same numbers however it is stored."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.demo.schematic_hip import SchematicHip, make_schematic_hip
from inference.errors import Refused
from inference.pipelines import load_pipeline
from inference.result import Result, Severity, Side
from inference.tissue_network import NetworkLabels, TissueNetwork
from inference.tissue_protocol import Tissue
from inference.volume import read_layout
from tests.inference.bundles import write_bundle
from tests.series import FEET_FIRST, Grid, rotation_about, write_series

pytestmark = pytest.mark.slow

SPACING_MM = (3.0, 1.8, 1.8)


@pytest.fixture(scope="module")
def hip() -> SchematicHip:
    return make_schematic_hip(matrix=256, spacing_mm=SPACING_MM)


def stored(
    hip: SchematicHip,
    folder: Path,
    rotation: NDArray[np.float64],
    flip: tuple[int, ...],
    **attributes: object,
) -> Result:
    """Measures the same patient from files whose axes run another way."""
    hu = np.flip(hip.hu, flip)
    first = np.array([hip.hu.shape[axis] - 1 if axis in flip else 0 for axis in range(3)])
    x, y, z = (float(v) for v in (hip.affine @ [*first, 1])[:3])
    files = write_series(
        folder, hu, Grid(spacing_mm=SPACING_MM, origin_mm=(x, y, z), rotation=rotation), attributes=attributes
    )
    return load_pipeline("hip-tissue")(read_layout(files), "hip-tissue")


@pytest.fixture(scope="module")
def upright(hip: SchematicHip, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return stored(hip, tmp_path_factory.mktemp("upright"), np.eye(3), (), PatientSize="1.75")


def values(result: Result) -> dict[tuple[str, int | None], float]:
    return {(m.quantity, m.segment_number): m.value for m in result.measurements if m.value is not None}


def test_the_reference_slice_shows_the_left_neck(hip: SchematicHip, upright: Result) -> None:
    """Left and right lie 8 mm apart in height, so the other side would be noticed."""
    height_mm = upright.image.map_indices_to_reference(np.array([[upright.reference_frame, 0, 0]]))[0, 2]
    assert abs(height_mm - hip.neck_centres_mm[Side.LEFT][2]) <= SPACING_MM[0]


def test_all_seven_tissues_are_there(upright: Result) -> None:
    assert set(np.unique(upright.labels.array)) == set(range(8))
    assert len(upright.frames) == 5


def test_what_lies_in_the_left_neck_is_bone_and_around_the_body_is_nothing(
    hip: SchematicHip, upright: Result
) -> None:
    centre = [*hip.neck_centres_mm[Side.LEFT], 1]
    k, i, j = np.rint(np.linalg.inv(upright.labels.affine) @ centre)[:3].astype(int)
    assert upright.labels.array[k, i, j] in (1, 2, 3, 4)
    assert not upright.labels.array[:, [0, -1]].any()


@pytest.mark.parametrize(
    ("rotation", "flip"),
    [
        (rotation_about("z", 180), (1, 2)),
        (FEET_FIRST, (0, 2)),
        (rotation_about("x", 180), (0, 1)),
    ],
    ids=["turned in the plane", "feet first", "from behind"],
)
def test_the_way_of_storage_changes_nothing(
    hip: SchematicHip, upright: Result, tmp_path: Path, rotation: NDArray[np.float64], flip: tuple[int, ...]
) -> None:
    other = stored(hip, tmp_path, rotation, flip, PatientSize="1.75")
    assert values(other) == pytest.approx(values(upright), rel=1e-3)
    back = other.labels.match_geometry(upright.labels)
    assert (back.array == upright.labels.array).mean() > 0.9999


@pytest.mark.parametrize(
    ("coverage_mm", "code"), [((40.0, 150.0), "hips_not_found"), ((-150.0, -60.0), "hips_not_found")]
)
def test_without_the_hips_it_is_refused(tmp_path: Path, coverage_mm: tuple[float, float], code: str) -> None:
    part = make_schematic_hip(matrix=256, spacing_mm=SPACING_MM, coverage_mm=coverage_mm)
    with pytest.raises(Refused) as refused:
        stored(part, tmp_path, np.eye(3), ())
    assert refused.value.code == code


def test_a_prosthesis_on_the_right_is_refused(tmp_path: Path) -> None:
    metal = make_schematic_hip(matrix=256, spacing_mm=SPACING_MM, right_implant=True)
    with pytest.raises(Refused):
        stored(metal, tmp_path, np.eye(3), ())


def flags(hip: SchematicHip, hu: NDArray[np.int16], folder: Path, **attributes: object) -> set[str]:
    changed = SchematicHip(**{**hip.__dict__, "hu": hu})
    return {flag.code for flag in stored(changed, folder, np.eye(3), (), **attributes).quality}


def test_a_good_series_has_no_warnings(upright: Result) -> None:
    assert [flag.code for flag in upright.quality] == ["reference_slice"]
    assert upright.quality[0].severity is Severity.NOTE


def test_a_cut_field_of_view_noise_and_contrast_are_flagged(hip: SchematicHip, tmp_path: Path) -> None:
    hu = hip.hu.copy()
    hu += np.random.default_rng(0).normal(0, 45, hu.shape).astype(np.int16)
    hu = hu.clip(-1024, 3071)
    hu[:, :, 215:] = -1024
    found = flags(hip, hu, tmp_path, ContrastBolusAgent="Iohexol")
    assert found >= {"truncated_field_of_view", "noise", "contrast"}


@pytest.fixture(scope="module")
def by_untrained_network(hip: SchematicHip, tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("network")
    grid = Grid(spacing_mm=SPACING_MM, origin_mm=(0.0, 0.0, 0.0))
    pipeline = load_pipeline("hip-tissue", write_bundle(folder / "bundle"))
    return pipeline(read_layout(write_series(folder / "ct", hip.hu, grid)), "hip-tissue")


def test_a_network_that_labels_is_named_with_its_weights_and_runtime(by_untrained_network: Result) -> None:
    provenance = by_untrained_network.provenance
    assert (provenance.model.name, provenance.model.version) == ("untrained", "0.0.1")
    assert provenance.model.weights_sha256 is not None
    assert provenance.settings["runtime"].startswith("PyTorch")


def test_a_network_labels_nothing_outside_the_body(by_untrained_network: Result) -> None:
    labels, hu = by_untrained_network.labels.array, by_untrained_network.image.array
    assert labels.any()
    assert not labels[:, [0, -1]].any()
    assert not labels[hu < -900].any()


def test_of_a_network_that_sees_only_muscle_bones_and_bright_vessels_are_mended(
    hip: SchematicHip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hu = hip.hu.copy()
    row, column = vessel = (150, 64)
    rows, columns = np.ogrid[: hu.shape[1], : hu.shape[2]]
    hu[:, np.hypot(rows - row, columns - column) < 4] = 300
    monkeypatch.setattr(
        TissueNetwork,
        "label",
        lambda self, image, pixel_mm: NetworkLabels(np.full(image.shape, Tissue.MUSCLE, np.uint8), {}),
    )
    grid = Grid(spacing_mm=SPACING_MM, origin_mm=(0.0, 0.0, 0.0))
    pipeline = load_pipeline("hip-tissue")
    result = pipeline(read_layout(write_series(tmp_path, hu, grid)), "hip-tissue")
    labels = result.labels.array[result.reference_frame]
    assert labels[vessel] == 0
    assert labels[row, column + 8] == Tissue.MUSCLE
    assert (labels == Tissue.CORTICAL_BONE).sum() > 100


def test_an_untrained_network_is_found_out(by_untrained_network: Result) -> None:
    warnings = {flag.code for flag in by_untrained_network.quality if flag.severity is Severity.WARNING}
    assert warnings >= {"network_disagrees_with_protocol", "network_unsure"}


@pytest.mark.real_ct
def test_a_real_hip_has_a_mans_areas_on_both_sides(real_ct: Path) -> None:
    """Areas are within twice the range of Imani 2025, Table 4; one side of a man is like the other."""
    files = sorted((real_ct / "hip_siemens_l4_to_midthigh").iterdir())
    result = load_pipeline("hip-tissue")(read_layout(files), "hip-tissue")
    found = values(result)
    bone_cm2 = sum(found["area", number] for number in (1, 2, 3, 4))
    assert 60 < bone_cm2 < 150
    assert 120 < found["area", 5] < 330
    assert 9 < found["area", 6] < 60
    assert 60 < found["area", 7] < 270
    assert 20 < found["mean_hu", 5] < 70

    plane = result.labels.array[result.reference_frame]
    femur_columns = np.flatnonzero(np.isin(plane, (1, 2, 3, 4)).any(axis=0))
    middle = round(femur_columns.mean())
    for tissues in ((1, 2, 3, 4), (5,), (7,)):
        one, other = (np.isin(half, tissues).sum() for half in (plane[:, :middle], plane[:, middle:]))
        assert one == pytest.approx(other, rel=0.15)
