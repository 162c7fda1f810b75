"""How much of the error that implants make does Coxa take away? The last line is what is left, as a ratio.

    .venv/bin/python -m benchmarks.metal_reduction --anatomy FOLDER [--cache FOLDER] [--patients 1]

Synthetic patients of each person of a folder of label maps, with every kind of implant, each scanned twice:
with the metal and as if it were not there, with the same noise. Errors are of muscle within 60 mm of metal:
mean absolute HU, and the share of pixels that lie on the other side of -30 HU than without metal.

Each slice is scanned in two ways: as the synthesis does it, and, because its law of beam hardening is of the
kind that Coxa's method expects, with a spectrum of five energies through steel. Compared are interpolation of
the metal's trace (Kalender 1987, Radiology 164:576) and its normalised form (Meyer 2010, Med Phys 37:5482).
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from inference.metal import find_metal, reduced
from inference.projection import ParallelBeam
from inference.result import Side
from training.synthesis.attenuation import WATER_CM2_PER_G
from training.synthesis.exposure import Slab, expose
from training.synthesis.implants import ImplantKind, draw_implant
from training.synthesis.patient import Patient, draw_patient
from training.synthesis.people import load_people
from training.synthesis.scanner_settings import ScannerSettings, sample_settings
from training.synthesis.structures import Anatomy
from training.synthesis.variation import draw, load_variation

Plane = NDArray[np.int16]
Mask = NDArray[np.bool_]

PIXEL_MM = 1.0
CANVAS = (256, 384)
LEVELS_MM = ((-5.0, 20.0), (-50.0, -20.0), (-110.0, -60.0))
"""Above the femoral heads: through heads, trochanters and shafts."""
WITHIN_MM = 60.0
LEAST_MUSCLE_MM2 = 300
FAT_HU = -30

COARSE_MM, VIEWS = 2.0, 180
SPECTRUM = (0.15, 0.25, 0.25, 0.22, 0.13)
"""Chosen: photons at the tabulated energies behind a filter at 120 kVp."""
STEEL_PER_CM = tuple(7.9 * iron for iron in (3.629, 1.958, 1.205, 0.5952, 0.3717))
"""Iron: Hubbell and Seltzer, NIST Standard Reference Database 126, table 3."""


@dataclass(frozen=True)
class Case:
    """One slice, (row, column).

    Attributes:
        hu: with metal.
        truth: the same scan without it.
        muscle: muscles with the fat in them.
    """

    hu: Plane
    truth: Plane
    muscle: Mask


def main() -> None:
    """Prints one line per way to scan and method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--anatomy", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--patients", type=int, default=1, help="of each person and kind of implant")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scans: dict[str, list[Case]] = {"as in training": [], "through steel": []}
    for synthetic, steel in slices(options.anatomy, options.cache, options.patients):
        scans["as in training"].append(synthetic)
        scans["through steel"].append(steel)
    print(f"{'scan, method':46}{'HU':>8}{'side, %':>9}{'10 % better, HU / side':>24}{'worst':>12}{'s':>8}")
    ratios = [report(scan, cases) for scan, cases in scans.items()]
    print("left of the error, HU and side: " + "; ".join(ratios))


def slices(anatomy: Path, cache: Path | None, patients: int) -> Iterator[tuple[Case, Case]]:
    """Slices with metal in them, scanned in both ways."""
    random = torch.Generator().manual_seed(5)
    variation = load_variation()
    rows, columns = (PIXEL_MM * (torch.arange(size) - size / 2) for size in CANVAS)
    number = 0
    for person in load_people(anatomy, cache):
        known = Anatomy(person, torch.device("cpu"))
        for kind in list(ImplantKind) * patients:
            number += 1
            sides = ((Side.LEFT,), (Side.RIGHT,), tuple(Side))[number % 3]
            implants = {side: draw_implant(person.landmarks[side], kind, random) for side in sides}
            patient = replace(draw_patient(known, variation, random), implants=implants)
            settings = sample_settings(variation.scanner, 1, random)
            for levels in LEVELS_MM:
                level, seed = draw(levels, random), int(torch.randint(1 << 30, (), generator=random))
                slab = Slab.of(patient, level, float(settings.thickness_mm), rows, columns)
                bare = replace(slab, metal=torch.zeros_like(slab.metal))
                with_metal, without = (scanned(one, settings, seed) for one in (slab, bare))
                muscle = muscle_on(patient, level, rows, columns)
                synthetic = Case(with_metal, without, muscle)
                if near_metal(synthetic).sum() >= LEAST_MUSCLE_MM2:
                    yield synthetic, Case(through_steel(without, slab.metal[0]), without, muscle)


