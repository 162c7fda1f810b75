from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inference.result import Side
from tests.training.analytic_person import phantom_person
from training.synthesis.people_cache import DISTANCES, PeopleCache
from training.synthesis.person import Person


def someone() -> Person:
    person = phantom_person()
    return replace(person, organs=(torch.zeros_like(person.muscle_id),))


def test_who_is_kept_is_given_back_as_read_later(tmp_path: Path) -> None:
    cache = PeopleCache(tmp_path, [])

    written = cache.write(someone())

    read = cache.read("phantom")
    assert read is not None
    assert all(getattr(written, field).equal(getattr(read, field)) for field in DISTANCES)
    assert all(written.femur_mm[side].equal(read.femur_mm[side]) for side in Side)
    assert not written.fascia_mm.equal(someone().fascia_mm), "rounded"


def test_a_list_of_people_is_there_in_full_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = PeopleCache(tmp_path, [])
    cache.write(someone())

    def interrupted(path: Path, text: str) -> None:
        path.write_bytes(text.encode()[:10])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.complete([someone()])

    assert cache.everybody() is None
    cache.complete([someone()])
    assert cache.everybody() is not None
