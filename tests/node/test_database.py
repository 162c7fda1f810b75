"""What was received, and when a study is whole."""

import threading

from sqlalchemy import select

from node.database import Database, Rejection
from node.status import read_status
from node.tables import Job, JobKind, JobState
from tests.node.conftest import Clock, instance


def only_study(database: Database) -> str:
    (study,) = read_status(database, 10).studies
    return study.state


def test_an_instance_is_new_once(database: Database) -> None:
    assert database.record_instance(instance(1))
    assert not database.record_instance(instance(1))
    assert database.instance_counts("1.2") == {"1.2.1": 1}


def test_counts_are_by_series(database: Database) -> None:
    for number in (1, 2):
        database.record_instance(instance(number))
    database.record_instance(instance(1, series="1.2.2"))
    database.record_instance(instance(1, study="1.3", series="1.3.1"))
    assert database.instance_counts("1.2") == {"1.2.1": 2, "1.2.2": 1}


def test_rows_survive_a_restart(database: Database, tmp_path: object) -> None:
    database.record_instance(instance(1))
    again = Database.open(f"sqlite:///{tmp_path}/coxa.sqlite")
    assert again.instance_counts("1.2") == {"1.2.1": 1}
    again.close()


def test_a_complete_study_is_examined(database: Database) -> None:
    database.record_instance(instance(1))
    (study,) = database.open_studies()
    assert database.complete(study, "quiet")
    assert database.open_studies() == []
    with database.reading() as session:
        (job,) = session.execute(select(Job.kind, Job.state, Job.revision)).all()
    assert tuple(job) == (JobKind.EXAMINE, JobState.QUEUED, 1)


def test_a_study_that_grew_meanwhile_is_not_completed(database: Database, clock: Clock) -> None:
    database.record_instance(instance(1))
    (study,) = database.open_studies()
    clock.advance(1)
    database.record_instance(instance(2))
    assert not database.complete(study, "quiet")
    assert only_study(database) == "receiving"


def test_a_late_instance_opens_the_study_and_supersedes_its_work(database: Database, clock: Clock) -> None:
    database.record_instance(instance(1))
    database.complete(database.open_studies()[0], "quiet")
    clock.advance(1)
    assert database.record_instance(instance(2))
    assert only_study(database) == "receiving"
    assert database.complete(database.open_studies()[0], "quiet")
    with database.reading() as session:
        jobs = session.execute(select(Job.revision, Job.state).order_by(Job.id)).all()
    assert [tuple(job) for job in jobs] == [(1, JobState.SUPERSEDED), (2, JobState.QUEUED)]


def test_a_repeated_instance_does_not_open_the_study(database: Database) -> None:
    database.record_instance(instance(1))
    database.complete(database.open_studies()[0], "quiet")
    database.record_instance(instance(1))
    assert database.open_studies() == []


def test_conflicts_are_flagged_and_the_setting_decides(database: Database) -> None:
    first = instance(1)
    other = first.__class__(**{**first.__dict__, "path": "1.2/1.2.1/other.dcm"})
    database.record_instance(first)
    database.complete(database.open_studies()[0], "quiet")
    database.record_conflict(other, replaces=False)
    database.record_conflict(other, replaces=False)
    assert read_status(database, 1).studies[0].conflicts == 1
    assert database.open_studies() == []
    database.record_conflict(other, replaces=True)
    assert only_study(database) == "receiving"


def test_rejections_are_counted_and_explained(database: Database) -> None:
    database.record_rejection(Rejection("EVIL", 0xC000, "StudyInstanceUID is missing", "quarantine/x.dcm"))
    status = read_status(database, 5)
    assert status.rejected_instances == 1
    assert status.last_rejections == ["0xC000 to EVIL: StudyInstanceUID is missing"]


def test_writers_wait_for_each_other(database: Database) -> None:
    """Interleaved associations write from several threads; none may fail or be lost."""

    def receive(series: int) -> None:
        for number in range(25):
            database.record_instance(instance(number, series=f"1.2.{series}"))

    threads = [threading.Thread(target=receive, args=(series,)) for series in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.instance_counts("1.2") == {f"1.2.{series}": 25 for series in range(1, 5)}
