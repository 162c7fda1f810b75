"""How long does the thigh-muscle route take, from the files of a series to SEG, SR and picture, and on what?
The last line is the time and the peak memory of the whole.

    .venv/bin/python -m benchmarks.thigh_muscle [--bundle FOLDER] [--ct FOLDER] [--slices 400] [--threads 2]

Without --ct it is a series of two legs made of cylinders, 512 x 512 pixels of 0.8 mm, slices of 1.5 mm: what
the network makes of it does not matter, it takes as long as with any other. Stages within others are
indented.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.hip_tissue import peak_mb
from dicom_out.objects import write_objects
from inference import muscle_labelling, muscle_labels
from inference.pipelines import thigh_muscle
from inference.pipelines.thigh_muscle import SHIPPED, ThighMuscle
from inference.volume import SeriesLayout, read_layout
from node.by_hand import instances
from tests.series import Grid, write_series

MATRIX = 512
SPACING_MM = (1.5, 0.8, 0.8)
LEGS_MM = 100.0
"""Of each leg's middle from that of the picture."""

STAGES: tuple[tuple[ModuleType | type, str, str], ...] = (
    (SeriesLayout, "read_volume", "read and decode"),
    (thigh_muscle, "find_anatomy", "find the hips"),
    (thigh_muscle, "label_muscles", "label"),
    (muscle_labelling, "find_metal", "  find metal"),
    (muscle_labels, "resampled", "  to the network's grid"),
    (muscle_labels, "sliding_window_inference", "  network"),
    (muscle_labelling, "edged", "  back to the series, borders"),
    (thigh_muscle, "split_sides", "left and right"),
    (thigh_muscle, "measure_muscles", "measure"),
    (thigh_muscle, "muscle_flags", "flags"),
)


def main() -> None:
    """Prints one line per stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--ct", type=Path)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as root:
        files = instances(options.ct) if options.ct else write_legs(Path(root) / "ct", options.slices)
        pipeline = ThighMuscle(options.bundle)
        seconds = watched(STAGES)
        began = time.perf_counter()
        result = pipeline(read_layout(files), "thigh-muscle")
        measured = time.perf_counter()
        out = Path(root) / "out"
        out.mkdir()
        write_objects(result, out)
        whole = time.perf_counter() - began
    seconds["SEG, SR, picture"] = began + whole - measured
    print(f"{len(files)} files, {options.threads} thread(s), {pipeline.model.name} {pipeline.model.version}")
    for stage, spent in seconds.items():
        print(f"{stage:32}{spent:8.2f} s {100 * spent / whole:6.1f} %")
    print(f"whole: {whole:.1f} s, peak {peak_mb():.0f} MB")


def watched(stages: tuple[tuple[ModuleType | type, str, str], ...]) -> dict[str, float]:
    """Seconds spent in functions from now on, by stage."""
    seconds: dict[str, float] = defaultdict(float)

    def timed(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                seconds[stage] += time.perf_counter() - began

        return call

    for place, name, stage in stages:
        seconds[stage] = 0.0
        setattr(place, name, timed(getattr(place, name), stage))
    return seconds


def write_legs(folder: Path, slices: int) -> list[Path]:
    """Skin, fat, muscle and a femur in each leg."""
    rows, columns = SPACING_MM[1] * (np.indices((MATRIX, MATRIX)) - MATRIX / 2)
    plane = np.full((MATRIX, MATRIX), -1000, np.int16)
    for middle in (-LEGS_MM, LEGS_MM):
        for radius, hu in ((90.0, -105), (78.0, 55), (14.0, 1100), (8.0, -50)):
            plane[np.hypot(rows, columns - middle) < radius] = hu
    noise = np.random.default_rng(0).normal(0, 12, (8, MATRIX, MATRIX))
    hu: NDArray[np.int16] = np.stack([plane + noise[index % 8] for index in range(slices)]).astype(np.int16)
    return write_series(folder, hu.clip(-1024), Grid(spacing_mm=SPACING_MM))


if __name__ == "__main__":
    main()
