"""Transactions, and the rows of what was received.

Jobs are in ``node.jobs``, deliveries in ``node.outbox``; these three modules hold the only code that changes
a row. Every public method is one transaction, durable when it returns.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from sqlalchemy import (
    Engine,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from node.engine import open_engine
from node.tables import (
    Conflict,
    Delivery,
    DeliveryState,
    Instance,
    Job,
    JobKind,
    JobState,
    MadeResult,
    RejectedInstance,
    Series,
    Study,
    StudyState,
    Table,
)

EXAMINE_PRIORITY = 1000

# Prepared once: built anew for every received instance, these would cost as much as all else in its receipt.
_SERIES_IN_RECEIPT = (
    select(Study.id, Series.id)
    .join(Series, Series.study_id == Study.id)
    .where(
        Study.study_instance_uid == bindparam("study"),
        Study.state == StudyState.RECEIVING,
        Series.series_instance_uid == bindparam("series"),
    )
)
_INSTANCE_ID = select(Instance.id).where(
    Instance.series_id == bindparam("series_id"), Instance.sop_instance_uid == bindparam("sop_instance_uid")
)
_NEW_INSTANCE = insert(Instance)
_TOUCH = update(Study).where(Study.id == bindparam("study_id")).values(last_instance_at=bindparam("now"))


@dataclass(frozen=True)
class ReceivedInstance:
    """An instance that is safely in the spool. ``path`` is relative to the spool's root."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str
    path: str
    calling_ae_title: str


@dataclass(frozen=True)
class Rejection:
    """An instance that was not accepted; ``path`` is where it is kept, if it is."""

    calling_ae_title: str
    status: int
    reason: str
    path: str | None


@dataclass(frozen=True)
class OpenStudy:
    """A study that still receives."""

    id: int
    study_instance_uid: str
    last_instance_at: float