def scanned(slab: Slab, settings: ScannerSettings, seed: int) -> Plane:
    """One slice, as a scanner gives it."""
    hu, _ = expose(slab, PIXEL_MM, settings, torch.Generator().manual_seed(seed))
    plane: Plane = hu[0].round().to(torch.int16).numpy()
    return plane


def muscle_on(patient: Patient, level_mm: float, rows: Tensor, columns: Tensor) -> Mask:
    """Muscles with the fat in them."""
    return np.asarray(patient.render(level_mm, rows, columns).muscle.numpy() > 0)


def through_steel(truth: Plane, metal: Tensor) -> Plane:
    """The scan with metal, by a spectrum; without it, line integrals are those of water."""
    beam, coarse = coarsely(torch.from_numpy(truth).float())
    _, share = coarsely(metal)
    water_mm, steel_mm = beam.project((1 + coarse / 1000).clamp_min(0)), beam.project(share)
    photons = torch.tensor(SPECTRUM)

    def attenuated(water: Tensor, steel: Tensor) -> Tensor:
        per_energy = [
            weight.log() - water * per_g / 10 - steel * iron / 10
            for weight, per_g, iron in zip(photons, WATER_CM2_PER_G, STEEL_PER_CM, strict=True)
        ]
        return -torch.stack(per_energy).logsumexp(0)

    depths = torch.arange(0, 3000, 0.5)
    curve = attenuated(depths, torch.zeros_like(depths))
    seen_mm = np.interp(attenuated(water_mm, steel_mm).numpy(), curve.numpy(), depths.numpy())
    excess = torch.from_numpy(seen_mm).float() - water_mm
    excess -= steel_mm * (excess * steel_mm).sum() / steel_mm.square().sum()
    errors = finely(beam.reconstruct(excess) * 1000, truth)
    hu = np.where(metal.numpy() > 0.3, 3071, truth + errors)
    return np.asarray(hu.clip(-1024, 3071).round(), np.int16)


def coarsely(plane: Tensor) -> tuple[ParallelBeam, Tensor]:
    """A scanner for a coarse grid, and the picture on it, (1, row, column)."""
    shape = tuple(round(size * PIXEL_MM / COARSE_MM) for size in plane.shape)
    beam = ParallelBeam((shape[0], shape[1]), COARSE_MM, VIEWS)
    return beam, torch.nn.functional.adaptive_avg_pool2d(plane[None], beam.shape)


def finely(coarse: Tensor, like: Plane) -> NDArray[np.float32]:
    """Back on the grid of a picture."""
    fine = torch.nn.functional.interpolate(
        coarse[None], size=like.shape, mode="bilinear", align_corners=False
    )
    return np.asarray(fine[0, 0].numpy())


def coxa(hu: Plane, _: Mask) -> Plane:
    """As the thigh route does it, with the metal that it finds."""
    spacing_mm = (3.0, PIXEL_MM, PIXEL_MM)
    one: Plane = reduced(hu[None], find_metal(hu[None], spacing_mm), spacing_mm)[0]
    return one


def linear(hu: Plane, metal: Mask) -> Plane:
    """Kalender 1987: the metal's trace is interpolated."""
    return interpolated(hu, metal, torch.zeros_like)


