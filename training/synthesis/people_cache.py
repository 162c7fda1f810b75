"""Keeping people on disk: making one takes minutes, reading one a second."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from inference.result import Side
from training.synthesis.person import Hip, Person

BUILD = "2"
"""Changes whenever people are made in another way, so that kept ones are made again."""

DISTANCES = ("pelvis_mm", "axial_mm", "muscle_mm", "body_mm", "fascia_mm", "cavity_mm")


class PeopleCache:
    """People made from certain files; those made from other files, or in another way, are not found."""

    def __init__(self, folder: Path, sources: list[Path]) -> None:
        digest = hashlib.sha256(BUILD.encode())
        for source in sources:
            digest.update(source.name.encode() + source.read_bytes())
        self._folder = folder
        self._key = digest.hexdigest()

    def everybody(self) -> list[Person] | None:
        """All people, or None where somebody is still to be made."""
        listing = self._folder / "people.json"
        if not listing.exists():
            return None
        content = json.loads(listing.read_text())
        people = [self.read(name) for name in content["people"]] if content["key"] == self._key else [None]
        found = [person for person in people if person is not None]
        return found if len(found) == len(people) else None

    def complete(self, people: list[Person]) -> None:
        """Everybody has been written."""
        content = {"key": self._key, "people": [person.name for person in people]}
        part = self._folder / "people.json.part"
        part.write_text(json.dumps(content))
        part.replace(self._folder / "people.json")

    def write(self, person: Person) -> Person:
        """Keep one person.

        Returns:
            The person as read from now on: keeping rounds distances.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{person.name}.part.npz"
        numbers = sorted(person.muscle_names)
        arrays = {
            "key": np.array(self._key),
            "name": np.array(person.name),
            "spacing_mm": np.array(person.spacing_mm),
            "trusted": np.array([person.trusted.start, person.trusted.stop]),
            "muscle_numbers": np.array(numbers),
            "muscle_names": np.array([person.muscle_names[number] for number in numbers]),
            "muscle_id": person.muscle_id.numpy(),
            "organs": np.stack([organs.numpy() for organs in person.organs]),
        }
        arrays |= {f"hip_{side}": _numbers(hip) for side, hip in person.landmarks.items()}
        distances = {f"femur_{side}_mm": femur for side, femur in person.femur_mm.items()}
        distances |= {field: getattr(person, field) for field in DISTANCES}
        # Half precision: 0.03 mm at the far end, and much finer near surfaces.
        arrays |= {name: distance.half().numpy() for name, distance in distances.items()}
        np.savez_compressed(part, allow_pickle=False, **arrays)
        path = self._folder / f"{person.name}.npz"
        part.replace(path)
        with np.load(path) as kept:
            return _person(kept)

    def read(self, name: str) -> Person | None:
        """One person, or None where nobody of this name is kept."""
        path = self._folder / f"{name}.npz"
        if not path.exists():
            return None
        with np.load(path) as kept:
            return _person(kept) if str(kept["key"]) == self._key else None


def _person(kept: Mapping[str, np.ndarray]) -> Person:
    names = zip(kept["muscle_numbers"], kept["muscle_names"], strict=True)
    return Person(
        name=str(kept["name"]),
        spacing_mm=float(kept["spacing_mm"]),
        femur_mm={side: torch.from_numpy(kept[f"femur_{side}_mm"]).float() for side in Side},
        muscle_id=torch.from_numpy(kept["muscle_id"]),
        muscle_names={int(number): str(muscle) for number, muscle in names},
        organs=tuple(torch.from_numpy(organs) for organs in kept["organs"]),
        trusted=slice(*(int(end) for end in kept["trusted"])),
        landmarks={side: _hip(kept[f"hip_{side}"]) for side in Side},
        **{field: torch.from_numpy(kept[field]).float() for field in DISTANCES},
    )


def _numbers(hip: Hip) -> np.ndarray:
    return np.array(
        [hip.head_centre, hip.neck_axis, hip.shaft_axis, hip.shaft_point, (hip.head_radius_mm, 0.0, 0.0)]
    )


def _hip(numbers: np.ndarray) -> Hip:
    centre, neck, shaft, point = ((float(a), float(b), float(c)) for a, b, c in numbers[:4])
    return Hip(centre, float(numbers[4, 0]), neck, shaft, point)
