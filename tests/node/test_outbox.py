"""Deliveries: in order, patient, and visible when given up."""

import pytest

from node.backoff import Backoff
from node.database import Database
from node.jobs import JobQueue
from node.outbox import DueDelivery, Outbox
from node.status import DeliveryStatus, read_status
from tests.node.conftest import Clock
from tests.node.test_jobs import BACKOFF, complete, measure


@pytest.fixture
def outbox(database: Database) -> Outbox:
    jobs = JobQueue(database, "COXA", 3, BACKOFF)
    complete(database)
    measure(jobs, "9")
    return Outbox(database, BACKOFF, give_up_after_s=1000)


def first(outbox: Outbox) -> DueDelivery:
    delivery = outbox.first_due("pacs")
    assert delivery is not None
    return delivery


def status(database: Database) -> DeliveryStatus:
    return read_status(database, 1).studies[0].results[0].deliveries[0]


def test_a_sent_result_is_gone(outbox: Outbox, database: Database) -> None:
    outbox.sent(first(outbox), [{"status": 0}])
    assert outbox.first_due("pacs") is None
    assert status(database).state == "sent"


def test_other_destinations_have_nothing(outbox: Outbox) -> None:
    assert outbox.first_due("archive") is None


def test_a_postponed_result_waits_longer_each_time(outbox: Outbox, clock: Clock) -> None:
    pauses = []
    for _ in range(4):
        pauses.append(outbox.postpone(first(outbox), [], "no answer"))
        assert outbox.first_due("pacs") is None
        clock.advance(pauses[-1])
    limits = [(5, 10), (10, 20), (20, 40), (40, 80)]
    assert all(low <= pause <= high for pause, (low, high) in zip(pauses, limits, strict=True))


def test_it_is_given_up_after_long_and_can_be_offered_again(
    outbox: Outbox, database: Database, clock: Clock
) -> None:
    clock.advance(1001)
    outbox.postpone(first(outbox), [], "no answer")
    assert outbox.first_due("pacs") is None
    assert (status(database).state, status(database).reason) == ("failed", "no answer")
    assert outbox.retry() == 1
    outbox.postpone(first(outbox), [], "no answer")
    assert status(database).state == "waiting"


def test_a_refusal_for_good_is_final(outbox: Outbox, database: Database) -> None:
    outbox.refuse(first(outbox), [{"status": 0x0122}], "SOP class not supported")
    assert outbox.first_due("pacs") is None
    assert status(database).state == "failed"


@pytest.mark.parametrize("attempts", [1, 5, 50, 5000])
def test_no_pause_is_longer_than_the_longest(attempts: int) -> None:
    assert 0 < Backoff(1, 60).delay_s(attempts) <= 60


def test_what_was_superseded_is_not_offered_again(outbox: Outbox, database: Database, clock: Clock) -> None:
    jobs = JobQueue(database, "COXA", 3, BACKOFF)
    outbox.refuse(first(outbox), [], "SOP class not supported")
    clock.advance(1)
    complete(database, number=2)
    measure(jobs, "10")
    assert outbox.retry() == 0
    assert first(outbox).folder == "10"


def test_nothing_outdated_is_sent_while_a_study_grows(
    outbox: Outbox, database: Database, clock: Clock
) -> None:
    clock.advance(1)
    complete(database, number=2)
    assert outbox.first_due("pacs") is None
    measure(JobQueue(database, "COXA", 3, BACKOFF), "9")
    assert first(outbox).folder == "9", "the same result holds again"
