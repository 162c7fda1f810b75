"""When is a study whole?

When nothing has come for a while; or at once, when a sender's association closes and everything the PACS says
belongs to the study is here (PS3.4 C.3.4: NumberOfStudyRelatedInstances). A time-out alone would cut slow
senders in half and keep everybody else waiting.
"""

import logging
import queue
import threading
from collections.abc import Callable

from node.config import CompletionSettings, Peer
from node.database import Database
from node.scu import PeerError, related_instances

logger = logging.getLogger(__name__)

POLL_S = 2.0


class Completion:
    """Watches the open studies of one database.

    Args:
        settings: how long is quiet.
        peer: whom to ask for the number of instances; None to go by quiet alone.
        database: the studies.
        on_complete: called after a study was completed, so that its examination starts at once.
    """

    def __init__(
        self,
        settings: CompletionSettings,
        peer: Peer | None,
        database: Database,
        on_complete: Callable[[], None],
    ) -> None:
        self._quiet_s = settings.quiet_s
        self._peer = peer
        self._database = database
        self._on_complete = on_complete
        self._closed: queue.SimpleQueue[frozenset[str]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="completion")

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the question that is being asked."""
        self._stopping.set()
        self._closed.put(frozenset())
        self._thread.join()

    def association_closed(self, study_instance_uids: frozenset[str]) -> None:
        """A sender that brought instances of these studies has said goodbye."""
        self._closed.put(study_instance_uids)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                asked = self._wait()
                if self._peer is not None and asked:
                    self._complete_counted(self._peer, asked)
                self._complete_quiet()
            except Exception:
                logger.exception("Completion was interrupted; it goes on.")
                self._stopping.wait(POLL_S)

    def _wait(self) -> frozenset[str]:
        """Until an association closes, or a study may have become quiet."""
        deadlines = [study.last_instance_at + self._quiet_s for study in self._database.open_studies()[:1]]
        wait_s = min([POLL_S, *(deadline - self._database.clock() for deadline in deadlines)])
        closed: set[str] = set()
        try:
            closed |= self._closed.get(timeout=max(wait_s, 0.01))
            # A sender that opens an association per image must not cause a question per image.
            while True:
                closed |= self._closed.get_nowait()
        except queue.Empty:
            return frozenset(closed)

    def _complete_quiet(self) -> None:
        quiet_since = self._database.clock() - self._quiet_s
        for study in self._database.open_studies():
            if study.last_instance_at > quiet_since:
                return
            if self._database.complete(study, f"quiet for {self._quiet_s:g} s"):
                logger.info("Study %s is complete: quiet.", study.study_instance_uid)
                self._on_complete()

    def _complete_counted(self, peer: Peer, study_instance_uids: frozenset[str]) -> None:
        for study in self._database.open_studies():
            if study.study_instance_uid not in study_instance_uids:
                continue
            try:
                related = related_instances(peer, study.study_instance_uid)
            except PeerError as error:
                logger.warning(
                    "%s was asked what study is whole: %s It is waited for quiet.", peer.name, error
                )
                return
            here = self._database.instance_counts(study.study_instance_uid)
            if related.are_covered_by(here) and self._database.complete(study, f"{peer.name} counts as many"):
                logger.info("Study %s is complete: %s counts as many.", study.study_instance_uid, peer.name)
                self._on_complete()
