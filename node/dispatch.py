"""Queued jobs -> worker processes. Nothing is known here that the database does not know.

One thread leases jobs, hands them to Dask and writes down what became of them. A worker that dies costs one
attempt of the job it worked on; the node that dies finds its leases when it comes back.
"""

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import Future, KilledWorker
from sqlalchemy.exc import OperationalError

from inference.errors import BundleError, Refused
from node import work
from node.config import Settings
from node.jobs import DecisionRow, JobQueue, LeasedJob, MeasureOrder
from node.priors import make_secret
from node.routing import decide, keywords_of
from node.tables import JobKind
from node.workers import Workers

logger = logging.getLogger(__name__)

LEASE_S = 60.0
POLL_S = 1.0
OUR_ROOMS = ("node", "inference", "pipelines", "dicom_out")


@dataclass
class _Running:
    job: LeasedJob
    future: Future[Any]
    started: float


class Dispatcher:
    """Runs the jobs of one node.

    Args:
        settings: routes, cluster, folders.
        jobs: the queue.
        on_delivery: called after a result was kept, so that it goes out at once.
    """

    def __init__(self, settings: Settings, jobs: JobQueue, on_delivery: Callable[[], None]) -> None:
        self._settings = settings
        self._jobs = jobs
        self._on_delivery = on_delivery
        self._running: dict[int, _Running] = {}
        self._finished: queue.SimpleQueue[LeasedJob | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatch")
        self._renewed = 0.0

    def start(self) -> None:
        """Starts the worker processes and begins to lease."""
        work.sweep(self._settings.results_folder, self._jobs.result_folders())
        make_secret(self._settings.patient_secret_file)
        recovered = self._jobs.recover(held=())
        if recovered:
            logger.info("Took back %d jobs that were under way when the node stopped.", recovered)
        self._workers = Workers(self._settings.cluster)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._finished.put(None)

    def stop(self, drain_s: float) -> None:
        """Leases nothing more, lets running jobs end for a while, gives the rest back, ends the workers."""
        self._stopping.set()
        self.wake()
        self._thread.join()
        deadline = time.monotonic() + drain_s
        try:
            while self._running and (left_s := deadline - time.monotonic()) > 0:
                self._settle(left_s)
            for running in self._running.values():
                self._jobs.release(running.job)
        finally:
            self._workers.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._fill()
                self._renew()
                self._end_overdue()
                self._settle(POLL_S)
            except Exception:
                # A full disk or a locked database must not end the thread that would go on afterwards.
                logger.exception("Dispatch was interrupted; it goes on in %.0f s.", POLL_S)
                self._stopping.wait(POLL_S)

    def _fill(self) -> None:
        while len(self._running) < self._settings.cluster.workers:
            job = self._jobs.lease(LEASE_S)
            if job is None:
                return
            try:
                future = self._submit(job)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job must not stay leased
                self._fail(job, _without_values(error))
                continue
            self._running[job.id] = _Running(job, future, time.monotonic())
            future.add_done_callback(lambda _, job=job: self._finished.put(job))

    def _submit(self, job: LeasedJob) -> Future[Any]:
        files = {
            series_instance_uid: [self._settings.spool_folder / path for path in paths]
            for series_instance_uid, paths in self._jobs.files_by_series(job).items()
        }
        key = f"job-{job.id}-{uuid4()}"
        logger.info("%s of study %s, attempt %d", job.kind, job.study_instance_uid, job.attempt)
        if job.kind is JobKind.EXAMINE:
            keywords, secret_file = keywords_of(self._settings.routes), self._settings.patient_secret_file
            return self._workers.submit(key, work.examine_study, files, keywords, secret_file)
        (measured,) = files.values()
        request = self._request(job, measured)
        return self._workers.submit(key, work.measure_durably, request, self._settings.results_folder)

    def _request(self, job: LeasedJob, files: list[Path]) -> work.MeasureRequest:
        route = self._settings.route(job.route)
        return work.MeasureRequest(
            files=files,
            route=route.name,
            pipeline=route.pipeline,
            bundle=route.bundle,
            segmentation=self._settings.output.segmentation,
            supersedes=self._jobs.current_result(job),
            prior=self._prior(job),
            clinical=self._settings.clinical.csv,
        )

    def _prior(self, job: LeasedJob) -> work.Prior | None:
        found = self._jobs.prior_result(job)
        if found is None:
            return None
        files = [self._settings.spool_folder / path for path in found.files]
        return work.Prior(self._settings.results_folder / found.folder, files)

    def _renew(self) -> None:
        if time.monotonic() - self._renewed > LEASE_S / 3:
            self._jobs.renew(list(self._running), LEASE_S)
            self._jobs.recover(held=list(self._running))
            self._renewed = time.monotonic()

    def _end_overdue(self) -> None:
        limit_s = self._settings.cluster.job_limit_s
        overdue = {id_ for id_, r in self._running.items() if time.monotonic() - r.started > limit_s}
        if not overdue:
            return
        # A computation cannot be interrupted inside its process; ending the processes is what remains.
        for id_, running in self._running.items():
            if id_ in overdue:
                self._fail(running.job, f"It took longer than cluster.job_limit_s, {limit_s:.0f} s.")
            else:
                self._jobs.release(running.job)
        self._running.clear()
        self._workers.restart()

    def _settle(self, timeout_s: float) -> None:
        try:
            job = self._finished.get(timeout=timeout_s)
        except queue.Empty:
            return
        running = self._running.get(job.id) if job is not None else None
        if running is None or running.job != job:
            return
        try:
            self._write_down(running)
        except OperationalError:
            # The outcome is not lost: it is written down as soon as the database can be written again.
            self._finished.put(job)
            raise
        del self._running[running.job.id]

    def _write_down(self, running: _Running) -> None:
        job = running.job
        try:
            self._keep(job, running.future.result())
        except OperationalError:
            raise
        except Refused as refusal:
            logger.info("Study %s is not measured by %s: %s", job.study_instance_uid, job.route, refusal)
            self._jobs.refuse(job, str(refusal))
        except BundleError as error:
            self._fail(job, str(error))
        except (KilledWorker, CancelledError):
            self._fail(job, "The worker process died while it worked on this: out of memory, or killed.")
        except Exception as error:  # noqa: BLE001 - a worker's exception can be anything
            self._fail(job, _without_values(error))

    def _fail(self, job: LeasedJob, reason: str) -> None:
        logger.warning(
            "%s of study %s failed (attempt %d): %s", job.kind, job.study_instance_uid, job.attempt, reason
        )
        self._jobs.fail(job, reason)

    def _keep(self, job: LeasedJob, outcome: Any) -> None:
        if job.kind is JobKind.EXAMINE:
            decisions = decide(self._settings.routes, outcome.facts)
            self._jobs.finish_examination(
                job,
                [DecisionRow(d.route, d.series_instance_uid, d.outcome, d.words) for d in decisions],
                [
                    MeasureOrder(d.route, d.series_instance_uid, self._settings.route(d.route).priority)
                    for d in decisions
                    if d.chosen
                ],
                outcome.patient,
            )
        else:
            destinations = self._settings.destinations_of(self._settings.route(job.route))
            self._jobs.finish_measurement(job, outcome, destinations)
            self._on_delivery()


def _without_values(error: Exception) -> str:
    """What went wrong and where. Not the error's text: libraries quote header values in it."""
    logger.debug("Traceback of a failed job", exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).parent.name in OUR_ROOMS]
    where = f" in {Path(ours[-1].filename).name} line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{where}; log_level DEBUG tells more."
