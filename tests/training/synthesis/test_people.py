from pathlib import Path

import numpy as np
import pytest
import torch

from inference.result import Side
from tests.training.synthesis.phantom import HEAD_MM, make_phantom, write_phantom
from training.synthesis.label_maps import LabelMapError
from training.synthesis.people import Person, load_people
from training.synthesis.people_cache import DISTANCES, PeopleCache

pytestmark = pytest.mark.slow

HEAD = 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    write_phantom(make_phantom(), folder, "whole")
    write_phantom(make_phantom(scale=1.05), folder, "without_skin", outline=False)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def people(folder: Path, cache: Path) -> dict[str, Person]:
    return {person.name: person for person in load_people(folder, cache)}


@pytest.fixture(scope="module", params=["whole", "without_skin"])
def person(request: pytest.FixtureRequest, people: dict[str, Person]) -> Person:
    return people[request.param]


def test_all_fields_lie_on_one_grid(person: Person) -> None:
    distances = [
        *person.femur_mm.values(),
        person.pelvis_mm,
        person.axial_mm,
        person.muscle_mm,
        person.body_mm,
        person.fascia_mm,
        person.cavity_mm,
    ]

    assert {distance.dtype for distance in distances} == {torch.float32}
    assert {tuple(distance.shape) for distance in [*distances, person.muscle_id, *person.organs]} == {
        tuple(person.body_mm.shape)
    }
    assert person.muscle_id.dtype == torch.uint8
    assert all(distance.max() <= 60 for distance in distances)


def test_there_is_room_around_the_body(person: Person) -> None:
    body = person.body_mm < 0

    for axis in (1, 2):
        others = tuple(other for other in range(3) if other != axis)
        found = body.any(dim=others[1]).any(dim=others[0]).nonzero()
        assert found.min() * person.spacing_mm >= 60
        assert (body.shape[axis] - 1 - found.max()) * person.spacing_mm >= 60


def test_sides_are_the_patients(person: Person) -> None:
    left, right = (float((person.femur_mm[side] < 0).nonzero()[:, 2].float().mean()) for side in Side)

    assert left > right
    assert person.landmarks[Side.LEFT].head_centre[2] > person.landmarks[Side.RIGHT].head_centre[2]


def test_layers_lie_inside_each_other(person: Person) -> None:
    within = person.trusted
    body, fascia = person.body_mm[within] < 0, person.fascia_mm[within] < 0
    muscle = person.muscle_mm[within] < 0
    bone = (person.pelvis_mm[within] < 0) | (person.femur_mm[Side.LEFT][within] < 0)

    assert (muscle & ~fascia).sum() == 0
    assert (fascia & ~body).float().mean() < 0.002
    assert (bone & muscle).float().sum() < 0.02 * bone.sum()
    assert ((person.cavity_mm[within] < -2) & (muscle | bone)).float().mean() < 0.002


def test_the_middle_of_the_pelvis_is_cavity_and_the_thigh_is_not(people: dict[str, Person]) -> None:
    person = people["whole"]
    heads = np.array([hip.head_centre for hip in person.landmarks.values()])
    middle = tuple((heads.mean(axis=0) / person.spacing_mm).round().astype(int))
    thigh = tuple(((heads[0] + np.array([-100, 0, 0])) / person.spacing_mm).round().astype(int))

    assert person.cavity_mm[middle] < -10
    assert person.fascia_mm[middle] < -10
    assert person.cavity_mm[thigh] > 10


def test_every_place_has_its_nearest_muscle(people: dict[str, Person]) -> None:
    person = people["whole"]
    names = np.array([person.muscle_names.get(number, "") for number in range(256)])
    near = names[person.muscle_id.numpy()]
    head = np.array(person.landmarks[Side.LEFT].head_centre)
    front = tuple(((head + np.array([-60, -90, 20])) / person.spacing_mm).round().astype(int))

    assert "" not in near
    assert near[front] == "rectus_femoris"
    assert {"gluteus_maximus", "sartorius"} <= set(person.muscle_names.values())


def test_muscles_keep_their_volume(people: dict[str, Person]) -> None:
    phantom, person = make_phantom(), people["whole"]
    drawn_cm3 = (phantom.labels == 9).sum() * np.prod(phantom.voxel_mm) / 1000
    number = next(n for n, name in person.muscle_names.items() if name == "adductor_muscles")

    found = (person.muscle_mm < 0) & (person.muscle_id == number)

    assert float(found.sum()) * 8 / 1000 == pytest.approx(drawn_cm3, rel=0.05)


def test_bones_are_fitted_where_the_place_is_theirs(people: dict[str, Person]) -> None:
    whole, fitted = people["whole"], people["without_skin"]
    apart_mm = [
        person.landmarks[Side.LEFT].head_centre[2] - person.landmarks[Side.RIGHT].head_centre[2]
        for person in (whole, fitted)
    ]

    assert apart_mm[0] == pytest.approx(2 * HEAD_MM[2], abs=2)
    assert apart_mm[1] == pytest.approx(1.05 * 2 * HEAD_MM[2], abs=4)
    assert fitted.trusted.start * 2 < fitted.landmarks[Side.LEFT].head_centre[HEAD] < fitted.trusted.stop * 2


def test_nobody_without_an_outline_stands_alone(tmp_path: Path) -> None:
    write_phantom(make_phantom((8.0, 6.0, 6.0)), tmp_path, "a", outline=False)

    with pytest.raises(LabelMapError, match="outline of the body"):
        load_people(tmp_path, None)


def test_a_femur_that_is_too_short_is_said_to_be_whose(tmp_path: Path) -> None:
    phantom = make_phantom((8.0, 6.0, 6.0))
    thigh = phantom.labels[: int((HEAD_MM[HEAD] - 40) / 8)]
    thigh[thigh == 2] = 0
    write_phantom(phantom, tmp_path, "short")

    with pytest.raises(LabelMapError, match=r"^short: The femur ends"):
        load_people(tmp_path, None)


def test_people_are_the_same_when_they_are_made_and_ever_after(
    people: dict[str, Person], folder: Path, cache: Path
) -> None:
    for again in load_people(folder, cache):
        first = people[again.name]
        assert all(getattr(first, field).equal(getattr(again, field)) for field in DISTANCES)
        assert all(first.femur_mm[side].equal(again.femur_mm[side]) for side in Side)


def test_people_are_kept_until_their_maps_change(people: dict[str, Person], tmp_path: Path) -> None:
    person, source = people["whole"], tmp_path / "map"
    source.write_bytes(b"one")
    PeopleCache(tmp_path, [source]).write(person)
    PeopleCache(tmp_path, [source]).complete([person])

    kept = PeopleCache(tmp_path, [source]).everybody()
    source.write_bytes(b"two")
    changed = PeopleCache(tmp_path, [source])

    assert kept is not None
    assert (kept[0].trusted, kept[0].muscle_names) == (person.trusted, person.muscle_names)
    assert kept[0].landmarks == person.landmarks
    assert torch.allclose(kept[0].fascia_mm, person.fascia_mm, atol=0.05)
    assert (kept[0].muscle_id == person.muscle_id).all()
    assert changed.everybody() is None
    assert changed.read("whole") is None


def test_the_middle_line_is_between_the_femora(people: dict[str, Person]) -> None:
    heads = [hip.head_centre[2] for hip in people["whole"].landmarks.values()]
    body = (people["whole"].body_mm < 0).nonzero()[:, 2].float() * 2

    assert sum(heads) / 2 == pytest.approx(float(body.mean()), abs=3)
