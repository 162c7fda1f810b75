"""C-STORE and C-ECHO SCP: what comes is on the disk and in the database before it is acknowledged.

"Success" is a promise: the sender may delete its copy. Data sets go to the spool's disk as they arrive, are
neither decoded nor changed, and never lie in memory as a whole.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset, uid
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, A_P_ABORT
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from node.admission import is_allowed, leave_what_can_be_decoded
from node.config import ReceiveSettings
from node.connection import SPARE_CONNECTIONS, Door, Limits
from node.database import Database
from node.intake import Arrival, Intake, Status, StoreRequest, Unacceptable
from node.spool import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Spool

logger = logging.getLogger(__name__)

# All storage SOP classes, private ones and those to come among them; and no log line for every message.
_config.UNRESTRICTED_STORAGE_SERVICE = True
_config.LOG_HANDLER_LEVEL = "none"

# Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21).
_CALLING_AE_NOT_RECOGNISED = (1, 1, 3)
_CALLED_AE_NOT_RECOGNISED = (1, 1, 7)
_LOCAL_LIMIT_EXCEEDED = (2, 3, 2)

_LONGEST_ERROR_COMMENT = 64
_LISTEN_POLL_S = 0.1
_ABORT_WAIT_S = 5.0


class _DataSetStream(BytesIO):
    """Takes the place of a message's memory buffer: what pynetdicom writes to it goes to the spool.

    A failure is kept for the handler: a sender can be told only when the whole message has come.
    """

    def __init__(self, begin: Callable[[], Arrival]) -> None:
        super().__init__()
        self._begin = begin
        self.arrival: Arrival | None = None
        self.failure: OSError | None = None

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.failure is None:
            try:
                self.arrival = self.arrival or self._begin()
                self.arrival.file.write(data)
            except OSError as error:
                self.failure = error
                self.discard()
        return len(data)

    def discard(self) -> None:
        if self.arrival is not None:
            self.arrival.file.discard()


@dataclass
class _Session:
    """One association: the data set that is arriving, and the studies it has brought."""

    stream: _DataSetStream | None = None
    study_instance_uids: set[str] = field(default_factory=set)


class Receiver:
    """Listens until it is stopped.

    Args:
        settings: who may send, and within which limits.
        spool: where instances go.
        database: where they are remembered.
        on_association_closed: called with the studies an association has brought and its calling AE title.
    """

    def __init__(
        self,
        settings: ReceiveSettings,
        spool: Spool,
        database: Database,
        on_association_closed: Callable[[frozenset[str], str], None],
    ) -> None:
        self._settings = settings
        self._intake = Intake(spool, database, settings.on_conflict, settings.min_free_disk_bytes)
        self._on_association_closed = on_association_closed
        self._sessions: dict[Association, _Session] = {}
        self._lock = threading.Lock()
        self._door: Door

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on, once started."""
        host, port = self._door.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begins to accept associations.

        Raises:
            OSError: the port cannot be listened on.
        """
        self._door = self._listen()
        threading.Thread(
            target=self._door.serve_forever, args=(_LISTEN_POLL_S,), name="receiver", daemon=True
        ).start()

    def stop(self, grace_s: float = 10.0) -> None:
        """Accepts no more; associations that are still open after ``grace_s`` are aborted."""
        self._door.shutdown()
        end = time.monotonic() + grace_s
        for association in self._door.active_associations:
            association.join(max(0.0, end - time.monotonic()))
        for association in self._door.active_associations:
            if association.is_established:
                association.abort()
            elif association.dul.socket is not None:
                association.dul.socket.close()
            association.join(_ABORT_WAIT_S)

    def _listen(self) -> Door:
        settings = self._settings
        ae = AE(settings.ae_title)
        ae.implementation_class_uid = uid.UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.maximum_pdu_size = settings.max_pdu_bytes
        ae.acse_timeout = settings.acse_timeout_s
        ae.dimse_timeout = settings.dimse_timeout_s
        ae.network_timeout = settings.network_timeout_s
        ae.add_supported_context(Verification)
        limits = Limits(
            first_pdu_s=settings.acse_timeout_s,
            pdu_s=settings.network_timeout_s,
            max_pdu_bytes=settings.max_pdu_bytes,
            max_connections=settings.max_associations + SPARE_CONNECTIONS,
        )
        # Associations are counted here: pynetdicom would count connections, and idle ones keep senders out.
        ae.maximum_associations = limits.max_connections
        door = ae.make_server(
            (settings.bind, settings.port),
            evt_handlers=[
                (evt.EVT_REQUESTED, self._negotiate),
                (evt.EVT_PDU_RECV, self._divert_data_set),
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_RELEASED, self._forget),
                (evt.EVT_ABORTED, self._forget),
                (evt.EVT_CONN_CLOSE, _wake),
            ],
            server_class=Door,
            limits=limits,
        )
        assert isinstance(door, Door)  # noqa: S101 - tells the type checker what server_class made
        return door

    def _negotiate(self, event: evt.Event) -> None:
        association = event.assoc
        request = association.requestor.primitive
        if not isinstance(request, A_ASSOCIATE):
            association.is_aborted = True
            association.kill()
            return
        rejection = self._rejection(association, request)
        if rejection is not None:
            association.acse.send_reject(*rejection)
            association.kill()
            return
        leave_what_can_be_decoded(request)

    def _rejection(self, association: Association, request: A_ASSOCIATE) -> tuple[int, int, int] | None:
        caller, called = request.calling_ae_title, request.called_ae_title
        origin = association.requestor.address
        if not is_allowed(self._settings.allow, caller, origin):
            logger.warning("%r at %s is rejected: it is not in receive.allow.", caller, origin)
            return _CALLING_AE_NOT_RECOGNISED
        if self._settings.require_called_ae and called != self._settings.ae_title:
            logger.warning("%r at %s is rejected: it calls %r, which is not here.", caller, origin, called)
            return _CALLED_AE_NOT_RECOGNISED
        if not self._admit(association):
            logger.warning("%r at %s is rejected: receive.max_associations are open.", caller, origin)
            return _LOCAL_LIMIT_EXCEEDED
        return None

    def _admit(self, association: Association) -> bool:
        with self._lock:
            # An association that pynetdicom gave up without a word must not keep its place.
            for other in [other for other in self._sessions if not other.is_alive()]:
                self._drop(other)
            if len(self._sessions) >= self._settings.max_associations:
                return False
            self._sessions[association] = _Session()
            return True

    def _drop(self, association: Association) -> _Session | None:
        session = self._sessions.pop(association, None)
        if session is not None and session.stream is not None:
            session.stream.discard()
        return session

    def _divert_data_set(self, event: evt.Event) -> None:
        """Gives each message that begins a stream to the spool for a data set."""
        association = event.assoc
        session = self._sessions.get(association)
        if session is None or association.dimse.message is not None or not isinstance(event.pdu, P_DATA_TF):
            return
        if session.stream is not None:
            session.stream.discard()
        message = association.dimse.message = DIMSEMessage()
        session.stream = _DataSetStream(lambda: self._intake.begin(_store_request(association, message)))
        message.data_set = session.stream

    def _store(self, event: evt.Event) -> Dataset:
        session = self._sessions[event.assoc]
        # From here on the stream is this handler's, whatever happens to the association.
        stream, session.stream = session.stream, None
        caller = event.assoc.requestor.ae_title
        try:
            study_instance_uid = self._take(stream)
        except Unacceptable as refusal:
            logger.warning("An instance from %r is not accepted: %s", caller, refusal)
            return _answer(refusal.status, refusal.reason)
        # Whatever else fails is this node's fault: the one honest answer is to ask for the instance again.
        except OSError as error:
            logger.error("An instance from %r is not stored: %s.", caller, error)  # noqa: TRY400 - it may last
            return _answer(Status.OUT_OF_RESOURCES, "Not stored; to be sent again later")
        except Exception:
            logger.exception("An instance from %r is not stored.", caller)
            return _answer(Status.OUT_OF_RESOURCES, "Not stored; to be sent again later")
        session.study_instance_uids.add(study_instance_uid)
        return _answer(Status.SUCCESS)

    def _take(self, stream: _DataSetStream | None) -> str:
        if stream is not None and stream.failure is not None:
            raise stream.failure
        if stream is None or stream.arrival is None:
            raise Unacceptable(Status.CANNOT_UNDERSTAND, "There is no data set.")
        with stream.arrival.file:
            return self._intake.take(stream.arrival)

    def _forget(self, event: evt.Event) -> None:
        session = self._drop(event.assoc)
        if session is not None and session.study_instance_uids:
            caller = event.assoc.requestor.ae_title
            self._on_association_closed(frozenset(session.study_instance_uids), caller)


def _wake(event: evt.Event) -> None:
    """Ends the thread of a caller that went without a request: pynetdicom would wait on for one."""
    if event.assoc.requestor.primitive is None:
        event.assoc.dul.to_user_queue.put(A_P_ABORT())


def _store_request(association: Association, message: DIMSEMessage) -> StoreRequest:
    # A context that was not accepted has no syntaxes; pynetdicom aborts when the message is complete.
    abstract, transfer = next(
        (
            (str(context.abstract_syntax), str(context.transfer_syntax[0]))
            for context in association.accepted_contexts
            if context.context_id == message.context_id
        ),
        ("", ""),
    )
    return StoreRequest(
        abstract_syntax_uid=abstract,
        transfer_syntax_uid=transfer,
        sop_class_uid=str(message.command_set.get("AffectedSOPClassUID") or ""),
        sop_instance_uid=str(message.command_set.get("AffectedSOPInstanceUID") or ""),
        calling_ae_title=association.requestor.ae_title,
    )


def _answer(status: int, comment: str = "") -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment[:_LONGEST_ERROR_COMMENT]
    return answer
