import dataclasses
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from typing import Any

import pytest
from pydicom.uid import UID

from dicom_out.identity import device_serial_number, device_uid, result_uid
from inference.result import ModelIdentity, Prior, QualityFlag, Result, Severity, SourceFrame

MODEL = ModelIdentity("net", "1", "ab" * 32)


def test_the_same_work_has_the_same_identifier(result: Result) -> None:
    again = dataclasses.replace(result)
    assert result_uid(result, "BINARY", "series") == result_uid(again, "BINARY", "series")


def test_settings_in_another_order_are_the_same_settings(result: Result) -> None:
    turned = dict(reversed(result.provenance.settings.items()))
    assert list(turned) != list(result.provenance.settings)
    assert result_uid(result, "BINARY") == result_uid(with_provenance(settings=turned)(result), "BINARY")


def test_identifiers_do_not_change_between_releases(result: Result) -> None:
    frame = deepcopy(result.frames[0].dataset)
    frame.SOPInstanceUID = "1.2.3"
    fixed = dataclasses.replace(result, frames=(SourceFrame(frame, 4),))
    fixed = with_provenance(source_instance_uids=("1.2.3",), settings={"a": "b"})(fixed)
    assert result_uid(fixed, "BINARY", "instance", "SEG") == "2.25.154175844777672103477253753317516734727"
    assert device_uid(MODEL) == "2.25.324649523002170123299982572157529506228"


def with_provenance(**changes: Any) -> Callable[[Result], Result]:
    return lambda r: dataclasses.replace(r, provenance=dataclasses.replace(r.provenance, **changes))


def with_model(**changes: Any) -> Callable[[Result], Result]:
    return lambda r: with_provenance(model=dataclasses.replace(r.provenance.model, **changes))(r)


@pytest.mark.parametrize(
    "change",
    [
        with_model(name="other"),
        with_model(version="1.0.1"),
        with_model(weights_sha256="00" * 32),
        with_provenance(route="hip-tissue-2"),
        with_provenance(settings={"bone_hu": "151", "fat_hu": "-30"}),
        with_provenance(software_version="0.1.1"),
        with_provenance(source_instance_uids=("1.2",)),
        lambda r: dataclasses.replace(r, frames=r.frames[:-1]),
        lambda r: dataclasses.replace(r, image=r.image.with_array(r.image.array + 1)),
        lambda r: dataclasses.replace(r, labels=r.labels.with_array(r.labels.array * 0)),
        lambda r: dataclasses.replace(r, measurements=r.measurements[1:]),
        lambda r: dataclasses.replace(
            r, quality=(*r.quality, QualityFlag("fracture", Severity.NOTE, "Left."))
        ),
        lambda r: dataclasses.replace(r, prior=Prior(date(2025, 1, 3), 90, MODEL, False, None)),
        lambda r: dataclasses.replace(r, frames=tuple(SourceFrame(f.dataset, 1) for f in r.frames)),
    ],
)
def test_anything_that_decides_the_result_changes_it(
    result: Result, change: Callable[[Result], Result]
) -> None:
    assert result_uid(result, "BINARY", "x") != result_uid(change(result), "BINARY", "x")


def test_everything_that_belongs_to_a_result_has_its_own_identifier(result: Result) -> None:
    uids = {
        result_uid(result, form, *kind)
        for form in ("BINARY", "LABELMAP")
        for kind in (["instance", "SEG"], ["instance", "SR"], ["series", "SEG"], ["series", "SR"])
    }
    assert len(uids) == 8


def test_identifiers_are_valid(result: Result) -> None:
    for uid in (result_uid(result, "BINARY", "x"), device_uid(MODEL)):
        assert UID(uid).is_valid
        assert len(uid) <= 44


def test_the_device_is_another_one_for_every_version_of_a_model() -> None:
    variants = [
        MODEL,
        dataclasses.replace(MODEL, name="nett"),
        dataclasses.replace(MODEL, version="2"),
        dataclasses.replace(MODEL, weights_sha256=None),
    ]
    assert len({device_uid(model) for model in variants}) == 4
    assert len({device_serial_number(model) for model in variants}) == 4
