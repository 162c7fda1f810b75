"""What becomes of a data set that comes by C-STORE: kept, kept beside another, or put aside with a reason."""

import logging
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Literal

from node.database import Database, ReceivedInstance, Rejection
from node.identifiers import Identifiers, UnreadableDataSet, is_uid, read_identifiers
from node.spool import IncomingFile, Spool, file_header

logger = logging.getLogger(__name__)


class Status(IntEnum):
    """Status (0000,0900) of a C-STORE response: PS3.4 section B.2.3, PS3.7 annex C."""

    SUCCESS = 0x0000
    INVALID_SOP_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    OUT_OF_RESOURCES = 0xA700
    DOES_NOT_MATCH_SOP_CLASS = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class Unacceptable(Exception):
    """A data set that is not taken in.

    Attributes:
        status: what the standard wants answered.
        reason: in words, without patient data.
    """

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(f"{reason} [0x{status:04X}]")
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class StoreRequest:
    """What a C-STORE-RQ and its association say about the data set that follows."""

    abstract_syntax_uid: str
    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    calling_ae_title: str


@dataclass(frozen=True)
class Arrival:
    """A data set on its way in, and what was said about it."""

    request: StoreRequest
    file: IncomingFile


class Intake:
    """The way from a request to a file and a row.

    Args:
        spool: where instances go.
        database: where they are remembered.
        on_conflict: which of two instances with one UID and different bytes is used.
        min_free_disk_bytes: what has to stay free on the disk.
    """

    def __init__(
        self,
        spool: Spool,
        database: Database,
        on_conflict: Literal["keep_first", "keep_last"],
        min_free_disk_bytes: int,
    ) -> None:
        self._spool = spool
        self._database = database
        self._keep_last = on_conflict == "keep_last"
        self._min_free_disk_bytes = min_free_disk_bytes

    def begin(self, request: StoreRequest) -> Arrival:
        """Opens the file for a data set that begins to arrive.

        Raises:
            OSError: the disk is too full, or fails.
        """
        header = file_header(request.sop_class_uid, request.sop_instance_uid, request.transfer_syntax_uid)
        return Arrival(request, self._spool.begin(header, self._min_free_disk_bytes))

    def take(self, arrival: Arrival) -> str:
        """Keeps a data set that has come whole. When this returns it is on the disk and in the database.

        Returns:
            Its Study Instance UID.

        Raises:
            Unacceptable: it is in quarantine.
            OSError: the disk is full or fails; nothing was kept.
        """
        request = arrival.request
        try:
            identifiers = _identify(arrival.file, request)
        except Unacceptable as refusal:
            self._put_aside(arrival.file, request, refusal)
            raise
        kept = self._spool.keep(arrival.file, identifiers)
        instance = ReceivedInstance(
            **asdict(identifiers),
            transfer_syntax_uid=request.transfer_syntax_uid,
            path=kept.path,
            calling_ae_title=request.calling_ae_title,
        )
        # A file that nobody was told of may have its name already: after a crash between file and row.
        if not self._database.record_instance(instance) and (kept.is_conflict or self._keep_last):
            self._database.record_conflict(instance, replaces=self._keep_last)
        if kept.is_conflict:
            logger.warning(
                "Instance %s came from %r with other bytes than before: see receive.on_conflict.",
                identifiers.sop_instance_uid,
                request.calling_ae_title,
            )
        return identifiers.study_instance_uid

    def _put_aside(self, incoming: IncomingFile, request: StoreRequest, refusal: Unacceptable) -> None:
        facts = {"status": f"0x{refusal.status:04X}", "reason": refusal.reason, **asdict(request)}
        path = self._spool.quarantine(incoming, facts)
        self._database.record_rejection(
            Rejection(request.calling_ae_title, refusal.status, refusal.reason, path)
        )


def _identify(incoming: IncomingFile, request: StoreRequest) -> Identifiers:
    if not is_uid(request.sop_instance_uid):
        raise Unacceptable(Status.INVALID_SOP_INSTANCE, "The command's SOP Instance UID is not a UID.")
    if request.sop_class_uid != request.abstract_syntax_uid:
        raise Unacceptable(
            Status.SOP_CLASS_NOT_SUPPORTED, "The command's SOP Class is not that of its presentation context."
        )
    try:
        with incoming.open_data_set() as file:
            identifiers = read_identifiers(file, request.transfer_syntax_uid)
    except UnreadableDataSet as error:
        raise Unacceptable(Status.CANNOT_UNDERSTAND, str(error)) from None
    if identifiers.sop_class_uid != request.sop_class_uid:
        raise Unacceptable(
            Status.DOES_NOT_MATCH_SOP_CLASS, "The data set's SOP Class is not that of the command."
        )
    if identifiers.sop_instance_uid != request.sop_instance_uid:
        raise Unacceptable(
            Status.DOES_NOT_MATCH_SOP_CLASS, "The data set's SOP Instance is not that of the command."
        )
    return identifiers
