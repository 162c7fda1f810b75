"""The queue of work: rows that are leased, done, refused, tried again or given up."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from node.backoff import Backoff
from node.database import Database
from node.tables import (
    Delivery,
    DeliveryState,
    Instance,
    Job,
    JobKind,
    JobState,
    MadeResult,
    PatientOfStudy,
    RouteDecision,
    Series,
    Study,
)
from node.transitions import JobEvent, change

DATE_LENGTH = len("YYYYMMDD")


@dataclass(frozen=True)
class LeasedJob:
    """A job this node may work on. ``attempt`` counts from 1."""

    id: int
    kind: JobKind
    study_instance_uid: str
    route: str
    attempt: int


@dataclass(frozen=True)
class DecisionRow:
    """What routing said of one series under one route; see ``node.tables.RouteDecision``."""

    route: str
    series_instance_uid: str
    outcome: str
    words: Sequence[str]


@dataclass(frozen=True)
class MeasureOrder:
    """A measurement that an examination asks for."""

    route: str
    series_instance_uid: str
    priority: int


@dataclass(frozen=True)
class FinishedResult:
    """Objects that are safely on disk; ``folder`` is relative to the results folder."""

    folder: str
    report_series_instance_uid: str
    report_sop_class_uid: str
    report_sop_instance_uid: str


@dataclass(frozen=True)
class StudiedPatient:
    """Whose study, as a key, and when it was made; see ``node.tables.PatientOfStudy``."""

    patient_key: str
    studied_at: str


@dataclass(frozen=True)
class PriorResult:
    """The latest earlier result of a patient: its folder in the results folder, its images in the spool."""

    folder: str
    files: tuple[Path, ...]


class JobQueue:
    """Jobs of one database, as one node sees them.

    Args:
        database: where the rows are.
        node: name under which leases are taken; the same after a restart.
        attempts: how often a job is tried before it is given up.
        backoff: pauses between attempts.
    """

    def __init__(self, database: Database, node: str, attempts: int, backoff: Backoff) -> None:
        self._database = database
        self._node = node
        self._attempts = attempts
        self._backoff = backoff

    def lease(self, lease_s: float) -> LeasedJob | None:
        """Takes the next job that is due: highest priority first, then the oldest."""
        now = self._database.clock()
        with self._database.writing() as session:
            job = session.scalars(
                select(Job)
                .where(Job.state == JobState.QUEUED, Job.not_before <= now)
                .order_by(Job.priority.desc(), Job.id)
                .limit(1)
            ).first()
            if job is None:
                return None
            change(job, JobEvent.LEASE)
            job.attempts += 1
            job.started_at = now
            job.leased_by = self._node
            job.leased_until = now + lease_s
            study = session.get_one(Study, job.study_id)
            return LeasedJob(job.id, job.kind, study.study_instance_uid, job.route, job.attempts)

    def renew(self, job_ids: Sequence[int], lease_s: float) -> None:
        """Keeps the leases of jobs that are still worked on."""
        with self._database.writing() as session:
            session.execute(
                update(Job)
                .where(Job.id.in_(job_ids), Job.state == JobState.LEASED, Job.leased_by == self._node)
                .values(leased_until=self._database.clock() + lease_s)
            )

    def recover(self, held: Collection[int]) -> int:
        """Takes back leases of this node that nobody works on, and those any node let expire.

        A job that was under way at each of its attempts when its node died is given up: it may be the cause.

        Args:
            held: jobs that are worked on.

        Returns:
            How many leases were taken back.
        """
        now = self._database.clock()
        with self._database.writing() as session:
            lost = session.scalars(
                select(Job).where(
                    Job.state == JobState.LEASED,
                    Job.id.not_in(held),
                    (Job.leased_by == self._node) | (Job.leased_until < now),
                )
            ).all()
            for job in lost:
                if job.attempts >= self._attempts:
                    self._give_up(job, f"The node stopped during each of {job.attempts} attempts.")
                else:
                    self._queue_again(job, JobEvent.RELEASE, now)
            return len(lost)

    def result_folders(self) -> set[str]:
        """Folders of all results, superseded ones too."""
        with self._database.reading() as session:
            return set(session.scalars(select(MadeResult.folder)))

    def release(self, job: LeasedJob) -> None:
        """Gives a job back that was not the cause of its interruption."""
        with self._database.writing() as session:
            row = _leased(session, job)
            if row is not None:
                self._queue_again(row, JobEvent.RELEASE, self._database.clock())
                row.attempts -= 1

    def files_by_series(self, job: LeasedJob) -> dict[str, list[Path]]:
        """The instances a job is about: its study's for an examination, its series' for a measurement.

        Returns:
            Paths relative to the spool, by Series Instance UID.
        """
        with self._database.reading() as session:
            row = session.get_one(Job, job.id)
            query = (
                select(Series.series_instance_uid, Instance.path)
                .join(Instance, Instance.series_id == Series.id)
                .where(Series.study_id == row.study_id)
                .order_by(Instance.id)
            )
            if row.series_id is not None:
                query = query.where(Series.id == row.series_id)
            files: dict[str, list[Path]] = {}
            for series_instance_uid, path in session.execute(query):
                files.setdefault(series_instance_uid, []).append(Path(path))
            return files

    def current_result(self, job: LeasedJob) -> FinishedResult | None:
        """The result of this job's study and route that a new one would supersede."""
        with self._database.reading() as session:
            row = session.get_one(Job, job.id)
            result = _current_result(session, row.study_id, row.route)
            if result is None:
                return None
            return FinishedResult(
                result.folder,
                result.report_series_instance_uid,
                result.report_sop_class_uid,
                result.report_sop_instance_uid,
            )

    def prior_result(self, job: LeasedJob) -> PriorResult | None:
        """The patient's result by the same route whose images are the latest made before this study's day.

        By the dates of the studies, not by their arrival. A study that arrives after a later one of its
        patient is not compared with it, nor is the later one's result made again: a report that was sent
        stays as it is.
        """
        with self._database.reading() as session:
            row = session.get_one(Job, job.id)
            ours = session.get(PatientOfStudy, row.study_id)
            if ours is None:
                return None
            found = session.execute(
                select(MadeResult.folder, Job.series_id)
                .join(Job, MadeResult.job_id == Job.id)
                .join(PatientOfStudy, PatientOfStudy.study_id == MadeResult.study_id)
                .where(
                    PatientOfStudy.patient_key == ours.patient_key,
                    PatientOfStudy.studied_at < ours.studied_at[:DATE_LENGTH],
                    MadeResult.route == row.route,
                    MadeResult.superseded_by.is_(None),
                )
                .order_by(PatientOfStudy.studied_at.desc(), MadeResult.id.desc())
                .limit(1)
            ).first()
            if found is None:
                return None
            paths = session.scalars(
                select(Instance.path).where(Instance.series_id == found.series_id).order_by(Instance.id)
            )
            return PriorResult(found.folder, tuple(Path(path) for path in paths))

    def finish_examination(
        self,
        job: LeasedJob,
        decisions: Sequence[DecisionRow],
        orders: Sequence[MeasureOrder],
        patient: StudiedPatient | None = None,
    ) -> bool:
        """Keeps the decisions and queues what they ask for.

        Args:
            job: the examination.
            decisions: what the routes said.
            orders: what is to be measured.
            patient: whose study it is; None where the headers do not say.

        Returns:
            False if the job was superseded meanwhile: nothing is kept then.
        """
        now = self._database.clock()
        with self._database.writing() as session:
            row = _leased(session, job)
            if row is None:
                return False
            _set_patient(session, row.study_id, patient)
            for decision in decisions:
                session.add(
                    RouteDecision(
                        study_id=row.study_id,
                        revision=row.revision,
                        route=decision.route,
                        series_instance_uid=decision.series_instance_uid,
                        outcome=decision.outcome,
                        words=list(decision.words),
                    )
                )
            for order in orders:
                series_id = session.scalars(
                    select(Series.id).where(
                        Series.study_id == row.study_id,
                        Series.series_instance_uid == order.series_instance_uid,
                    )
                ).one()
                session.add(
                    Job(
                        study_id=row.study_id,
                        revision=row.revision,
                        kind=JobKind.MEASURE,
                        route=order.route,
                        series_id=series_id,
                        priority=order.priority,
                        not_before=now,
                        queued_at=now,
                    )
                )
            self._end(row, JobEvent.FINISH, None)
            return True

    def finish_measurement(self, job: LeasedJob, made: FinishedResult, destinations: Sequence[str]) -> bool:
        """Keeps a result together with its deliveries; it supersedes the route's earlier one.

        The same objects once more (derived identities: the same work) are not a new result.

        Returns:
            False if the job was superseded meanwhile: nothing is kept then.
        """
        now = self._database.clock()
        with self._database.writing() as session:
            row = _leased(session, job)
            if row is None:
                return False
            self._end(row, JobEvent.FINISH, None)
            earlier = _current_result(session, row.study_id, row.route)
            known = session.scalars(
                select(MadeResult).where(MadeResult.report_sop_instance_uid == made.report_sop_instance_uid)
            ).first()
            if known is not None:
                self._make_current(session, known, earlier)
                return True
            result = MadeResult(
                study_id=row.study_id,
                job_id=row.id,
                route=row.route,
                folder=made.folder,
                report_series_instance_uid=made.report_series_instance_uid,
                report_sop_class_uid=made.report_sop_class_uid,
                report_sop_instance_uid=made.report_sop_instance_uid,
                made_at=now,
            )
            session.add(result)
            session.flush()
            if earlier is not None:
                self._supersede(session, earlier, result)
            for destination in destinations:
                session.add(
                    Delivery(result_id=result.id, destination=destination, not_before=now, queued_at=now)
                )
            return True

    def refuse(self, job: LeasedJob, reason: str) -> None:
        """Records that the series cannot be measured safely. A decision, not an error: never retried."""
        with self._database.writing() as session:
            row = _leased(session, job)
            if row is not None:
                self._end(row, JobEvent.REFUSE, reason)

    def fail(self, job: LeasedJob, reason: str) -> None:
        """Queues a failed job again after a pause, or gives it up when its attempts are used."""
        now = self._database.clock()
        with self._database.writing() as session:
            row = _leased(session, job)
            if row is None:
                return
            if row.attempts >= self._attempts:
                self._give_up(row, reason)
            else:
                self._queue_again(row, JobEvent.POSTPONE, now + self._backoff.delay_s(row.attempts))
                row.reason = reason

    def retry(self, study_instance_uid: str | None = None) -> int:
        """Queues jobs that were given up, of one study or all, and returns how many."""
        now = self._database.clock()
        query = select(Job).where(Job.state == JobState.FAILED)
        if study_instance_uid is not None:
            query = query.join(Study).where(Study.study_instance_uid == study_instance_uid)
        with self._database.writing() as session:
            jobs = session.scalars(query).all()
            for job in jobs:
                self._queue_again(job, JobEvent.RETRY, now)
                job.attempts = 0
                job.ended_at = None
            return len(jobs)

    def _make_current(self, session: Session, known: MadeResult, earlier: MadeResult | None) -> None:
        """An earlier result holds again: what was not sent of it is due again."""
        known.superseded_by = None
        if earlier is not None and earlier is not known:
            self._supersede(session, earlier, known)
        session.execute(
            update(Delivery)
            .where(Delivery.result_id == known.id, Delivery.state == DeliveryState.SUPERSEDED)
            .values(state=DeliveryState.WAITING, not_before=self._database.clock(), ended_at=None)
        )

    def _supersede(self, session: Session, earlier: MadeResult, by: MadeResult) -> None:
        earlier.superseded_by = by.id
        session.execute(
            update(Delivery)
            .where(
                Delivery.result_id == earlier.id,
                Delivery.state.in_((DeliveryState.WAITING, DeliveryState.FAILED)),
            )
            .values(state=DeliveryState.SUPERSEDED, ended_at=self._database.clock())
        )

    def _give_up(self, job: Job, reason: str) -> None:
        self._end(job, JobEvent.FAIL, reason)

    def _end(self, job: Job, what: JobEvent, reason: str | None) -> None:
        change(job, what)
        job.reason = reason
        job.leased_by = job.leased_until = None
        job.ended_at = self._database.clock()

    def _queue_again(self, job: Job, what: JobEvent, not_before: float) -> None:
        change(job, what)
        job.not_before = not_before
        job.leased_by = job.leased_until = None


def _leased(session: Session, job: LeasedJob) -> Job | None:
    """The row, if this very lease still stands."""
    row = session.get_one(Job, job.id)
    return row if row.state is JobState.LEASED and row.attempts == job.attempt else None


def _set_patient(session: Session, study_id: int, patient: StudiedPatient | None) -> None:
    """Takes the place of what an earlier examination of the study found."""
    session.execute(delete(PatientOfStudy).where(PatientOfStudy.study_id == study_id))
    if patient is not None:
        session.add(
            PatientOfStudy(study_id=study_id, patient_key=patient.patient_key, studied_at=patient.studied_at)
        )


def _current_result(session: Session, study_id: int, route: str) -> MadeResult | None:
    return session.scalars(
        select(MadeResult).where(
            MadeResult.study_id == study_id, MadeResult.route == route, MadeResult.superseded_by.is_(None)
        )
    ).first()
