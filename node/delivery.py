"""Outbox -> destinations. Each has its own thread: one that is down holds back nobody else.

A result's objects go together on one association, in order. What cannot be delivered now is tried for days;
what a destination will never take is given up with its answer, where an operator can see it.
"""

import logging
import threading
from pathlib import Path

from node.config import Peer
from node.database import Database
from node.outbox import DueDelivery, Outbox
from node.scu import Answer, Verdict, send

logger = logging.getLogger(__name__)

POLL_S = 2.0
OBJECTS = ("seg.dcm", "sr.dcm")
GRAVITY = (Verdict.STORED, Verdict.UNKNOWN, Verdict.NOT_NOW, Verdict.NEVER)


class Courier:
    """Brings one destination its results.

    Args:
        peer: the destination.
        outbox: what is to be delivered.
        results_folder: where the objects lie.
        database: whose clock the rows go by.
    """

    def __init__(self, peer: Peer, outbox: Outbox, results_folder: Path, database: Database) -> None:
        self._peer = peer
        self._outbox = outbox
        self._results_folder = results_folder
        self._clock = database.clock
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delivery-{peer.name}")

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to deliver."""
        self._wake.set()

    def stop(self) -> None:
        """Ends after the delivery that is under way."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                delivery = self._outbox.first(self._peer.name)
                if delivery is not None and delivery.not_before <= self._clock():
                    self._deliver(delivery)
                    continue
            except Exception:
                logger.exception("Delivery to %s was interrupted; it goes on.", self._peer.name)
            self._wake.wait(POLL_S)
            self._wake.clear()

    def _deliver(self, delivery: DueDelivery) -> None:
        folder = self._results_folder / delivery.folder
        sent = send(self._peer, [folder / name for name in OBJECTS])
        statuses = [_row(answer) for answer in sent]
        worst = max(sent, key=lambda answer: GRAVITY.index(answer.verdict))
        study = delivery.study_instance_uid
        if worst.verdict is Verdict.STORED:
            self._outbox.sent(delivery, statuses)
            logger.info("Result of study %s is stored at %s.", study, self._peer.name)
        elif worst.verdict is Verdict.NEVER:
            self._outbox.refuse(delivery, statuses, worst.text)
            logger.error("%s refuses the result of study %s: %s", self._peer.name, study, worst.text)
        else:
            self._outbox.postpone(delivery, statuses, worst.text)
            logger.warning("Result of study %s waits for %s: %s", study, self._peer.name, worst.text)


def _row(answer: Answer) -> dict[str, object]:
    return {"object": answer.path.name, "status": answer.status, "verdict": answer.verdict}
