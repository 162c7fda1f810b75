"""Results on their way out: one row per result and destination, each destination in order and on its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.backoff import Backoff
from node.database import Database
from node.tables import Delivery, DeliveryState, MadeResult, Study


@dataclass(frozen=True)
class DueDelivery:
    """What a destination gets next. ``folder`` is relative to the results folder."""

    id: int
    study_instance_uid: str
    folder: str
    attempts: int
    not_before: float


class Outbox:
    """Deliveries of one database.

    Args:
        database: where the rows are.
        backoff: pauses while a destination does not take a result.
        give_up_after_s: how long one result is offered before an operator has to look.
    """

    def __init__(self, database: Database, backoff: Backoff, give_up_after_s: float) -> None:
        self._database = database
        self._backoff = backoff
        self._give_up_after_s = give_up_after_s

    def first_due(self, destination: str) -> DueDelivery | None:
        """The oldest delivery of a destination that is due."""
        with self._database.reading() as session:
            row = session.execute(
                select(
                    Delivery.id,
                    Study.study_instance_uid,
                    MadeResult.folder,
                    Delivery.attempts,
                    Delivery.not_before,
                )
                .join(MadeResult, Delivery.result_id == MadeResult.id)
                .join(Study, MadeResult.study_id == Study.id)
                .where(
                    Delivery.destination == destination,
                    Delivery.state == DeliveryState.WAITING,
                    Delivery.not_before <= self._database.clock(),
                )
                .order_by(Delivery.id)
                .limit(1)
            ).first()
            return None if row is None else DueDelivery(*row)

    def sent(self, delivery: DueDelivery, statuses: Sequence[dict[str, object]]) -> None:
        """The destination has answered Success for every instance."""
        with self._database.writing() as session:
            row = session.get_one(Delivery, delivery.id)
            row.attempts += 1
            row.statuses = list(statuses)
            row.reason = None
            self._end(row, DeliveryState.SENT)

    def postpone(self, delivery: DueDelivery, statuses: Sequence[dict[str, object]], reason: str) -> float:
        """It did not work this time: again after a pause, or given up when it was offered long enough.

        Returns:
            How long the pause is, s.
        """
        now = self._database.clock()
        with self._database.writing() as session:
            row = _waiting(session, delivery)
            if row is None:
                return 0.0
            row.attempts += 1
            row.statuses = list(statuses)
            row.reason = reason
            delay_s = self._backoff.delay_s(row.attempts)
            if now - row.queued_at > self._give_up_after_s:
                self._end(row, DeliveryState.FAILED)
            else:
                row.not_before = now + delay_s
            return delay_s

    def refuse(self, delivery: DueDelivery, statuses: Sequence[dict[str, object]], reason: str) -> None:
        """The destination will not take it, however often it is offered."""
        with self._database.writing() as session:
            row = _waiting(session, delivery)
            if row is not None:
                row.attempts += 1
                row.statuses = list(statuses)
                row.reason = reason
                self._end(row, DeliveryState.FAILED)

    def retry(self, study_instance_uid: str | None = None) -> int:
        """Offers again what was given up, of one study or all, and returns how many."""
        now = self._database.clock()
        query = (
            select(Delivery)
            .join(MadeResult, Delivery.result_id == MadeResult.id)
            .where(Delivery.state == DeliveryState.FAILED, MadeResult.superseded_by.is_(None))
        )
        if study_instance_uid is not None:
            query = query.join(Study, MadeResult.study_id == Study.id).where(
                Study.study_instance_uid == study_instance_uid
            )
        with self._database.writing() as session:
            rows = session.scalars(query).all()
            for row in rows:
                row.state = DeliveryState.WAITING
                row.not_before = row.queued_at = now
                row.ended_at = None
            return len(rows)

    def _end(self, row: Delivery, state: DeliveryState) -> None:
        row.state = state
        row.ended_at = self._database.clock()


def _waiting(session: Session, delivery: DueDelivery) -> Delivery | None:
    """The row, unless a newer result took its place meanwhile."""
    row = session.get_one(Delivery, delivery.id)
    return row if row.state is DeliveryState.WAITING else None
