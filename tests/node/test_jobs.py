"""The queue: nothing is lost, nothing is done twice, and what failed says why."""

import pytest

from node.backoff import Backoff
from node.database import Database
from node.jobs import DecisionRow, FinishedResult, JobQueue, LeasedJob, MeasureOrder
from node.outbox import Outbox
from node.status import read_status
from node.tables import JobKind, JobState
from node.transitions import TRANSITIONS, JobEvent
from tests.node.conftest import Clock, instance

BACKOFF = Backoff(first_delay_s=10, longest_delay_s=100)
FOUND = DecisionRow("hip-tissue", "1.2.1", "chosen", ["Modality is CT"])
ORDER = MeasureOrder("hip-tissue", "1.2.1", 100)


@pytest.fixture
def jobs(database: Database) -> JobQueue:
    return JobQueue(database, "COXA", attempts=3, backoff=BACKOFF)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database, BACKOFF, give_up_after_s=1000)


def complete(database: Database, number: int = 1) -> None:
    database.record_instance(instance(number))
    (study,) = database.open_studies()
    assert database.complete(study, "quiet")


def lease(jobs: JobQueue) -> LeasedJob:
    job = jobs.lease(60)
    assert job is not None
    return job


def measure(jobs: JobQueue, report: str) -> None:
    """A study's way from completeness to a result."""
    assert jobs.finish_examination(lease(jobs), [FOUND], [ORDER])
    assert jobs.finish_measurement(lease(jobs), FinishedResult(report, "1.0", "1.1", report), ["pacs"])


def stands(database: Database) -> str:
    return read_status(database, 1).studies[0].state


def test_a_study_goes_from_examination_to_measurement(database: Database, jobs: JobQueue) -> None:
    complete(database)
    job = lease(jobs)
    assert (job.kind, job.study_instance_uid, job.attempt) == (JobKind.EXAMINE, "1.2", 1)
    assert jobs.finish_examination(job, [FOUND], [ORDER])
    job = lease(jobs)
    assert (job.kind, job.route) == (JobKind.MEASURE, "hip-tissue")
    assert [str(path) for path in jobs.files_by_series(job)["1.2.1"]] == ["1.2/1.2.1/1.2.1.1.dcm"]
    assert jobs.finish_measurement(job, FinishedResult("9", "1.0", "1.1", "9"), ["pacs"])
    assert stands(database) == "measured"
    assert jobs.lease(60) is None


def test_a_leased_job_is_leased_once(database: Database, jobs: JobQueue) -> None:
    complete(database)
    lease(jobs)
    assert jobs.lease(60) is None


def test_priority_goes_before_age(database: Database, jobs: JobQueue) -> None:
    for study in ("1.2", "1.3"):
        database.record_instance(instance(1, study=study, series=f"{study}.1"))
    for study in database.open_studies():
        database.complete(study, "quiet")
    jobs.finish_examination(lease(jobs), [], [MeasureOrder("hip-tissue", "1.2.1", 5)])
    assert lease(jobs).study_instance_uid == "1.3"


def test_a_failed_job_waits_and_is_given_up_with_its_reason(
    database: Database, jobs: JobQueue, clock: Clock
) -> None:
    complete(database)
    for attempt in (1, 2):
        jobs.fail(lease(jobs), f"broken {attempt}")
        assert jobs.lease(60) is None, "no pause after a failure"
        clock.advance(BACKOFF.longest_delay_s)
    jobs.fail(lease(jobs), "broken 3")
    clock.advance(1e6)
    assert jobs.lease(60) is None
    (study,) = read_status(database, 1).studies
    assert (study.state, study.jobs) == ("failed", ["examine failed: broken 3"])


def test_what_was_given_up_can_be_tried_again(database: Database, jobs: JobQueue, clock: Clock) -> None:
    complete(database)
    for _ in range(3):
        jobs.fail(lease(jobs), "broken")
        clock.advance(BACKOFF.longest_delay_s)
    assert jobs.retry("9.9") == 0
    assert jobs.retry("1.2") == 1
    assert lease(jobs).attempt == 1


