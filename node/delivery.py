"""Outbox -> destinations. Each has its own thread: one that is down holds back nobody else.

A result's objects go together on one association, in order. What cannot be delivered now is tried for days;
what a destination will never take is given up with its answer, where an operator can see it.
"""

import logging
import threading
from pathlib import Path

from node.config import Peer
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
    """

    def __init__(self, peer: Peer, outbox: Outbox, results_folder: Path) -> None:
        self._peer = peer
        self._outbox = outbox
        self._results_folder = results_folder
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
                delivery = self._outbox.first_due(self._peer.name)
                pause_s = self._deliver(delivery) if delivery is not None else POLL_S
            except Exception:
                logger.exception("Delivery to %s was interrupted; it goes on.", self._peer.name)
                pause_s = POLL_S
            if pause_s:
                self._wake.wait(pause_s)
                self._wake.clear()

    def _deliver(self, delivery: DueDelivery) -> float:
        """Offers one result.

        Returns:
            How long the destination is left alone, s: nobody else is offered to a peer that is not reached.
        """
        folder = self._results_folder / delivery.folder
        study = delivery.study_instance_uid
        try:
            sent = send(self._peer, [folder / name for name in OBJECTS])
        except Exception as error:
            logger.exception("The result of study %s could not be sent.", study)
            self._outbox.postpone(delivery, [], f"Sending failed: {type(error).__name__}.")
            return 0.0
        statuses = [_row(answer) for answer in sent]
        worst = max(sent, key=lambda answer: GRAVITY.index(answer.verdict))
        if worst.verdict is Verdict.STORED:
            self._outbox.sent(delivery, statuses)
            logger.info("Result of study %s is stored at %s.", study, self._peer.name)
        elif worst.verdict is Verdict.NEVER:
            self._outbox.refuse(delivery, statuses, worst.text)
            logger.error("%s refuses the result of study %s: %s", self._peer.name, study, worst.text)
        else:
            logger.warning("Result of study %s waits for %s: %s", study, self._peer.name, worst.text)
            pause_s = self._outbox.postpone(delivery, statuses, worst.text)
            if all(answer.status is None for answer in sent):
                return pause_s
        return 0.0


def _row(answer: Answer) -> dict[str, object]:
    return {"object": answer.path.name, "status": answer.status, "verdict": answer.verdict}
