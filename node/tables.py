"""The tables: what was received, what was decided, what is to be done, what is to be delivered.

The database is the truth for work; the spool is the truth for pixels. Identifiers are DICOM UIDs; no patient
data is kept here but when a study was made and a key that tells whether two studies are of one patient (see
``node.priors``). There are no migrations: what is added comes as a table of its own, which an existing
database gets when it is opened. Times are seconds since the epoch, UTC. Rows change state only through
``node.database``.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class StudyState(StrEnum):
    """Is everything there?"""

    RECEIVING = "receiving"
    COMPLETE = "complete"


class JobKind(StrEnum):
    """What a worker is asked for."""

    EXAMINE = "examine"
    MEASURE = "measure"


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


class Study(Table):
    """A study, from its first instance on. ``revision`` grows each time a late instance re-opens it."""

    __tablename__ = "study"
    __table_args__ = (Index("study_by_state", "state", "last_instance_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(unique=True)
    state: Mapped[StudyState]
    revision: Mapped[int] = mapped_column(default=1)
    first_instance_at: Mapped[float]
    last_instance_at: Mapped[float]
    completed_because: Mapped[str | None]


class PatientOfStudy(Table):
    """Which studies are of one patient, and in which order they were made; only where the headers say so.

    Written when a study is examined: studies examined before there was this table have no row, and no prior.
    ``studied_at`` is the date and time of the study, YYYYMMDDHHMMSS, on the scanner's clock.
    """

    __tablename__ = "patient_of_study"
    __table_args__ = (Index("study_by_patient", "patient_key", "studied_at"),)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), primary_key=True)
    patient_key: Mapped[str]
    studied_at: Mapped[str]


class Series(Table):
    """A series of a study."""

    __tablename__ = "series"
    __table_args__ = (UniqueConstraint("study_id", "series_instance_uid"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    series_instance_uid: Mapped[str]
    modality: Mapped[str]


class Instance(Table):
    """An instance that was acknowledged. ``path`` is relative to the spool."""

    __tablename__ = "instance"
    __table_args__ = (UniqueConstraint("series_id", "sop_instance_uid"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"))
    sop_instance_uid: Mapped[str]
    sop_class_uid: Mapped[str]
    transfer_syntax_uid: Mapped[str]
    path: Mapped[str]
    calling_ae_title: Mapped[str]
    received_at: Mapped[float]


class Conflict(Table):
    """The same SOP Instance UID came with other bytes. Both are kept; ``path`` is the one not used."""

    __tablename__ = "conflict"
    __table_args__ = (UniqueConstraint("instance_id", "path"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instance.id"))
    path: Mapped[str]
    calling_ae_title: Mapped[str]
    received_at: Mapped[float]


class RejectedInstance(Table):
    """An instance that was not accepted, and what was answered."""

    __tablename__ = "rejection"
    id: Mapped[int] = mapped_column(primary_key=True)
    calling_ae_title: Mapped[str]
    status: Mapped[int]
    reason: Mapped[str]
    path: Mapped[str | None]
    rejected_at: Mapped[float]


class Job(Table):
    """A piece of work. Examine looks at a study's series; measure runs one route on one series."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("study_id", "revision", "kind", "route"),
        Index("job_by_turn", "state", "priority", "not_before"),
        Index("job_by_study", "study_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    revision: Mapped[int]
    kind: Mapped[JobKind]
    route: Mapped[str] = mapped_column(default="")
    series_id: Mapped[int | None] = mapped_column(ForeignKey("series.id"))
    priority: Mapped[int]
    state: Mapped[JobState] = mapped_column(default=JobState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float]
    leased_by: Mapped[str | None]
    leased_until: Mapped[float | None]
    reason: Mapped[str | None]
    queued_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]


class RouteDecision(Table):
    """Why a series was, or was not, measured by a route. ``words`` holds one line per condition."""

    __tablename__ = "decision"
    __table_args__ = (Index("decision_by_study", "study_id", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    revision: Mapped[int]
    route: Mapped[str]
    series_instance_uid: Mapped[str]
    outcome: Mapped[str]
    words: Mapped[list[Any]]


class MadeResult(Table):
    """Objects on disk, made by a job. At most one result of a (study, route) is not superseded."""

    __tablename__ = "result"
    __table_args__ = (Index("result_by_study", "study_id", "route"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    route: Mapped[str]
    folder: Mapped[str]
    report_series_instance_uid: Mapped[str]
    report_sop_class_uid: Mapped[str]
    report_sop_instance_uid: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[float]
    superseded_by: Mapped[int | None] = mapped_column(ForeignKey("result.id"))


class Delivery(Table):
    """A result that a destination has to get. ``statuses`` holds what it answered, instance by instance."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("result_id", "destination"),
        Index("delivery_by_turn", "destination", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"))
    destination: Mapped[str]
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float]
    statuses: Mapped[list[Any]] = mapped_column(default=list)
    reason: Mapped[str | None]
    queued_at: Mapped[float]
    ended_at: Mapped[float | None]