def normalised(hu: Plane, metal: Mask) -> Plane:
    """Meyer 2010, with a prior of air, soft tissue, and bone as it is, from the picture itself."""

    def prior(coarse: Tensor) -> Tensor:
        smooth = torch.from_numpy(ndimage.gaussian_filter(coarse.numpy(), (0, 1, 1)))
        classes = torch.where(smooth < -500, 0.0, torch.where(smooth < -40, 0.9, 1.05))
        return torch.where(smooth > 200, 1 + coarse.clamp(200, 2000) / 1000, classes)

    return interpolated(hu, metal, prior)


def interpolated(hu: Plane, metal: Mask, prior: Callable[[Tensor], Tensor]) -> Plane:
    """What differs from a prior (1 is water) is interpolated linearly through the metal's trace."""
    wide = ndimage.binary_dilation(metal)
    beam, coarse = coarsely(torch.from_numpy(np.where(wide, 40, hu)).float())
    _, share = coarsely(torch.from_numpy(wide).float())
    trace = (beam.project(share) > 0.25).numpy()[0]
    seen = beam.project(1 + coarse / 1000).numpy()[0]
    expected = beam.project(prior(coarse)).numpy()[0]
    change, bins = np.zeros_like(seen), np.arange(beam.bins)
    for view, cut in enumerate(trace):
        rest = seen[view] - expected[view]
        change[view][cut] = np.interp(bins[cut], bins[~cut], rest[~cut]) - rest[cut]
    better = hu + finely(beam.reconstruct(torch.from_numpy(change)[None]) * 1000, hu)
    return np.asarray(np.where(metal, hu, better.clip(-1024, 3071).round()), np.int16)


METHODS: Mapping[str, Callable[[Plane, Mask], Plane]] = {
    "nothing": lambda hu, _: hu,
    "interpolated (Kalender 1987)": linear,
    "normalised (Meyer 2010)": normalised,
    "Coxa": coxa,
}


def report(scan: str, cases: list[Case]) -> str:
    """One line per method; returns what Coxa leaves."""
    before = np.array([errors(case, case.hu) for case in cases])
    for name, method in METHODS.items():
        seconds, after = [], []
        for case in cases:
            began = time.perf_counter()
            hu = method(case.hu, bright(case.hu))
            seconds.append(time.perf_counter() - began)
            after.append(errors(case, hu))
        left = np.array(after)
        better = (left < 0.9 * before).mean(axis=0)
        # One pixel in a hundred is no great harm, nor half a HU: neither makes a ratio.
        worst = (left / before.clip((0.5, 0.01))).max(axis=0)
        mean = left.mean(axis=0)
        print(
            f"{scan + ', ' + name:46}{mean[0]:8.2f}{100 * mean[1]:9.2f}{better[0]:16.0%}{better[1]:8.0%}"
            f"{worst[0]:6.2f}{worst[1]:6.2f}{statistics.median(seconds):8.3f}"
        )
    ratio = mean / before.mean(axis=0)
    return f"{scan} {ratio[0]:.2f} and {ratio[1]:.2f} of {len(cases)} slices"


def errors(case: Case, hu: Plane) -> tuple[float, float]:
    """Mean absolute HU, and share on the wrong side of the threshold of fat."""
    where = near_metal(case)
    found, truth = hu[where].astype(float), case.truth[where].astype(float)
    return float(np.abs(found - truth).mean()), float(((found < FAT_HU) != (truth < FAT_HU)).mean())


def near_metal(case: Case) -> Mask:
    """Muscle near metal, not the metal."""
    metal = bright(case.hu)
    if not metal.any():
        return metal
    return case.muscle & ~metal & (ndimage.distance_transform_edt(~metal) * PIXEL_MM <= WITHIN_MM)


def bright(hu: Plane) -> Mask:
    """Metal as a threshold gives it."""
    return hu > 2200


if __name__ == "__main__":
    main()
