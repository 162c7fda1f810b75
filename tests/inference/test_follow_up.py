"""What changed: numbers that can be worked out by hand, and nothing where nothing can be said."""

from dataclasses import replace
from datetime import date

import pytest

from inference.common_range import common_range_mm, volume_within_cm3
from inference.follow_up import MEMBERS, Earlier, as_earlier, can_be_compared, compare
from inference.muscles import MUSCLES
from inference.result import Measurement, ModelIdentity, Result, Segment, Severity, Side
from tests.inference.follow_up_results import (
    MODEL,
    RECTUS,
    SARTORIUS,
    by_other_software,
    make_result,
    profile,
    volumes,
)

BEFORE, AFTER = date(2024, 1, 10), date(2024, 3, 11)
DAYS = 61
CHANGES = (
    "prior_volume", "volume_change", "disparity_ratio", "volume_change_per_month", "fat_fraction_change"
)  # fmt: skip


def earlier(result: Result) -> Earlier:
    found = as_earlier(result)
    assert found is not None
    return found


def changes(result: Result, number: int | None = SARTORIUS) -> dict[str, float | None]:
    return {
        m.quantity: m.value
        for m in result.measurements
        if m.quantity in CHANGES and m.segment_number == number
    }


def flags(result: Result) -> dict[str, str]:
    return {flag.code: flag.text for flag in result.quality}


def fat(percent: float) -> Measurement:
    return Measurement("fat_fraction", percent, "%", SARTORIUS)


def test_a_muscle_that_both_scans_show_whole_is_compared_whole() -> None:
    prior = earlier(make_result(BEFORE, *volumes({SARTORIUS: 120.0}), fat(6.5)))
    result = compare(make_result(AFTER, *volumes({SARTORIUS: 90.0}), fat(9.0)), prior)
    assert changes(result) == pytest.approx(
        {
            "prior_volume": 120,
            "volume_change": -30,
            "disparity_ratio": 25,
            "volume_change_per_month": -30 / (DAYS / 30.4375),
            "fat_fraction_change": 2.5,
        }
    )
    assert result.prior is not None
    assert (result.prior.study_date, result.prior.interval_days) == (BEFORE, DAYS)
    assert (result.prior.model, result.prior.remeasured) == (MODEL, False)
    assert not flags(result)


def test_a_gain_is_a_negative_disparity() -> None:
    prior = earlier(make_result(BEFORE, *volumes({SARTORIUS: 80.0})))
    found = changes(compare(make_result(AFTER, *volumes({SARTORIUS: 100.0})), prior))
    assert found["disparity_ratio"] == pytest.approx(-25)
    assert found["volume_change"] == pytest.approx(20)


def test_units_and_sides_stay_with_their_segment() -> None:
    prior = earlier(make_result(BEFORE, *volumes({SARTORIUS: 120.0, 6: 100.0})))
    result = compare(make_result(AFTER, *volumes({SARTORIUS: 90.0, 6: 99.0})), prior)
    units = {m.quantity: m.unit for m in result.measurements if m.quantity in CHANGES}
    assert units == {
        "prior_volume": "cm3",
        "volume_change": "cm3",
        "disparity_ratio": "%",
        "volume_change_per_month": "cm3/mo",
    }
    assert changes(result, 6)["volume_change"] == pytest.approx(-1)


@pytest.mark.parametrize("studied", [None, BEFORE, date(2024, 1, 9)])
def test_nothing_is_compared_with_a_scan_that_is_not_earlier(studied: date | None) -> None:
    prior = earlier(make_result(BEFORE, *volumes({SARTORIUS: 120.0})))
    result = make_result(studied, *volumes({SARTORIUS: 90.0}))
    assert compare(result, prior) == result


def test_groups_and_totals_are_compared_too() -> None:
    def total(value: float) -> Measurement:
        return Measurement("volume", value, "cm3", structure="thigh_muscles", side=Side.LEFT)

    result = compare(make_result(AFTER, total(2000.0)), earlier(make_result(BEFORE, total(2500.0))))
    (ratio,) = [m for m in result.measurements if m.quantity == "disparity_ratio"]
    assert (ratio.structure, ratio.side, ratio.segment_number) == ("thigh_muscles", Side.LEFT, None)
    assert ratio.value == pytest.approx(20)


