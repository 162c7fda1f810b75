"""Seven hip tissues on five slices about the thickest left femoral neck (Imani 2025, section 2.3)."""

from importlib.metadata import version
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from inference.agreement import agreement, agreement_flags
from inference.anatomy import Anatomy, ProximalFemur, find_anatomy
from inference.bone import BONE_HU, CORTICAL_HU
from inference.bundle import load_bundle
from inference.engines import best_engine
from inference.errors import Refused
from inference.femoral_neck import SLICES_BESIDE, find_reference_slice
from inference.headers import number
from inference.measure import HipSegments, measure_tissues
from inference.morphology import opened
from inference.pelvic_frame import Head
from inference.quality import image_flags, network_flags, result_flags
from inference.result import (
    Measurement,
    Provenance,
    QualityFlag,
    Result,
    Segment,
    Side,
    SourceFrame,
)
from inference.tissue_network import TissueNetwork
from inference.tissue_protocol import (
    BONE,
    CONTRAST_HU,
    FAT_HU,
    MARROW_HU,
    MUSCLE_END_HU,
    MUSCLE_HU,
    LabelledSlices,
    Tissue,
    label_tissues,
)
from inference.volume import SeriesLayout

UPRIGHT = "HPL"
"""Axes foot to head, front to back, right to left: the orientation in which the protocol is written."""

COARSE_SPACING_MM = 4.0
ABOVE_MM = 70.0
BELOW_MM = 110.0
"""What is read around the left femoral head: the joint and the neck, and the shaft well below."""

PIECE_MM = 2.0
"""Half of what is a piece. Bones of the protocol are wider all around by up to a pixel, which is none."""

SEGMENTS = tuple(Segment(int(tissue), tissue.name.lower()) for tissue in Tissue)

SHIPPED = Path(__file__).parents[1] / "bundles" / "hip_tissue"


class HipTissue:
    """A network labels; the paper's labelling protocol finds the body and checks the network.

    Args:
        bundle: folder of the network's bundle; None for the one that Coxa comes with.

    Raises:
        inference.errors.BundleError: the bundle cannot be used.
    """

    name = "hip-tissue"

    def __init__(self, bundle: Path | None = None) -> None:
        self._network = TissueNetwork(load_bundle(bundle or SHIPPED), best_engine())
        self.model = self._network.identity

    def __call__(self, layout: SeriesLayout, route: str) -> Result:
        """Measures one series.

        Raises:
            inference.errors.Refused: the hips, or the left femoral neck with two slices on each side of it,
                are not there or not sure enough.
        """
        step = max(1, int(COARSE_SPACING_MM / layout.geometry.spacing_between_slices))
        start, stop = _around_hips(layout, find_anatomy(layout.read_volume(step=step)))
        hips = layout.read_volume(start, stop).to_patient_orientation(UPRIGHT)
        anatomy = find_anatomy(hips)
        reference = find_reference_slice(hips, anatomy)
        wanted = slice(reference.index - SLICES_BESIDE, reference.index + SLICES_BESIDE + 1)
        measured = hips[wanted]
        protocol = label_tissues(hips.array, hips.spacing, _heads(hips, anatomy), wanted)
        tissue, doubts = self._label(measured, protocol)

        as_stored = layout.geometry.get_closest_patient_orientation()
        image = measured.to_patient_orientation(as_stored)
        labels = measured.with_array(tissue).to_patient_orientation(as_stored)
        frames = _frames(layout, image)
        measurements = measure_tissues(
            image,
            labels,
            SEGMENTS,
            SLICES_BESIDE,
            HipSegments(Tissue.MUSCLE, Tissue.HAEMATOPOIETIC_BONE_MARROW, Tissue.MARROW_ADIPOSE_TISSUE),
            number(frames[0].dataset, "PatientSize"),
        )
        quality = [
            *layout.notes,
            *image_flags(measured, protocol.body, protocol.labels, frames),
            *result_flags(reference, _areas_cm2(measurements)),
            *doubts,
        ]
        return Result(
            frames=frames,
            image=image,
            labels=labels,
            segments=SEGMENTS,
            measurements=measurements,
            quality=tuple(quality),
            provenance=self._provenance(layout, route),
            reference_frame=SLICES_BESIDE,
        )

    def _label(
        self, image: hd.Volume, protocol: LabelledSlices
    ) -> tuple[NDArray[np.uint8], list[QualityFlag]]:
        """The network's labels in the body, and what speaks against them.

        A piece of bone that the network takes for muscle or for nothing is the protocol's: it follows bones
        from slice to slice, where the network sees one slice, in which a trochanter's tip may lie alone.
        Whole pieces too bright for muscle, which contrast or metal is, are no tissue, as in the protocol.
        """
        row_mm, column_mm = image.pixel_spacing
        found = self._network.label(image.array, (row_mm, column_mm))
        own = np.where(protocol.body, found.labels, np.uint8(0))
        without_bone = np.isin(own, (0, Tissue.MUSCLE))
        overlooked = opened(np.isin(protocol.labels, BONE) & without_bone, PIECE_MM, (row_mm, column_mm))
        labels = np.where(overlooked, protocol.labels, own)
        bright = (labels == Tissue.MUSCLE) & (image.array > CONTRAST_HU)
        labels[opened(bright, PIECE_MM, (row_mm, column_mm))] = 0
        return labels, [
            *agreement_flags(agreement(own, protocol.labels)),
            *network_flags(found.mean_expected_dsc),
        ]

    def _provenance(self, layout: SeriesLayout, route: str) -> Provenance:
        uids = dict.fromkeys(str(frame.dataset.SOPInstanceUID) for frame in layout.frames)
        return Provenance(
            route=route,
            model=self.model,
            software_version=version("coxa"),
            settings={
                "reference slice": "thickest left femoral neck",
                "slices": str(2 * SLICES_BESIDE + 1),
                "HU limits": f"fat {FAT_HU} to {MUSCLE_HU}, muscle to {MUSCLE_END_HU}; in bone: adipose "
                f"marrow to {MARROW_HU}, haematopoietic to {BONE_HU}, trabecular to {CORTICAL_HU}, cortical "
                "above",
                "runtime": str(self._network.engine),
            },
            source_instance_uids=tuple(uids),
        )


