"""Starts and stops the parts, in order: those that work before the one that receives, and back."""

import fcntl
import logging
import os
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import IO

from node.backoff import Backoff
from node.completion import Completion
from node.config import ConfigurationError, Settings
from node.database import Database
from node.delivery import Courier
from node.dispatch import Dispatcher
from node.jobs import JobQueue
from node.outbox import Outbox
from node.receiver import Receiver
from node.spool import Spool

logger = logging.getLogger(__name__)

DRAIN_S = 30.0


class Service:
    """One node: a receiver, its watch over completeness, its workers and its couriers.

    Args:
        settings: all of config.yaml.

    Raises:
        ConfigurationError: another node uses the same data folder.
    """

    def __init__(self, settings: Settings) -> None:
        os.umask(0o077)
        self._lock = _lock(settings.data_folder)
        self.database = Database.open(settings.database_url)
        self.jobs = job_queue(settings, self.database)
        self.outbox = outbox(settings, self.database)
        self._couriers = [Courier(peer, self.outbox, settings.results_folder) for peer in settings.peers]
        self._dispatcher = Dispatcher(settings, self.jobs, self._wake_couriers)
        ask = settings.completion.ask
        self._completion = Completion(
            settings.completion, settings.peer(ask) if ask else None, self.database, self._dispatcher.wake
        )
        self._receiver = Receiver(
            settings.receive,
            Spool(settings.spool_folder),
            self.database,
            lambda studies, _: self._completion.association_closed(studies),
        )

    def start(self) -> None:
        """From the inside out: nobody is let in before everything behind the door works.

        Raises:
            OSError: the port cannot be listened on; what had started is stopped again.
        """
        with ExitStack() as started:
            started.callback(self._lock.close)
            started.callback(self.database.close)
            for courier in self._couriers:
                courier.start()
                started.callback(courier.stop)
            self._dispatcher.start()
            started.callback(self._dispatcher.stop, DRAIN_S)
            self._completion.start()
            started.callback(self._completion.stop)
            self._receiver.start()
            started.callback(self._receiver.stop)
            self._started = started.pop_all()
        host, port = self._receiver.address
        logger.info("Coxa receives on %s port %d. Research use only - not for diagnosis.", host, port)

    def stop(self) -> None:
        """From the outside in: receive no more, end what is under way, keep the rest for the next start."""
        logger.info("Stopping: work that is under way may end within %.0f s.", DRAIN_S)
        self._started.close()
        logger.info("Stopped.")

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT.

        Raises:
            OSError: as for ``start``.
        """
        told_to_stop = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            told_to_stop.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        self.start()
        try:
            told_to_stop.wait()
        finally:
            self.stop()

    def _wake_couriers(self) -> None:
        for courier in self._couriers:
            courier.wake()


def job_queue(settings: Settings, database: Database) -> JobQueue:
    """The queue as this node sees it."""
    retry = settings.retry
    backoff = Backoff(retry.first_delay_s, retry.longest_delay_s)
    return JobQueue(database, socket.gethostname(), retry.attempts, backoff)


def outbox(settings: Settings, database: Database) -> Outbox:
    """The deliveries of this node."""
    delivery = settings.delivery
    backoff = Backoff(delivery.first_delay_s, delivery.longest_delay_s)
    return Outbox(database, backoff, delivery.give_up_after_s)


def _lock(data_folder: Path) -> IO[str]:
    """One node per data folder: the lock goes with the process, however it ends."""
    data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (data_folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ConfigurationError(
            f"Another node uses {data_folder}. Stop it, or give this one its own data_folder."
        ) from None
    return file
