"""Reading label maps of people: NIfTI with a list of names, or DICOM Segmentation objects.

A folder holds, for each person, ``NAME.nii.gz`` with ``NAME.json`` (or one JSON file for several people,
named by what their names begin with), or ``NAME.dcm``; where the body's outline is known,
``NAME_body.nii.gz``. The JSON file maps values to names, ``{"1": "femur_left", ...}``, at its top or under
``labels``; a DICOM Segmentation has its names in the segments' labels.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from training.errors import TrainingError
from training.synthesis.signed_distance import Mask, Voxel

NIFTI = ".nii.gz"
OUTLINE = "_body"

STRAIGHT = 0.9
"""Cosine between the axes of the grid and the patient's, at least."""

ROUNDING_MM = 0.2
"""Grids whose voxels lie no further apart than this are the same, written by different programs."""

Affine = NDArray[np.float64]
"""From indices towards right, front and head to mm in the same directions."""


class LabelMapError(TrainingError):
    """A label map cannot be read; says which and why."""


@dataclass(frozen=True)
class LabelMap:
    """Labels of one person.

    Attributes:
        labels: uint8, axes foot to head, front to back, right to left.
        voxel_mm: along these axes.
        names: of the labels' values, without background.
        body: trunk and legs; None where nobody has drawn them.
    """

    name: str
    labels: NDArray[np.uint8]
    voxel_mm: Voxel
    names: dict[int, str]
    body: Mask | None

    def mask(self, wanted: set[str]) -> Mask:
        """Where any of these names is the label."""
        values = [value for value, name in self.names.items() if name in wanted]
        chosen = np.zeros(256, bool)
        chosen[values] = True
        mask: Mask = chosen[self.labels]
        return mask


def people_in(folder: Path) -> dict[str, list[Path]]:
    """Names of the people in a folder, sorted, with the files that belong to each.

    Raises:
        LabelMapError: there is no such folder, or nobody in it.
    """
    if not folder.is_dir():
        raise LabelMapError(
            f"There is no folder {folder}. Coxa comes without label maps; docs/training.md says what belongs "
            "there."
        )
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(NIFTI).removesuffix(".dcm")
        if name == path.name or name.endswith(OUTLINE):
            continue
        outline = folder / f"{name}{OUTLINE}{NIFTI}"
        names = [] if path.suffix == ".dcm" else [_names_file(path)]
        found[name] = [path, *names, *([outline] if outline.exists() else [])]
    if not found:
        raise LabelMapError(f"{folder} holds no label map (NAME{NIFTI} with NAME.json, or NAME.dcm).")
    return found


def read_label_map(files: list[Path]) -> LabelMap:
    """Read one person.

    Args:
        files: as ``people_in`` lists them: the map first.

    Raises:
        LabelMapError: labels, names and outline do not fit together, or the grid is oblique.
    """
    path = files[0]
    outlines = [file for file in files if file.name.endswith(OUTLINE + NIFTI)]
    body = None
    if path.suffix == ".dcm":
        labels, voxel_mm, affine, names = _read_segmentation(path)
    else:
        labels, voxel_mm, affine = _read_nifti(path)
        names = _read_names(files[1])
    if outlines:
        outline, _, outline_affine = _read_nifti(outlines[0])
        if outline.shape != labels.shape or _apart_mm(outline_affine, affine, labels.shape) > ROUNDING_MM:
            raise LabelMapError(f"{outlines[0].name} has another grid than {path.name}.")
        body = outline > 0
    unnamed = set(np.flatnonzero(np.bincount(labels.ravel()))) - set(names) - {0}
    if unnamed:
        raise LabelMapError(f"{path.name}: labels {sorted(map(int, unnamed))} have no name.")
    return LabelMap(path.name.removesuffix(NIFTI).removesuffix(".dcm"), labels, voxel_mm, names, body)


def _names_file(path: Path) -> Path:
    stem = path.name.removesuffix(NIFTI)
    own = path.with_name(f"{stem}.json")
    shared = [file for file in path.parent.glob("*.json") if stem.startswith(f"{file.stem}_")]
    if own.exists():
        return own
    if not shared:
        raise LabelMapError(f"{path.name} has no list of names: {own.name} is missing.")
    return max(shared, key=lambda file: len(file.stem))


def _read_names(path: Path) -> dict[int, str]:
    content = json.loads(path.read_text())
    names = content.get("labels", content)
    return {int(value): _plain(name) for value, name in names.items() if int(value)}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _apart_mm(one: Affine, other: Affine, shape: tuple[int, ...]) -> float:
    """How far apart the same voxel lies in two grids, along one axis, at most."""
    return float((abs(one - other) @ (*reversed(shape), 1)).max())


def _read_nifti(path: Path) -> tuple[NDArray[np.uint8], Voxel, Affine]:
    image = nib.load(path)
    canonical = nib.as_closest_canonical(image)  # type: ignore[no-untyped-call]
    right, front, foot = (float(side) for side in canonical.header.get_zooms()[:3])
    if (np.diag(canonical.affine)[:3] / (right, front, foot)).min() < STRAIGHT:
        raise LabelMapError(f"{path.name} is not drawn on axial slices.")
    values = np.asarray(canonical.dataobj)
    if values.ndim != 3 or values.min() < 0 or values.max() > 255:
        raise LabelMapError(f"{path.name} is not a map of labels from 0 to 255.")
    # Canonical is to the right, to the front, to the head.
    labels = np.ascontiguousarray(values[::-1, ::-1].transpose(2, 1, 0).astype(np.uint8))
    return labels, (foot, front, right), canonical.affine


def _read_segmentation(path: Path) -> tuple[NDArray[np.uint8], Voxel, Affine, dict[int, str]]:
    segmentation = hd.seg.segread(path)
    volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=True)
    volume = volume.to_patient_orientation("HPL")
    names = {
        number: _plain(segmentation.get_segment_description(number).segment_label)
        for number in segmentation.segment_numbers
    }
    foot, front, right = (float(side) for side in volume.spacing)
    affine = volume.to_patient_orientation("RAH").get_affine("RAH")
    return volume.array.astype(np.uint8), (foot, front, right), affine, names