def _around_hips(layout: SeriesLayout, anatomy: Anatomy) -> tuple[int, int]:
    """First and last but one slice index of what is needed of the series."""
    centres = [femur.head_centre_mm for femur in _both(anatomy)]
    levels = np.array([np.add(centre, (0, 0, way)) for centre in centres for way in (ABOVE_MM, -BELOW_MM)])
    indices = layout.geometry.map_reference_to_indices(levels)[:, 0]
    start, stop = int(np.floor(indices.min())), int(np.ceil(indices.max())) + 1
    return max(0, start), min(len(layout.frames), stop)


def _both(anatomy: Anatomy) -> tuple[ProximalFemur, ...]:
    """The femora of both sides: from them follow the midline, and what is inside and outside the pelvis."""
    if {femur.side for femur in anatomy.femora} != set(Side):
        raise Refused("hips_not_found", f"Both hips are needed. {anatomy.reason}")
    return anatomy.femora


def _heads(volume: hd.Volume, anatomy: Anatomy) -> dict[Side, Head]:
    heads = {}
    for femur in _both(anatomy):
        k, i, j = volume.map_reference_to_indices(np.array([femur.head_centre_mm]))[0]
        heads[femur.side] = Head((float(k), float(i), float(j)), femur.head_radius_mm)
    return heads


def _frames(layout: SeriesLayout, image: hd.Volume) -> tuple[SourceFrame, ...]:
    first = round(float(layout.geometry.map_reference_to_indices(np.array([image.position]))[0, 0]))
    return layout.frames[first : first + image.shape[0]]


def _areas_cm2(measurements: tuple[Measurement, ...]) -> dict[str, float]:
    areas = {m.segment_number: m.value or 0.0 for m in measurements if m.quantity == "area"}
    return {
        "bone": sum(areas[number] for number in BONE),
        "muscle": areas[Tissue.MUSCLE],
        "subcutaneous fat": areas[Tissue.SUBCUTANEOUS_ADIPOSE_TISSUE],
    }
