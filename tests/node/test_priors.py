"""Studies of one patient find each other without the database knowing the patient."""

import sqlite3
import stat
from pathlib import Path

import pytest

from node.backoff import Backoff
from node.database import Database
from node.jobs import (
    DecisionRow,
    FinishedResult,
    JobQueue,
    LeasedJob,
    MeasureOrder,
    PriorResult,
    StudiedPatient,
)
from node.priors import make_secret, studied_patient
from tests.node.conftest import Clock, instance

SECRET = bytes(32)
WHO = {"PatientID": "P1", "IssuerOfPatientID": "H1", "PatientBirthDate": "19500102"}
HEADER = {**WHO, "StudyDate": "20240102", "StudyTime": "101112.345"}


def key(header: dict[str, object], secret: bytes = SECRET) -> str:
    found = studied_patient([header], secret)
    assert found is not None
    return found.patient_key


class TestKey:
    def test_is_the_same_for_the_same_patient_only(self) -> None:
        others = [{**HEADER, keyword: "2"} for keyword in WHO] + [{**HEADER, "IssuerOfPatientID": None}]
        assert key({**HEADER, "PatientID": " P1 ", "StudyDate": "20250102"}) == key(HEADER)
        assert key(HEADER) not in {key(other) for other in others}

    def test_parts_do_not_run_into_each_other(self) -> None:
        first = key({**HEADER, "PatientID": "P1", "IssuerOfPatientID": "1"})
        assert first != key({**HEADER, "PatientID": "P11", "IssuerOfPatientID": ""})

    def test_hangs_on_the_secret_and_shows_nothing(self) -> None:
        assert key(HEADER) != key(HEADER, bytes([1]) * 32)
        assert len(key(HEADER)) == 64
        assert "P1" not in key(HEADER)

    @pytest.mark.parametrize(
        "change",
        [{"PatientID": None}, {"PatientID": " "}, {"PatientID": ["P1", "P2"]}, {"StudyDate": "2024"}],
    )
    def test_is_none_where_nobody_is_named_or_no_day(self, change: dict[str, object]) -> None:
        assert studied_patient([{**HEADER, **change}], SECRET) is None

    def test_is_none_where_the_series_of_a_study_disagree(self) -> None:
        assert studied_patient([HEADER, {**HEADER, "PatientID": "P2"}], SECRET) is None
        assert studied_patient([HEADER, {**HEADER, "PatientID": None}], SECRET) is None
        assert studied_patient([], SECRET) is None

    @pytest.mark.parametrize(
        ("time", "expected"), [("101112.345", "101112"), ("10", "100000"), (None, "000000"), ("x", "000000")]
    )
    def test_comes_with_the_time_of_the_study(self, time: str | None, expected: str) -> None:
        found = studied_patient([{**HEADER, "StudyTime": time}], SECRET)
        assert found is not None
        assert found.studied_at == "20240102" + expected


def test_a_secret_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    make_secret(path)
    made = path.read_bytes()
    make_secret(path)
    assert path.read_bytes() == made
    assert len(set(made)) > 8
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


class Node:
    """A queue through which studies are taken to their results, one after the other."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.jobs = JobQueue(database, "COXA", attempts=3, backoff=Backoff(10, 100))

    def order(self, study: str, patient: StudiedPatient | None, route: str = "thigh-muscle") -> LeasedJob:
        """The measurement of a study that has come now."""
        series = f"{study}.1"
        number = sum(self.database.instance_counts(study).values()) + 1
        self.database.record_instance(instance(number, study=study, series=series))
        (open_study,) = self.database.open_studies()
        assert self.database.complete(open_study, "quiet")
        self.jobs.finish_examination(
            self.lease(),
            [DecisionRow(route, series, "chosen", [])],
            [MeasureOrder(route, series, 0)],
            patient,
        )
        return self.lease()

    def lease(self) -> LeasedJob:
        job = self.jobs.lease(60)
        assert job is not None
        return job

    def measure(self, study: str, patient: StudiedPatient | None, route: str = "thigh-muscle") -> str:
        job = self.order(study, patient, route)
        assert self.jobs.finish_measurement(
            job, FinishedResult(f"r{job.id}", "1.0", "1.1", f"9.{job.id}"), []
        )
        return f"r{job.id}"


@pytest.fixture
def node(database: Database) -> Node:
    return Node(database)


def on(day: str, patient: str = "k1") -> StudiedPatient:
    return StudiedPatient(patient, f"{day}120000")


class TestPriorResult:
    def test_is_the_patients_latest_of_an_earlier_day_whatever_came_first(self, node: Node) -> None:
        latest = node.measure("1.2", on("20240301"))
        node.measure("1.3", on("20230101"))
        job = node.order("1.4", on("20240601"))
        assert node.jobs.prior_result(job) == PriorResult(latest, (Path("1.2/1.2.1/1.2.1.1.dcm"),))

    def test_a_study_that_comes_late_is_not_compared_with_a_later_one(self, node: Node) -> None:
        node.measure("1.2", on("20240301"))
        assert node.jobs.prior_result(node.order("1.3", on("20230101"))) is None

    @pytest.mark.parametrize(
        ("patient", "route"),
        [
            (on("20240301", "k2"), "thigh-muscle"),
            (on("20240601"), "thigh-muscle"),
            (on("20240301"), "hip-tissue"),
            (None, "thigh-muscle"),
        ],
    )
    def test_is_of_the_same_patient_and_route_and_not_of_the_same_day(
        self, node: Node, patient: StudiedPatient | None, route: str
    ) -> None:
        node.measure("1.2", patient, route)
        assert node.jobs.prior_result(node.order("1.3", on("20240601"))) is None

    def test_of_an_unknown_patient_is_none(self, node: Node) -> None:
        node.measure("1.2", on("20240301"))
        assert node.jobs.prior_result(node.order("1.3", None)) is None

    def test_is_the_one_that_holds_now(self, node: Node, clock: Clock) -> None:
        node.measure("1.2", on("20240301"))
        clock.advance(1)
        newer = node.measure("1.2", on("20240301"))
        prior = node.jobs.prior_result(node.order("1.3", on("20240601")))
        assert prior is not None
        assert (prior.folder, len(prior.files)) == (newer, 2)

    def test_follows_a_corrected_patient(self, node: Node, clock: Clock) -> None:
        node.measure("1.2", on("20240301"))
        clock.advance(1)
        node.measure("1.2", on("20240301", "k2"))
        assert node.jobs.prior_result(node.order("1.3", on("20240601"))) is None


def test_a_database_from_before_gets_the_table(tmp_path: Path) -> None:
    file = tmp_path / "old.sqlite"
    url = f"sqlite:///{file}"
    old = Database.open(url)
    Node(old).measure("1.2", None)
    old.close()
    with sqlite3.connect(file) as connection:
        connection.execute("DROP TABLE patient_of_study")
    connection.close()

    opened = Database.open(url)
    node = Node(opened)
    first = node.measure("1.3", on("20240301"))
    prior = node.jobs.prior_result(node.order("1.4", on("20240601")))
    assert prior is not None
    assert prior.folder == first
    opened.close()
