"""``coxa …``: the commands an operator types.

Exit codes: 0 done; 1 it failed; 2 the call or config.yaml is wrong; 3 nothing there can be measured, and why
was said; 4 another DICOM node was not reached or did not take what it was sent.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from inference.errors import BundleError
from node import by_hand, tables_for_people
from node.clinical import read_clinical
from node.config import ConfigurationError, Peer, Settings, load_settings
from node.database import Database
from node.scu import PeerError, Verdict, echo, send
from node.status import read_status
from training.cli import add_commands

FAILED, WRONG_CALL, NOT_MEASURED, PEER_REFUSED = 1, 2, 3, 4

app = typer.Typer(
    help="Coxa: opportunistic hip and thigh CT measurement beside a PACS. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Default: $COXA_CONFIG, else config.yaml here, else the defaults."),
]
FolderArgument = Annotated[Path, typer.Argument(help="Folder with DICOM files; read with all its folders.")]
PeerArgument = Annotated[str, typer.Argument(help="Name of a peer in config.yaml, or AETITLE@host:port.")]


@app.command()
def serve(config: Config = None) -> None:
    """Start the node; SIGTERM ends it after what is under way."""
    from node.service import Service

    with _reported():
        settings = load_settings(config)
        set_up_logging(settings.log_level)
        Service(settings).run()


@app.command()
def check(config: Config = None) -> None:
    """Read config.yaml and what it names, models and tables, and say whether a node would work with them."""
    from inference.pipelines import load_pipeline

    with _reported():
        settings = load_settings(config)
        if settings.clinical.csv:
            read_clinical(settings.clinical.csv)
        models = {load_pipeline(route.pipeline, route.bundle).model for route in settings.routes}
        console.print(
            f"Good. Data folder {settings.data_folder}, {len(settings.routes)} route(s), "
            f"model(s): {', '.join(sorted(f'{model.name} {model.version}' for model in models))}."
        )


@app.command()
def status(
    config: Config = None,
    limit: Annotated[int, typer.Option(help="The newest so many studies.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the studies and where each stands."""
    with _reported(), _database(config) as database:
        now = read_status(database, limit)
        if as_json:
            console.print_json(data=now.as_json())
        else:
            console.print(tables_for_people.status(now))


@app.command()
def retry(
    config: Config = None,
    study: Annotated[str | None, typer.Option(help="Study Instance UID; all studies without it.")] = None,
) -> None:
    """Try again what was given up: jobs and deliveries."""
    from node.service import job_queue, outbox

    with _reported(), _database(config) as database:
        settings = load_settings(config)
        jobs = job_queue(settings, database).retry(study)
        deliveries = outbox(settings, database).retry(study)
        console.print(f"Queued again: {jobs} job(s), {deliveries} delivery(ies).")


@app.command()
def route(folder: FolderArgument, config: Config = None) -> None:
    """Say, rule by rule, what each series of a folder is and why it would be measured or not."""
    with _reported():
        by_hand.route(folder, load_settings(config), console)


@app.command()
def process(
    folder: FolderArgument,
    out: Annotated[Path, typer.Option(help="Gets seg.dcm, sr.dcm, overlay.png and result.json.")],
    route: Annotated[str | None, typer.Option(help="Only this route.")] = None,
    prior: Annotated[
        Path | None,
        typer.Option(exists=True, help="Say what changed since this earlier result, or its report (sr.dcm)."),
    ] = None,
    config: Config = None,
) -> None:
    """Measure the CT of a folder without a node."""
    with _reported():
        if not by_hand.process(folder, out, route, prior, load_settings(config), console):
            raise typer.Exit(NOT_MEASURED)


@app.command("echo")
def echo_command(peer: PeerArgument, config: Config = None) -> None:
    """Ask a DICOM node whether it is there (C-ECHO)."""
    with _reported():
        asked = _peer(peer, load_settings(config))
        console.print(f"{escape(peer)} answers in {echo(asked) * 1000:.0f} ms.")


@app.command("send")
def send_command(folder: FolderArgument, peer: PeerArgument, config: Config = None) -> None:
    """Send all DICOM files of a folder to a DICOM node (C-STORE)."""
    with _reported():
        asked = _peer(peer, load_settings(config))
        answers = send(asked, by_hand.instances(folder))
        refused = [answer for answer in answers if answer.verdict is not Verdict.STORED]
        for answer in refused:
            errors.print(f"{escape(str(answer.path))}: {escape(answer.text)}")
        console.print(f"{len(answers) - len(refused)} of {len(answers)} instances stored at {escape(peer)}.")
        if refused:
            raise typer.Exit(PEER_REFUSED)


def set_up_logging(level: str) -> None:
    """One line an event on standard error. Below DEBUG nothing that quotes a header is let through."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True)
    logging.captureWarnings(capture=True)
    if level != "DEBUG":
        for name in ("pynetdicom", "pydicom", "highdicom", "py.warnings", "distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


add_commands(app)


@contextmanager
def _reported() -> Iterator[None]:
    """Errors in words, each with its exit code."""
    set_up_logging("WARNING")
    try:
        yield
    except (ConfigurationError, NotADirectoryError, by_hand.NothingToRead) as error:
        _complain(error)
        raise typer.Exit(WRONG_CALL) from None
    except PeerError as error:
        _complain(error)
        raise typer.Exit(PEER_REFUSED) from None
    except (OSError, BundleError) as error:
        _complain(error)
        raise typer.Exit(FAILED) from None


def _complain(error: Exception) -> None:
    errors.print(f"[red]coxa:[/red] {escape(str(error))}")


@contextmanager
def _database(config: Path | None) -> Iterator[Database]:
    settings = load_settings(config)
    if not settings.database_file.is_file():
        raise ConfigurationError(
            f"No node has run in {settings.data_folder} yet: start one with `coxa serve`."
        )
    database = Database.open(settings.database_url)
    try:
        yield database
    finally:
        database.close()


def _peer(text: str, settings: Settings) -> Peer:
    if "@" not in text:
        return settings.peer(text)
    ae_title, _, address = text.partition("@")
    host, _, port = address.rpartition(":")
    try:
        return Peer(name=text, ae_title=ae_title, host=host, port=int(port))
    except ValueError:
        raise ConfigurationError(f"{text!r} is not AETITLE@host:port, and no peer has that name.") from None