class TestCommonRange:
    """A muscle of even thickness, 2 cm3 per 5 mm before and 1.5 cm3 after."""

    def scans(self, *, prior_slabs: int = 40, shift_mm: float = 0.0) -> tuple[Result, Earlier]:
        """Now from -200 to -30 mm; before from -100 mm up."""
        now = make_result(
            AFTER, *volumes({SARTORIUS: None}), fat(9), profiles=(profile(SARTORIUS, -197.5, *[1.5] * 34),)
        )
        before = make_result(
            BEFORE,
            *volumes({SARTORIUS: None}),
            fat(6),
            profiles=(profile(SARTORIUS, -97.5 + shift_mm, *[2.0] * prior_slabs),),
        )
        return now, earlier(before)

    @pytest.mark.parametrize("shift_mm", [0.0, 1.7, -3.2])
    def test_is_what_both_cover_but_for_the_end_slabs(self, shift_mm: float) -> None:
        result = compare(*self.scans(shift_mm=shift_mm))
        low, high = -100 + 5 + shift_mm, -30 - 5
        found = changes(result)
        assert found["prior_volume"] == pytest.approx(2.0 * (high - low) / 5)
        assert found["volume_change"] == pytest.approx(-0.5 * (high - low) / 5)
        assert found["disparity_ratio"] == pytest.approx(25)
        assert flags(result) == {
            "change_over_common_range": f"Changes on the left are over what both scans cover, {low:.0f} to "
            f"{high:.0f} mm towards the head from the centre of the femoral head: sartorius."
        }

    def test_gives_no_change_of_fat_because_fat_is_not_even(self) -> None:
        assert "fat_fraction_change" not in changes(compare(*self.scans()))

    def test_that_is_too_short_gives_no_change_but_the_reason(self) -> None:
        result = compare(*self.scans(shift_mm=25.0))
        (absent,) = [m for m in result.measurements if m.quantity == "volume_change"]
        assert absent.value is None
        assert absent.absent_reason == "Both scans cover less than 40 mm of the body in common."

    def test_ends_where_a_scan_ends_not_where_the_muscle_ends(self) -> None:
        """Atrophy at the tip of the muscle is a loss, and stays in the comparison."""
        now = make_result(
            AFTER,
            *volumes({SARTORIUS: None}),
            profiles=(profile(SARTORIUS, 2.5, *[1.0] * 10, *[0.0] * 10),),
        )
        before = make_result(
            BEFORE, *volumes({SARTORIUS: 15.0}), profiles=(profile(SARTORIUS, 2.5, *[1.0] * 15, *[0.0] * 5),)
        )
        found = changes(compare(now, earlier(before)))
        assert found["prior_volume"] == pytest.approx(14)
        assert found["volume_change"] == pytest.approx(-5)

    def test_means_nothing_for_a_muscle_that_is_cut_at_its_side(self) -> None:
        now = make_result(
            AFTER,
            *volumes({SARTORIUS: None}),
            profiles=(profile(SARTORIUS, 2.5, 0, 0, *[1.0] * 20, 0, 0),),
        )
        before = make_result(
            BEFORE, *volumes({SARTORIUS: 20.0}), profiles=(profile(SARTORIUS, 2.5, 0, 0, *[1.0] * 20, 0, 0),)
        )
        result = compare(now, earlier(before))
        (absent,) = [m for m in result.measurements if m.quantity == "volume_change"]
        assert absent.absent_reason == "This scan shows only a part of its width."

    def test_is_not_known_of_a_report(self) -> None:
        now, before = self.scans()
        result = compare(now, replace(before, profiles={}))
        (absent,) = [m for m in result.measurements if m.quantity == "volume_change"]
        assert absent.absent_reason == (
            "The earlier scan does not show it whole, nor how it lies along the body."
        )

    def test_of_a_group_is_summed_over_its_members(self) -> None:
        def scan(studied: date, sartorius: float, rectus: float) -> Result:
            group = Measurement("volume", None, "cm3", structure="anterior_thigh_muscles", side=Side.LEFT)
            return make_result(
                studied,
                *volumes({SARTORIUS: None, RECTUS: 50.0}),
                group,
                profiles=(
                    profile(SARTORIUS, 0, *[sartorius] * 22),
                    profile(RECTUS, 0, 0, *[rectus] * 20, 0),
                ),
            )

        result = compare(scan(AFTER, 1.0, 2.0), earlier(scan(BEFORE, 2.0, 3.0)))
        (change,) = [m for m in result.measurements if m.quantity == "volume_change" and m.structure]
        assert change.value == pytest.approx(-2 * 20)

    def test_a_muscle_found_in_one_scan_only_is_no_loss(self) -> None:
        now = make_result(
            AFTER, *volumes({SARTORIUS: None}), profiles=(profile(SARTORIUS, 0, 1.0, *[0.0] * 21),)
        )
        before = make_result(
            BEFORE, *volumes({SARTORIUS: None}), profiles=(profile(SARTORIUS, 0, *[1.0] * 22),)
        )
        result = compare(now, earlier(before))
        (absent,) = [m for m in result.measurements if m.quantity == "volume_change"]
        assert absent.value is None
        assert "Only one of the scans" in str(absent.absent_reason)