class Database:
    """One SQLAlchemy engine, shared by all threads of a process."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._reader = engine.execution_options(reading=True)
        self.clock = clock

    @classmethod
    def open(cls, url: str) -> Self:
        """Connects, and creates the tables that are missing."""
        engine = open_engine(url)
        Table.metadata.create_all(engine)
        return cls(engine)

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that commits when its block ends well."""
        with Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and blocks no writer."""
        with Session(self._reader) as session, session.begin():
            yield session

    def record_instance(self, instance: ReceivedInstance) -> bool:
        """Remembers an acknowledged instance; a complete study is opened again.

        Returns:
            False if it was known: nothing has changed then.
        """
        with self.writing() as session:
            connection = session.connection()
            series = connection.execute(
                _SERIES_IN_RECEIPT,
                {"study": instance.study_instance_uid, "series": instance.series_instance_uid},
            ).first()
            if series is None:
                study_id = self._study(session, instance.study_instance_uid)
                series_id = self._series(session, study_id, instance)
            else:
                study_id, series_id = series
            names = {"series_id": series_id, "sop_instance_uid": instance.sop_instance_uid}
            if connection.execute(_INSTANCE_ID, names).first() is not None:
                return False
            row = names | {
                "sop_class_uid": instance.sop_class_uid,
                "transfer_syntax_uid": instance.transfer_syntax_uid,
                "path": instance.path,
                "calling_ae_title": instance.calling_ae_title,
                "received_at": self.clock(),
            }
            connection.execute(_NEW_INSTANCE, row)
            if series is None:
                self._open(session, study_id)
            else:
                connection.execute(_TOUCH, {"study_id": study_id, "now": self.clock()})
            return True

    def record_conflict(self, instance: ReceivedInstance, *, replaces: bool) -> None:
        """Remembers other bytes under a known SOP Instance UID; both stay in the spool.

        Args:
            instance: what came now.
            replaces: use it from now on, and open the study again; otherwise the first one stays in use.
        """
        with self.writing() as session:
            study_id = self._study(session, instance.study_instance_uid)
            series_id = self._series(session, study_id, instance)
            names = {"series_id": series_id, "sop_instance_uid": instance.sop_instance_uid}
            instance_id = session.execute(_INSTANCE_ID, names).scalar_one()
            unused = instance.path
            if replaces:
                unused = session.scalars(select(Instance.path).where(Instance.id == instance_id)).one()
                if unused == instance.path:
                    return
                session.execute(
                    update(Instance)
                    .where(Instance.id == instance_id)
                    .values(path=instance.path, transfer_syntax_uid=instance.transfer_syntax_uid)
                )
                self._open(session, study_id)
            known = select(Conflict.id).where(Conflict.instance_id == instance_id, Conflict.path == unused)
            if session.scalars(known).first() is None:
                session.add(
                    Conflict(
                        instance_id=instance_id,
                        path=unused,
                        calling_ae_title=instance.calling_ae_title,
                        received_at=self.clock(),
                    )
                )

    def record_rejection(self, rejection: Rejection) -> None:
        """Remembers what was not accepted, for the operator."""
        with self.writing() as session:
            session.add(
                RejectedInstance(
                    calling_ae_title=rejection.calling_ae_title,
                    status=rejection.status,
                    reason=rejection.reason,
                    path=rejection.path,
                    rejected_at=self.clock(),
                )
            )

    def open_studies(self) -> list[OpenStudy]:
        """Studies that still receive, the longest quiet first."""
        with self.reading() as session:
            rows = session.execute(
                select(Study.id, Study.study_instance_uid, Study.last_instance_at)
                .where(Study.state == StudyState.RECEIVING)
                .order_by(Study.last_instance_at)
            )
            return [OpenStudy(*row) for row in rows]

    def instance_counts(self, study_instance_uid: str) -> dict[str, int]:
        """How many instances of each series are here, by Series Instance UID."""
        with self.reading() as session:
            rows = session.execute(
                select(Series.series_instance_uid, func.count(Instance.id))
                .join(Instance, Instance.series_id == Series.id)
                .join(Study, Series.study_id == Study.id)
                .where(Study.study_instance_uid == study_instance_uid)
                .group_by(Series.series_instance_uid)
            )
            return dict(rows.all())

    def complete(self, study: OpenStudy, because: str) -> bool:
        """Closes a study and queues its examination.

        Returns:
            False if an instance has come since ``study`` was read: it is not complete then.
        """
        with self.writing() as session:
            row = session.get_one(Study, study.id)
            if row.state is not StudyState.RECEIVING or row.last_instance_at != study.last_instance_at:
                return False
            row.state = StudyState.COMPLETE
            row.completed_because = because
            session.add(
                Job(
                    study_id=row.id,
                    revision=row.revision,
                    kind=JobKind.EXAMINE,
                    priority=EXAMINE_PRIORITY,
                    not_before=self.clock(),
                    queued_at=self.clock(),
                )
            )
            return True

    def _study(self, session: Session, study_instance_uid: str) -> int:
        known = session.scalars(
            select(Study.id).where(Study.study_instance_uid == study_instance_uid)
        ).first()
        if known is not None:
            return known
        now = self.clock()
        study = Study(
            study_instance_uid=study_instance_uid,
            state=StudyState.RECEIVING,
            first_instance_at=now,
            last_instance_at=now,
        )
        session.add(study)
        session.flush()
        return study.id

    def _series(self, session: Session, study_id: int, instance: ReceivedInstance) -> int:
        known = session.scalars(
            select(Series.id).where(
                Series.study_id == study_id, Series.series_instance_uid == instance.series_instance_uid
            )
        ).first()
        if known is not None:
            return known
        series = Series(
            study_id=study_id,
            series_instance_uid=instance.series_instance_uid,
            modality=instance.modality,
        )
        session.add(series)
        session.flush()
        return series.id

    def _open(self, session: Session, study_id: int) -> None:
        """Keeps a study open; what was under way for its earlier revision is no longer wanted."""
        study = session.get_one(Study, study_id)
        study.last_instance_at = self.clock()
        if study.state is StudyState.COMPLETE:
            study.state = StudyState.RECEIVING
            study.revision += 1
            session.execute(
                update(Job)
                .where(
                    Job.study_id == study_id,
                    Job.state.in_((JobState.QUEUED, JobState.LEASED, JobState.FAILED)),
                )
                .values(state=JobState.SUPERSEDED, ended_at=self.clock())
            )
            results = select(MadeResult.id).where(MadeResult.study_id == study_id)
            session.execute(
                update(Delivery)
                .where(Delivery.result_id.in_(results), Delivery.state == DeliveryState.WAITING)
                .values(state=DeliveryState.SUPERSEDED, ended_at=self.clock())
            )
