"""result.json of a result with sides, groups, profiles and a prior."""

from dataclasses import replace
from datetime import date

from dicom_out.summary import summarise
from inference.result import Measurement, ModelIdentity, Prior, Profile, Result, Segment, Side

LEFT = Segment(5, "sartorius", Side.LEFT)


def test_it_says_where_how_spread_and_compared_with_what(result: Result) -> None:
    with_prior = replace(
        result,
        segments=(LEFT,),
        measurements=(
            Measurement("volume", 90.0, "cm3", 5),
            Measurement("volume", 800.0, "cm3", structure="gluteal_muscles", side=Side.RIGHT),
            Measurement("asymmetry_index", 3.0, "%", structure="sartorius"),
        ),
        profiles=(Profile(5, -2.5, 5.0, (1.23456, 2.0)),),
        prior=Prior(date(2023, 7, 1), 185, ModelIdentity("m", "1"), True, ("1.1", "1.2", "1.3")),
    )
    summary = summarise(with_prior)
    places = [(row["tissue"], row["tissue_label"], row["side"]) for row in summary["measurements"]]
    assert places == [
        ("sartorius", "Sartorius", "left"),
        ("gluteal_muscles", "Gluteal muscles", "right"),
        ("sartorius", "Sartorius", None),
    ]
    assert summary["profiles"] == [
        {
            "tissue": "sartorius",
            "side": "left",
            "segment_number": 5,
            "first_mm": -2.5,
            "step_mm": 5.0,
            "volume_cm3": [1.2346, 2.0],
        }
    ]
    assert summary["prior"] == {
        "study_date": "2023-07-01",
        "interval_days": 185,
        "model": {"name": "m", "version": "1", "weights_sha256": None},
        "remeasured": True,
        "report": {
            "series_instance_uid": "1.1",
            "sop_class_uid": "1.2",
            "sop_instance_uid": "1.3",
        },
    }
    assert summary["provenance"]["study_date"] == "2024-01-02"
    assert summary["provenance"]["acquisition"] == {
        "slice spacing": "5.00 mm",
        "tube voltage": "120 kV",
        "kernel": "soft",
    }


def test_without_a_prior_it_says_so(result: Result) -> None:
    assert summarise(result)["prior"] is None
    assert summarise(result)["profiles"] == []