def test_a_range_cuts_through_slabs() -> None:
    spread = profile(SARTORIUS, 2.5, 1.0, 2.0, 3.0)
    assert volume_within_cm3(spread, (0, 15)) == pytest.approx(6)
    assert volume_within_cm3(spread, (4, 11)) == pytest.approx(0.2 + 2 + 0.6)
    assert volume_within_cm3(None, (0, 15)) == 0


def test_a_range_needs_profiles_that_overlap() -> None:
    assert common_range_mm([profile(1, 0, *[0.0] * 20), profile(1, 500, *[0.0] * 20)]) is None
    assert common_range_mm([profile(1, 2.5, *[0.0] * 20)]) == pytest.approx((5, 95))


class TestMethod:
    @pytest.mark.parametrize(
        ("model", "words"),
        [
            (ModelIdentity("thigh-muscle", "0.9", "0" * 64), "measured by thigh-muscle 0.9, this one by"),
            (ModelIdentity("other", "1.0", "0" * 64), "measured by other 1.0, this one by thigh-muscle 1.0"),
            (ModelIdentity("thigh-muscle", "1.0", "1" * 64), "1.0 with other, or unknown, weights"),
            (ModelIdentity("thigh-muscle", "1.0"), "1.0 with other, or unknown, weights"),
        ],
    )
    def test_another_model_is_a_warning(self, model: ModelIdentity, words: str) -> None:
        prior = earlier(make_result(BEFORE, *volumes({SARTORIUS: 120.0}), model=model))
        result = compare(make_result(AFTER, *volumes({SARTORIUS: 90.0})), prior)
        (flag,) = result.quality
        assert (flag.code, flag.severity) == ("prior_of_other_model", Severity.WARNING)
        assert words in flag.text
        assert changes(result)["volume_change"] == pytest.approx(-30)

    def test_another_version_of_coxa_is_a_note(self) -> None:
        before = by_other_software(make_result(BEFORE, *volumes({SARTORIUS: 120.0})), "1.1")
        result = compare(make_result(AFTER, *volumes({SARTORIUS: 90.0})), earlier(before))
        assert "version 1.1 of Coxa, this one by version 1.2" in flags(result)["prior_of_other_software"]

    def test_other_settings_of_the_scanner_are_said(self) -> None:
        before = make_result(
            BEFORE, *volumes({SARTORIUS: 1.0}), header={"KVP": "100", "ContrastBolusAgent": "NONE"}
        )
        now = make_result(AFTER, *volumes({SARTORIUS: 1.0}), header={"ContrastBolusAgent": "IOMERON"})
        assert flags(compare(now, earlier(before)))["acquisition_differs"] == (
            "The two scans were not made alike: tube voltage 120 kV, then 100 kV; "
            "contrast medium given, then none."
        )

    def test_what_is_unknown_of_one_scan_is_no_difference(self) -> None:
        before = make_result(BEFORE, *volumes({SARTORIUS: 1.0}), header={"KVP": None})
        assert not flags(compare(make_result(AFTER, *volumes({SARTORIUS: 1.0})), earlier(before)))


def test_a_result_without_sides_has_nothing_to_compare() -> None:
    result = replace(make_result(AFTER, *volumes({1: 3.0})), segments=(Segment(1, "muscle"),))
    assert not can_be_compared(result)
    assert can_be_compared(make_result(AFTER, *volumes({SARTORIUS: 3.0})))


def test_a_prior_of_something_else_is_said() -> None:
    prior = earlier(make_result(BEFORE, *volumes({RECTUS: 120.0})))
    result = compare(make_result(AFTER, *volumes({SARTORIUS: 90.0})), prior)
    assert list(flags(result)) == ["prior_not_compared"]
    assert result.prior is None


def test_all_muscles_together_are_the_21() -> None:
    assert sorted(MEMBERS["thigh_muscles"]) == sorted(muscle.name.lower() for muscle in MUSCLES)
    assert len(MEMBERS["thigh_muscles"]) == sum(len(MEMBERS[name]) for name in MEMBERS) - 21
