"""People whose anatomy synthetic CT is made from: label maps brought together."""

from collections.abc import Callable
from pathlib import Path

from training.synthesis.completing import completed
from training.synthesis.drawing import draw, shows_hips
from training.synthesis.label_maps import LabelMapError, people_in, read_label_map
from training.synthesis.organs import draw_donor
from training.synthesis.people_cache import PeopleCache
from training.synthesis.person import Person
from training.synthesis.person_building import assemble

__all__ = ["Person", "load_people"]


def load_people(folder: Path, cache: Path | None) -> list[Person]:
    """Everybody in a folder of label maps (see ``label_maps``) in whom muscles, hip bones and femora are.

    People with an outline of the body come as they are. People without one get bones and skin of the one
    among the former who fits best. Who has organs labelled, bladder among them, gives them to all.

    Args:
        folder: label maps.
        cache: where people are kept once made, or None. Making one takes minutes.

    Raises:
        LabelMapError: a map is unreadable or shows too little, or nobody comes with an outline.
    """
    found = people_in(folder)
    kept = None if cache is None else PeopleCache(cache, [file for files in found.values() for file in files])
    if kept is not None and (people := kept.everybody()) is not None:
        return people

    def made(name: str, make: Callable[[], Person]) -> Person:
        person = None if kept is None else kept.read(name)
        if person is not None:
            return person
        try:
            person = make()
        except ValueError as error:
            raise LabelMapError(f"{name}: {error}") from error
        return person if kept is None else kept.write(person)

    maps = {name: read_label_map(files) for name, files in found.items()}
    donors = [donor for labels in maps.values() if (donor := draw_donor(labels)) is not None]
    shown = {name: labels for name, labels in maps.items() if shows_hips(labels)}
    patients = [
        made(name, lambda labels=labels: assemble(draw(labels), donors))  # type: ignore[misc]
        for name, labels in shown.items()
        if labels.body is not None
    ]
    if not patients:
        raise LabelMapError(f"{folder}: nobody's label map comes with an outline of the body.")
    others = [
        made(name, lambda labels=labels: assemble(completed(draw(labels), patients), donors))  # type: ignore[misc]
        for name, labels in shown.items()
        if labels.body is None
    ]
    people = sorted(patients + others, key=lambda person: person.name)
    if kept is not None:
        kept.complete(people)
    return people
