"""Where every study stands, read from the rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.database import Database
from node.tables import (
    Conflict,
    Delivery,
    Instance,
    Job,
    JobKind,
    JobState,
    MadeResult,
    RejectedInstance,
    RouteDecision,
    Series,
    Study,
    StudyState,
)


@dataclass(frozen=True)
class DeliveryStatus:
    """One destination of a result."""

    destination: str
    state: str
    attempts: int
    reason: str | None


@dataclass(frozen=True)
class ResultStatus:
    """One current result; ``folder`` is relative to the results folder."""

    route: str
    folder: str
    deliveries: list[DeliveryStatus]


@dataclass(frozen=True)
class StudyStatus:
    """One study: how much of it came, what is happening, what came of it, and how long each step took."""

    study_instance_uid: str
    state: str
    complete: str | None
    revision: int
    instances: int
    conflicts: int
    jobs: list[str]
    reasons: list[str]
    results: list[ResultStatus]
    seconds: dict[str, float]


@dataclass(frozen=True)
class NodeStatus:
    """The studies last heard of first, and what was not accepted."""

    studies: list[StudyStatus]
    rejected_instances: int
    last_rejections: list[str]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def read_status(database: Database, limit: int) -> NodeStatus:
    """The newest ``limit`` studies and the newest rejections."""
    with database.reading() as session:
        studies = session.scalars(select(Study).order_by(Study.last_instance_at.desc()).limit(limit))
        rejections = session.scalars(
            select(RejectedInstance).order_by(RejectedInstance.id.desc()).limit(limit)
        ).all()
        return NodeStatus(
            studies=[_study(session, study) for study in studies],
            rejected_instances=session.scalar(select(func.count(RejectedInstance.id))) or 0,
            last_rejections=[
                f"0x{row.status:04X} to {row.calling_ae_title}: {row.reason}" for row in rejections
            ],
        )


def _study(session: Session, study: Study) -> StudyStatus:
    jobs = session.scalars(
        select(Job).where(Job.study_id == study.id, Job.revision == study.revision).order_by(Job.id)
    ).all()
    results = session.scalars(
        select(MadeResult).where(MadeResult.study_id == study.id, MadeResult.superseded_by.is_(None))
    ).all()
    instances = (
        select(func.count(Instance.id))
        .join(Series, Instance.series_id == Series.id)
        .where(Series.study_id == study.id)
    )
    conflicts = (
        select(func.count(Conflict.id))
        .join(Instance, Conflict.instance_id == Instance.id)
        .join(Series, Instance.series_id == Series.id)
        .where(Series.study_id == study.id)
    )
    return StudyStatus(
        study_instance_uid=study.study_instance_uid,
        state=_stands(study, jobs),
        complete=study.completed_because if study.state is StudyState.COMPLETE else None,
        revision=study.revision,
        instances=session.scalar(instances) or 0,
        conflicts=session.scalar(conflicts) or 0,
        jobs=[_job(job) for job in jobs],
        reasons=_reasons(session, study),
        results=[_result(session, result) for result in results],
        seconds=_seconds(session, study, jobs, results),
    )


def _stands(study: Study, jobs: Sequence[Job]) -> str:
    if study.state is StudyState.RECEIVING:
        return "receiving"
    states = {job.state for job in jobs}
    if JobState.LEASED in states:
        return "working"
    if JobState.QUEUED in states:
        return "waiting"
    if JobState.FAILED in states:
        return "failed"
    if JobState.REFUSED in states:
        return "refused"
    return "measured" if any(job.kind is JobKind.MEASURE for job in jobs) else "not eligible"


def _job(job: Job) -> str:
    what = "examine" if job.kind is JobKind.EXAMINE else f"measure {job.route}"
    why = f": {job.reason}" if job.reason else ""
    return f"{what} {job.state}{why}"


def _reasons(session: Session, study: Study) -> list[str]:
    decisions = session.scalars(
        select(RouteDecision)
        .where(RouteDecision.study_id == study.id, RouteDecision.revision == study.revision)
        .order_by(RouteDecision.id)
    )
    return [
        f"{row.route}, series {row.series_instance_uid}: {row.outcome}: {'; '.join(map(str, row.words))}"
        for row in decisions
    ]


def _result(session: Session, result: MadeResult) -> ResultStatus:
    deliveries = session.scalars(
        select(Delivery).where(Delivery.result_id == result.id).order_by(Delivery.id)
    )
    return ResultStatus(
        route=result.route,
        folder=result.folder,
        deliveries=[
            DeliveryStatus(row.destination, row.state, row.attempts, row.reason) for row in deliveries
        ],
    )


def _seconds(
    session: Session, study: Study, jobs: Sequence[Job], results: Sequence[MadeResult]
) -> dict[str, float]:
    steps = {"receive": study.last_instance_at - study.first_instance_at}
    for job in jobs:
        if job.started_at is None or job.ended_at is None:
            continue
        if job.kind is JobKind.EXAMINE:
            steps["wait until complete"] = job.queued_at - study.last_instance_at
        steps["examine" if job.kind is JobKind.EXAMINE else f"measure {job.route}"] = (
            job.ended_at - job.started_at
        )
    for result in results:
        for delivery in session.scalars(select(Delivery).where(Delivery.result_id == result.id)):
            if delivery.ended_at is not None:
                steps[f"deliver {result.route} to {delivery.destination}"] = (
                    delivery.ended_at - delivery.queued_at
                )
    return steps
