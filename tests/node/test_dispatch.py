"""Jobs in real worker processes: what fails says why, is tried again, and blocks nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.errors import BundleError
from node import work
from node.backoff import Backoff
from node.config import ClusterSettings, Settings
from node.database import Database
from node.dispatch import Dispatcher
from node.jobs import DecisionRow, FinishedResult, JobQueue, MeasureOrder
from node.status import StudyStatus, read_status
from tests.end_to_end.running import until
from tests.node.conftest import instance

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    cluster = ClusterSettings(job_limit_s=600)
    return Settings(data_folder=tmp_path / "data", cluster=cluster)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database.open(settings.database_url)
    yield database
    database.close()


@pytest.fixture
def jobs(database: Database) -> JobQueue:
    return JobQueue(database, "COXA", attempts=2, backoff=Backoff(0.05, 0.05))


@pytest.fixture
def dispatcher(settings: Settings, jobs: JobQueue) -> Iterator[Dispatcher]:
    dispatcher = Dispatcher(settings, jobs, on_delivery=lambda: None)
    yield dispatcher
    dispatcher.stop(drain_s=10)


def complete(database: Database) -> None:
    database.record_instance(instance(1))
    assert database.complete(database.open_studies()[0], "quiet")


def ended(database: Database) -> StudyStatus:
    study: StudyStatus = until(
        lambda: (study := read_status(database, 1).studies[0]).state not in ("waiting", "working") and study,
        "the work has ended",
        60,
    )
    return study


def test_a_file_that_is_gone_fails_with_its_reason_and_no_path(
    dispatcher: Dispatcher, database: Database
) -> None:
    complete(database)
    dispatcher.start()
    study = ended(database)
    assert study.state == "failed"
    assert study.jobs[0].startswith("examine failed: FileNotFoundError in ")
    assert "1.2.1.1.dcm" not in study.jobs[0]


def test_a_route_that_was_removed_fails_its_job_and_not_the_queue(
    dispatcher: Dispatcher, database: Database, jobs: JobQueue
) -> None:
    complete(database)
    job = jobs.lease(60)
    assert job is not None
    jobs.finish_examination(
        job, [DecisionRow("gone", "1.2.1", "chosen", [])], [MeasureOrder("gone", "1.2.1", 0)]
    )
    dispatcher.start()
    assert ended(database).jobs[-1].startswith("measure gone failed: ConfigurationError")


def test_a_damaged_model_is_said_in_its_own_words(
    dispatcher: Dispatcher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examine(*_: object) -> None:
        raise BundleError("model.safetensors is damaged. Install Coxa again.")

    monkeypatch.setattr(work, "examine_study", examine)
    complete(database)
    dispatcher.start()
    assert ended(database).jobs[0].endswith("failed: model.safetensors is damaged. Install Coxa again.")


def test_what_a_dead_node_held_is_done(dispatcher: Dispatcher, database: Database, jobs: JobQueue) -> None:
    complete(database)
    assert jobs.lease(3600) is not None
    dispatcher.start()
    assert ended(database).state == "failed", "it was tried, and its file is not there"


def test_what_no_row_knows_is_swept(
    dispatcher: Dispatcher, settings: Settings, jobs: JobQueue, database: Database
) -> None:
    complete(database)
    for _ in range(2):
        job = jobs.lease(60)
        assert job is not None
        if job.kind == "examine":
            jobs.finish_examination(
                job,
                [DecisionRow("hip-tissue", "1.2.1", "chosen", [])],
                [MeasureOrder("hip-tissue", "1.2.1", 0)],
            )
        else:
            jobs.finish_measurement(job, FinishedResult("1.9", "1.0", "1.1", "1.9"), [])
    for name in ("1.9", "1.8", ".unfinished-x"):
        (settings.results_folder / name).mkdir(parents=True)
    dispatcher.start()
    assert [path.name for path in settings.results_folder.iterdir()] == ["1.9"]
