"""The node's job without the node: a folder in, decisions or objects out."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from inference.errors import Refused
from node import tables_for_people, work
from node.config import Settings
from node.explain import print_decisions
from node.folder import Series, read_folder
from node.routes import Route
from node.routing import Decision, decide, keywords_of


class NothingToRead(Exception):
    """A folder holds no DICOM instance of a series."""


def instances(folder: Path) -> list[Path]:
    """All DICOM files under a folder.

    Raises:
        NothingToRead: there is none.
    """
    return [path for series in _studies(folder).values() for paths in series.values() for path in paths]


def route(folder: Path, settings: Settings, console: Console) -> None:
    """Prints what the routes decide about each series of a folder, and why.

    Raises:
        NothingToRead: the folder holds no DICOM.
    """
    for study, series in _studies(folder).items():
        console.rule(f"Study {escape(study)}")
        with _progress(console) as progress:
            decisions = _examine(series, settings.routes, progress)
        print_decisions(console, decisions)


def process(
    folder: Path, out: Path, route_name: str | None, prior: Path | None, settings: Settings, console: Console
) -> bool:
    """Measures what a folder holds, and writes the objects.

    One result goes straight into ``out``; several go into ``out/<Study Instance UID>/<route>``. Each is
    compared with ``prior``, an earlier result or its report: the caller vouches for the patient.

    Returns:
        Whether there is a result; if not, the reasons were printed.

    Raises:
        NothingToRead: the folder holds no DICOM.
        ConfigurationError: there is no such route.
    """
    routes = [settings.route(route_name)] if route_name else settings.routes
    chosen: list[tuple[str, Route, list[Path]]] = []
    refused: list[Decision] = []
    with _progress(console) as progress:
        for study, series in _studies(folder).items():
            decisions = _examine(series, routes, progress)
            refused += [decision for decision in decisions if not decision.chosen]
            chosen += [
                (study, settings.route(decision.route), series[decision.series_instance_uid])
                for decision in decisions
                if decision.chosen
            ]
    if not chosen:
        print_decisions(console, refused)
        return False
    done = False
    for study, wanted, files in chosen:
        target = out if len(chosen) == 1 else out / study / wanted.name
        done |= _measure(wanted, files, target, prior, settings, console)
    return done


def _measure(
    wanted: Route, files: list[Path], target: Path, prior: Path | None, settings: Settings, console: Console
) -> bool:
    request = work.MeasureRequest(
        files,
        wanted.name,
        wanted.pipeline,
        wanted.bundle,
        settings.output.segmentation,
        prior=work.Prior(prior) if prior else None,
        clinical=settings.clinical.csv,
    )
    target.mkdir(parents=True, exist_ok=True)
    try:
        with _progress(console) as progress:
            progress.add_task(f"Measuring {len(files)} images with {wanted.name}")
            work.measure(request, target)
    except Refused as refusal:
        console.print(f"Not measured by {wanted.name}: {escape(str(refusal))}")
        return False
    console.print(tables_for_people.measurements(target / "result.json"))
    console.print(f"Written to {escape(str(target))}: seg.dcm, sr.dcm, overlay.png, result.json")
    return True


def _examine(series: Series, routes: list[Route], progress: Progress) -> list[Decision]:
    task = progress.add_task("Looking at the series", total=len(series))
    facts = []
    for uid, files in series.items():
        facts += work.examine({uid: files}, keywords_of(routes))
        progress.advance(task)
    return decide(routes, facts)


def _studies(folder: Path) -> Mapping[str, Series]:
    found = read_folder(folder)
    if not found.studies:
        raise NothingToRead(
            f"{folder} holds no DICOM images with the UIDs of a study and a series "
            f"({len(found.others)} other files)."
        )
    return found.studies


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
