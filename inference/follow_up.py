"""What changed since an earlier scan: two results of one patient, compared muscle by muscle.

Loss and disparity ratio are those of Kim 2024 (Statistical analysis): prior minus present volume, and that
loss as a share of the prior volume. What the paper could not give is added: the interval, the change per
month, and a comparison over the part that both scans cover where one of them cuts a muscle off.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from pydicom.valuerep import DA

from inference.common_range import (
    SHORTEST_COMMON_MM,
    common_range_mm,
    is_cut_sideways,
    volume_within_cm3,
)
from inference.facts import contrast
from inference.headers import functional_group, number, text, texts
from inference.kernel import kernel_class
from inference.muscles import TOGETHER
from inference.result import (
    Measurement,
    ModelIdentity,
    Prior,
    Profile,
    QualityFlag,
    Result,
    Severity,
    Side,
)

DAYS_PER_MONTH = 30.4375
"""A twelfth of the mean Julian year."""

OVERLOOKED_CM3 = 1.0
"""More of a muscle than this in one scan, and nothing of it in the other, is no loss but an error."""

FOUND_ONCE = "Only one of the scans shows it, or a part of it, where both should."

Place = tuple[str, Side]
"""Name of a structure, as in the code table, and its side."""

MEMBERS: Mapping[str, tuple[str, ...]] = {
    structure: tuple(muscle.name.lower() for muscle in muscles) for structure, muscles in TOGETHER.items()
}
"""Of what several muscles together consist."""


@dataclass(frozen=True)
class Earlier:
    """What a comparison needs of a result.

    Attributes:
        study_date: when its images were made.
        model: what made its labels.
        software_version: version of Coxa that measured.
        values: of whole structures, by quantity and place; None where there is a reason for none.
        profiles: by place; empty where only a report is left of the result.
        acquisition: how its images were made, in words; only what is known.
        report_uids: series, class and instance UID of its report.
        remeasured: its images were measured again to be compared.
    """

    study_date: date
    model: ModelIdentity
    software_version: str
    values: Mapping[tuple[str, Place], float | None]
    profiles: Mapping[Place, Profile]
    acquisition: Mapping[str, str]
    report_uids: tuple[str, str, str] | None = None
    remeasured: bool = False


@dataclass(frozen=True)
class _Change:
    """Volumes to be compared, and over which range; or why there is nothing to compare."""

    now_cm3: float = 0.0
    prior_cm3: float = 0.0
    range_mm: tuple[float, float] | None = None
    absent_reason: str | None = None


def study_date(result: Result) -> date | None:
    """StudyDate of the images; None where it is absent or no date."""
    try:
        return DA(text(result.frames[0].dataset, "StudyDate")) or None
    except ValueError:
        return None


def as_earlier(result: Result) -> Earlier | None:
    """What later results of the patient are compared with; None where the images bear no date."""
    studied = study_date(result)
    if studied is None:
        return None
    place_of = {s.number: (s.name, s.side) for s in result.segments if s.side is not None}
    values = {
        (m.quantity, place): m.value
        for m in result.measurements
        if m.source_frame is None and (place := _place(m, place_of)) is not None
    }
    return Earlier(
        study_date=studied,
        model=result.provenance.model,
        software_version=result.provenance.software_version,
        values=values,
        profiles={place_of[p.segment_number]: p for p in result.profiles if p.segment_number in place_of},
        acquisition=acquisition(result),
    )


def acquisition(result: Result) -> dict[str, str]:
    """How the images were made, as far as it bears on volumes and fat fractions; only what is known."""
    frame = result.frames[0]
    rays = functional_group(frame.dataset, frame.frame_number, "CTXRayDetailsSequence")
    reconstruction = functional_group(frame.dataset, frame.frame_number, "CTReconstructionSequence")
    kernel = kernel_class(texts(reconstruction, "ConvolutionKernel"))
    facts = {"slice spacing": f"{result.image.spacing[0]:.2f} mm"}
    if kvp := number(rays, "KVP"):
        facts["tube voltage"] = f"{kvp:.0f} kV"
    if kernel != "unknown":
        facts["kernel"] = kernel
    if (given := contrast(frame.dataset)) is not None:
        facts["contrast medium"] = "given" if given else "none"
    return facts


def made_alike(earlier: Earlier, result: Result) -> bool:
    """Whether the same model and the same version of Coxa made both."""
    ours = result.provenance
    return (earlier.model, earlier.software_version) == (ours.model, ours.software_version)


def can_be_compared(result: Result) -> bool:
    """Whether anything in it is a whole structure of one side, which other scans show too.

    The volume of a tissue on five slices is none: it has no side.
    """
    return bool(_measured_places(result))


def compare(result: Result, earlier: Earlier) -> Result:
    """The result with what has changed: measurements, ``prior`` and flags.

    Nothing is added where the images of ``earlier`` were not made before those of ``result``, by date.

    Returns:
        For each muscle, group and total of a side: ``prior_volume`` cm3, ``volume_change`` cm3 (now less
        prior), ``disparity_ratio`` % of the prior volume (positive for a loss), ``volume_change_per_month``
        cm3/mo and ``fat_fraction_change`` (percentage points). Whole structures are compared whole; what
        either scan cuts off, over the range along the body that both cover.
    """
    now = as_earlier(result)
    if now is None or earlier.study_date >= now.study_date:
        return result
    places = _measured_places(result)
    if not any(("volume", place) in earlier.values for place in places):
        return _with_flag(
            result,
            "prior_not_compared",
            "An earlier result of the patient has nothing in common with this one.",
        )
    changes = {place: _change(place, now, earlier) for place in places}
    interval_days = (now.study_date - earlier.study_date).days
    measurements = [
        measurement
        for place, segment_number in places.items()
        for measurement in _measurements(place, segment_number, changes[place], interval_days, now, earlier)
    ]
    flags = [*_method_flags(result, earlier), *_acquisition_flags(now, earlier), *_range_flags(changes)]
    return replace(
        result,
        measurements=(*result.measurements, *measurements),
        quality=(*result.quality, *flags),
        prior=Prior(
            study_date=earlier.study_date,
            interval_days=interval_days,
            model=earlier.model,
            remeasured=earlier.remeasured,
            report_uids=earlier.report_uids,
        ),
    )


def _with_flag(result: Result, code: str, words: str) -> Result:
    return replace(result, quality=(*result.quality, QualityFlag(code, Severity.NOTE, words)))


def _place(measurement: Measurement, place_of: Mapping[int, Place]) -> Place | None:
    if measurement.segment_number is not None:
        return place_of.get(measurement.segment_number)
    if measurement.structure is None or measurement.side is None:
        return None
    return measurement.structure, measurement.side


def _measured_places(result: Result) -> dict[Place, int | None]:
    """Places with a volume or a reason for none, and their segments, in the order of the measurements."""
    place_of = {s.number: (s.name, s.side) for s in result.segments if s.side is not None}
    return {
        place: m.segment_number
        for m in result.measurements
        if m.quantity == "volume" and m.source_frame is None and (place := _place(m, place_of)) is not None
    }


def _change(place: Place, now: Earlier, earlier: Earlier) -> _Change:
    now_cm3, prior_cm3 = (scan.values.get(("volume", place)) for scan in (now, earlier))
    if now_cm3 is not None and prior_cm3 is not None:
        return _of_something(_Change(now_cm3, prior_cm3))
    structure, side = place
    members = [(name, side) for name in MEMBERS.get(structure, (structure,))]
    for scan, words in ((now, "This scan"), (earlier, "The earlier scan")):
        shown = [member for member in members if member in scan.profiles]
        if not shown:
            return _Change(absent_reason=f"{words} does not show it whole, nor how it lies along the body.")
        cut = [scan.profiles[member] for member in shown if scan.values.get(("volume", member)) is None]
        if any(is_cut_sideways(profile) for profile in cut):
            return _Change(absent_reason=f"{words} shows only a part of its width.")
    range_mm = common_range_mm(
        [scan.profiles[member] for scan in (now, earlier) for member in members if member in scan.profiles]
    )
    if range_mm is None:
        return _Change(
            absent_reason=f"Both scans cover less than {SHORTEST_COMMON_MM:g} mm of the body in common."
        )
    pairs_cm3 = [
        tuple(volume_within_cm3(scan.profiles.get(member), range_mm) for scan in (now, earlier))
        for member in members
    ]
    if any(min(pair) == 0 and max(pair) > OVERLOOKED_CM3 for pair in pairs_cm3):
        return _Change(absent_reason=FOUND_ONCE)
    now_cm3, prior_cm3 = map(sum, zip(*pairs_cm3, strict=True))
    return _of_something(_Change(now_cm3, prior_cm3, range_mm))


def _of_something(change: _Change) -> _Change:
    """A structure that one scan does not show at all was not found, which is not a loss."""
    if change.now_cm3 > 0 and change.prior_cm3 > 0:
        return change
    return _Change(absent_reason=FOUND_ONCE)


def _measurements(
    place: Place,
    segment_number: int | None,
    change: _Change,
    interval_days: int,
    now: Earlier,
    earlier: Earlier,
) -> list[Measurement]:
    def measurement(quantity: str, value: float | None, unit: str, reason: str | None = None) -> Measurement:
        if segment_number is not None:
            return Measurement(quantity, value, unit, segment_number, absent_reason=reason)
        structure, side = place
        return Measurement(quantity, value, unit, absent_reason=reason, structure=structure, side=side)

    if change.absent_reason is not None:
        return [measurement("volume_change", None, "cm3", change.absent_reason)]
    change_cm3 = change.now_cm3 - change.prior_cm3
    found = [
        measurement("prior_volume", change.prior_cm3, "cm3"),
        measurement("volume_change", change_cm3, "cm3"),
        measurement("disparity_ratio", -100 * change_cm3 / change.prior_cm3, "%"),
        measurement("volume_change_per_month", change_cm3 * DAYS_PER_MONTH / interval_days, "cm3/mo"),
    ]
    fat_now, fat_prior = (scan.values.get(("fat_fraction", place)) for scan in (now, earlier))
    # Fat is not spread evenly along a muscle: fractions of different parts of it are not compared.
    if change.range_mm is None and fat_now is not None and fat_prior is not None:
        found.append(measurement("fat_fraction_change", fat_now - fat_prior, "%"))
    return found


def _method_flags(result: Result, earlier: Earlier) -> list[QualityFlag]:
    ours, theirs = result.provenance.model, earlier.model
    if theirs != ours:
        same_name = (theirs.name, theirs.version) == (ours.name, ours.version)
        weights = " with other, or unknown, weights" if same_name else ""
        words = (
            f"The earlier scan was measured by {theirs.name} {theirs.version}{weights}, this one by "
            f"{ours.name} {ours.version}: every change includes the difference between the two."
        )
        return [QualityFlag("prior_of_other_model", Severity.WARNING, words)]
    if not made_alike(earlier, result):
        words = (
            f"The earlier scan was measured by version {earlier.software_version} of Coxa, this one by "
            f"version {result.provenance.software_version}, with the same model."
        )
        return [QualityFlag("prior_of_other_software", Severity.NOTE, words)]
    return []


def _acquisition_flags(now: Earlier, earlier: Earlier) -> list[QualityFlag]:
    different = [
        f"{what} {value}, then {earlier.acquisition[what]}"
        for what, value in now.acquisition.items()
        if earlier.acquisition.get(what, value) != value
    ]
    if not different:
        return []
    words = f"The two scans were not made alike: {'; '.join(different)}."
    return [QualityFlag("acquisition_differs", Severity.NOTE, words)]


def _range_flags(changes: Mapping[Place, _Change]) -> list[QualityFlag]:
    """One for each side and range: which structures were compared over it only."""
    together: defaultdict[tuple[Side, int, int], list[str]] = defaultdict(list)
    for (structure, side), change in changes.items():
        if change.range_mm is not None:
            low_mm, high_mm = change.range_mm
            together[side, round(low_mm), round(high_mm)].append(structure.replace("_", " "))
    return [
        QualityFlag(
            "change_over_common_range",
            Severity.NOTE,
            f"Changes on the {side} are over what both scans cover, {low_mm} to {high_mm} mm towards the "
            f"head from the centre of the femoral head: {', '.join(names)}.",
        )
        for (side, low_mm, high_mm), names in together.items()
    ]