def test_a_refusal_is_final_and_no_error(database: Database, jobs: JobQueue) -> None:
    complete(database)
    jobs.finish_examination(lease(jobs), [FOUND], [ORDER])
    jobs.refuse(lease(jobs), "gantry tilt")
    assert stands(database) == "refused"
    assert jobs.retry() == 0


def test_a_node_finds_its_leases_when_it_comes_back(database: Database, jobs: JobQueue) -> None:
    complete(database)
    lease(jobs)
    assert jobs.recover(held=()) == 1
    assert lease(jobs).attempt == 2


def test_a_node_leaves_the_leases_of_others(database: Database, jobs: JobQueue, clock: Clock) -> None:
    other = JobQueue(database, "OTHER", 3, BACKOFF)
    complete(database)
    lease(jobs)
    assert other.recover(held=()) == 0
    clock.advance(61)
    assert other.recover(held=()) == 1


def test_a_renewed_lease_does_not_expire(database: Database, jobs: JobQueue, clock: Clock) -> None:
    other = JobQueue(database, "OTHER", 3, BACKOFF)
    complete(database)
    job = lease(jobs)
    clock.advance(50)
    jobs.renew([job.id], 60)
    clock.advance(50)
    assert other.recover(held=()) == 0


def test_a_job_that_always_kills_its_node_is_given_up(database: Database, jobs: JobQueue) -> None:
    complete(database)
    for _ in range(3):
        lease(jobs)
        jobs.recover(held=())
    assert jobs.lease(60) is None
    assert stands(database) == "failed"


def test_a_job_given_back_has_lost_no_attempt(database: Database, jobs: JobQueue) -> None:
    complete(database)
    jobs.release(lease(jobs))
    assert lease(jobs).attempt == 1


def test_a_worker_that_comes_back_late_changes_nothing(
    database: Database, jobs: JobQueue, outbox: Outbox, clock: Clock
) -> None:
    complete(database)
    jobs.finish_examination(lease(jobs), [FOUND], [ORDER])
    late = lease(jobs)
    clock.advance(1)
    database.record_instance(instance(2))
    assert not jobs.finish_measurement(late, FinishedResult("9", "1.0", "1.1", "9"), ["pacs"])
    assert outbox.first_due("pacs") is None


def test_a_new_result_supersedes_the_old_and_its_delivery(
    database: Database, jobs: JobQueue, outbox: Outbox, clock: Clock
) -> None:
    complete(database)
    measure(jobs, "9")
    clock.advance(1)
    complete(database, number=2)
    measure(jobs, "10")
    (study,) = read_status(database, 1).studies
    assert [result.folder for result in study.results] == ["10"]
    first = outbox.first_due("pacs")
    assert first is not None
    assert first.folder == "10"


def test_the_same_work_again_is_not_a_new_result(
    database: Database, jobs: JobQueue, outbox: Outbox, clock: Clock
) -> None:
    complete(database)
    measure(jobs, "9")
    delivery = outbox.first_due("pacs")
    assert delivery is not None
    outbox.sent(delivery, [])
    clock.advance(1)
    complete(database, number=2)
    measure(jobs, "9")
    assert outbox.first_due("pacs") is None
    assert stands(database) == "measured"


def test_an_ended_job_stays_as_it_ended(database: Database, jobs: JobQueue) -> None:
    complete(database)
    job = lease(jobs)
    jobs.refuse(job, "gantry tilt")
    jobs.fail(job, "late news")
    assert not jobs.finish_examination(job, [FOUND], [ORDER])
    assert read_status(database, 1).studies[0].jobs == ["examine refused: gantry tilt"]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.REFUSED, JobState.SUPERSEDED])
def test_no_transition_leads_out_of_an_end(state: JobState) -> None:
    assert [what for what in JobEvent if (state, what) in TRANSITIONS] == []
