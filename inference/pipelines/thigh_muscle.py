"""Individual thigh muscles, left and right, from the fourth lumbar vertebra to the knee (Kim 2024)."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.anatomy import find_anatomy
from inference.engines import best_engine
from inference.errors import Refused
from inference.headers import number
from inference.metal import metal_flags, streaks
from inference.muscle_bundle import load_muscle_bundle
from inference.muscle_labelling import label_muscles
from inference.muscle_labels import MuscleLabeller
from inference.muscle_measure import measure_muscles
from inference.muscle_quality import muscle_flags
from inference.muscle_region import heads_mm, region_of
from inference.muscles import BONES, MUSCLES
from inference.networks.muscle_network import GAMMA, WINDOW_HU
from inference.pipelines.hip_tissue import COARSE_SPACING_MM, UPRIGHT
from inference.result import Measurement, ModelIdentity, Provenance, QualityFlag, Result, Segment, Side
from inference.sides import split_sides
from inference.tissue_protocol import MUSCLE_HU
from inference.volume import SeriesLayout

SEGMENTS = tuple(
    Segment(2 * structure - (side is Side.LEFT), structure.name.lower(), side)
    for structure in (*BONES, *MUSCLES)
    for side in Side
)

SHIPPED = Path(__file__).parents[1] / "bundles" / "thigh_muscle_dynunet"


class ThighMuscle:
    """A network labels muscles and bones, geometry tells the sides, HU draw the borders and find the fat.

    Args:
        bundle: folder of the network's bundle; None for the one that Coxa comes with.

    Raises:
        inference.errors.BundleError: the bundle cannot be used.
    """

    name = "thigh-muscle"

    def __init__(self, bundle: Path | None = None) -> None:
        model = load_muscle_bundle(bundle or SHIPPED)
        self.model = ModelIdentity(model.name, model.version, model.weights_sha256)
        self._labeller = MuscleLabeller(model, best_engine())

    def __call__(self, layout: SeriesLayout, route: str) -> Result:
        """Measures one series.

        Raises:
            inference.errors.Refused: no muscle of the thigh was found, or left could not be told from right.
        """
        step = max(1, int(COARSE_SPACING_MM / layout.geometry.spacing_between_slices))
        anatomy = find_anatomy(layout.read_volume(step=step))
        chosen = region_of(layout, anatomy)
        stored = layout.read_volume(chosen.start, chosen.stop)
        upright = stored.to_patient_orientation(UPRIGHT)
        found = label_muscles(self._labeller, upright.array, upright.spacing)
        sided = split_sides(found.labels, upright.spacing)
        if not sided.labels.any():
            raise Refused("no_thigh_muscles", _why(sided.flags))
        unreliable = None
        if found.metal.volume_cm3:
            unreliable = streaks(upright.array, found.calm, found.metal, upright.spacing)

        as_stored = stored.get_closest_patient_orientation()
        image = upright.with_array(found.calm).to_patient_orientation(as_stored)
        placed = upright.with_array(sided.labels).to_patient_orientation(as_stored)
        frames = layout.frames[chosen]
        measured = measure_muscles(
            image,
            placed,
            SEGMENTS,
            heads_mm(upright, anatomy),
            None
            if unreliable is None
            else upright.with_array(unreliable).to_patient_orientation(as_stored).array,
            number(frames[0].dataset, "PatientSize"),
        )
        quality = [
            *layout.notes,
            *measured.flags,
            *sided.flags,
            *muscle_flags(upright, found.soft, frames[0]),
        ]
        if unreliable is not None:
            quality += metal_flags(found.metal, sided.labels, unreliable, SEGMENTS, upright.spacing)
        return Result(
            frames=frames,
            image=stored,
            labels=placed,
            segments=SEGMENTS,
            measurements=measured.measurements,
            quality=tuple(quality),
            provenance=self._provenance(layout, route),
            reference_frame=_reference_frame(measured.measurements, placed.array),
            profiles=measured.profiles,
        )

    def _provenance(self, layout: SeriesLayout, route: str) -> Provenance:
        uids = dict.fromkeys(str(frame.dataset.SOPInstanceUID) for frame in layout.frames)
        low, high = WINDOW_HU
        return Provenance(
            route=route,
            model=self.model,
            software_version=version("coxa"),
            settings={
                "window": f"{low:g} to {high:g} HU, gamma {GAMMA:g}",
                "HU limits": f"fat within a muscle below {MUSCLE_HU}",
                "sides": "told by geometry",
                "metal": "reduced before labelling; HU around it are left out",
                "runtime": str(self._labeller.engine),
            },
            source_instance_uids=tuple(uids),
        )


def _why(flags: Sequence[QualityFlag]) -> str:
    return " ".join(flag.text for flag in flags) or "No muscle of a thigh was found."


def _reference_frame(measurements: tuple[Measurement, ...], labels: NDArray[np.uint8]) -> int:
    """The middle of the thigh; where that is not known, the slice with most muscle."""
    frames = [m.source_frame for m in measurements if m.source_frame is not None]
    if frames:
        return frames[0]
    return int(np.count_nonzero(labels, axis=(1, 2)).argmax())
