"""The part of the body that two scans both cover, and how much of a muscle lies in it."""

from collections.abc import Sequence

import numpy as np

from inference.result import Profile

SHORTEST_COMMON_MM = 40.0
"""Less of a muscle than this says nothing about the muscle."""

END_SLABS = 2
"""A muscle that the scan's end cuts off reaches one of so many slabs from it."""


def common_range_mm(profiles: Sequence[Profile]) -> tuple[float, float] | None:
    """Range that all profiles cover, towards the head from the femoral head; None where it is too short.

    A profile runs over all slices of its series, so its range is what the scan covers, not where the muscle
    ends. Its end slabs are left out: the scan may cover them only in part.
    """
    low_mm = max(p.first_mm + 0.5 * p.step_mm for p in profiles)
    high_mm = min(p.first_mm + (len(p.volume_cm3) - 1.5) * p.step_mm for p in profiles)
    return (low_mm, high_mm) if high_mm - low_mm >= SHORTEST_COMMON_MM else None


def volume_within_cm3(profile: Profile | None, range_mm: tuple[float, float]) -> float:
    """Volume in a range that need not begin or end with a slab: in a slab it is taken as even.

    Args:
        profile: None for a structure that was not found.
        range_mm: lower and upper limit, towards the head from the femoral head.
    """
    if profile is None:
        return 0.0
    edges_mm = profile.first_mm + (np.arange(len(profile.volume_cm3) + 1) - 0.5) * profile.step_mm
    below_cm3 = np.concatenate([[0.0], np.cumsum(profile.volume_cm3)])
    low_cm3, high_cm3 = np.interp(range_mm, edges_mm, below_cm3)
    return float(high_cm3 - low_cm3)


def is_cut_sideways(profile: Profile) -> bool:
    """Whether a structure that is cut off does not reach an end of the scan: then no slab can be trusted."""
    volumes = profile.volume_cm3
    return any(volumes) and not any((*volumes[:END_SLABS], *volumes[-END_SLABS:]))
