"""Worker processes: a Dask LocalCluster. Its scheduler only carries calls; what lasts is in the database."""

from collections.abc import Callable
from typing import Any

import dask
from distributed import Client, Future, LocalCluster
from distributed.security import Security

from node.config import ClusterSettings

WORKER_ENVIRONMENT = {
    # Warnings of the DICOM libraries quote header values, and worker output ends in the service's log.
    "PYTHONWARNINGS": "ignore",
}


SETTINGS = {
    # Attempts are counted in the database, so the scheduler must not make its own.
    "distributed.scheduler.allowed-failures": 0,
    # Nobody looks at Dask's own pages; what they would serve is left out.
    "distributed.scheduler.dashboard.enabled": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


class Workers:
    """Processes that each work on one call at a time and are replaced when they die.

    Args:
        settings: how many, and how much memory each may use.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        dask.config.set(SETTINGS)
        # What the scheduler is sent, it unpickles: only this process and its workers may talk to it.
        security = Security.temporary()
        self._cluster = LocalCluster(
            n_workers=settings.workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls",
            security=security,
            dashboard_address="127.0.0.1:0",
            memory_limit=settings.memory_limit_bytes,
            env=WORKER_ENVIRONMENT,
            silence_logs="CRITICAL",
        )
        self._client = Client(self._cluster, security=security)

    def submit(self, key: str, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Calls ``function`` in a worker. ``key`` names the call and must be new."""
        return self._client.submit(function, *arguments, key=key, pure=False)

    def restart(self) -> None:
        """Ends all processes, with whatever they do, and starts new ones."""
        self._client.restart(wait_for_workers=False)

    def close(self) -> None:
        """Ends all processes."""
        self._client.close()
        self._cluster.close()
