"""Speaking to other DICOM nodes: C-ECHO, C-STORE, and C-FIND for how much there is of a study."""

import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from node.config import Peer

logger = logging.getLogger(__name__)

# Files are sent as they are, not decoded and encoded again.
_config.STORE_SEND_CHUNKED_DATASET = True

MOST_CONTEXTS = 128
NO_ANSWER = "No answer came: it is not known whether the instance was stored."
PENDING = (0xFF00, 0xFF01)
MADE_FROM_IMAGES = ("SEG", "SR", "PR", "KO")
"""Modalities of series that a PACS has and a scanner never sends: our own results are among them."""


class PeerError(Exception):
    """Another DICOM node was not reached, or did not talk to us; the text says how far it got."""


class Verdict(StrEnum):
    """What became of one instance."""

    STORED = "stored"
    NOT_NOW = "not_now"
    UNKNOWN = "unknown"
    NEVER = "never"


@dataclass(frozen=True)
class Answer:
    """What a destination said to one instance.

    Attributes:
        path: the file.
        status: of the C-STORE response (PS3.4 B.2.3); None where there was none.
        verdict: what that means for the sender.
        text: the same in words, without patient data.
    """

    path: Path
    status: int | None
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class RelatedInstances:
    """How many instances a peer says a study has.

    Attributes:
        study: NumberOfStudyRelatedInstances; None where it does not say.
        series: NumberOfSeriesRelatedInstances by Series Instance UID; None where it does not say.
    """

    study: int | None
    series: Mapping[str, int | None]

    def are_covered_by(self, here: Mapping[str, int]) -> bool:
        """Whether as many are ``here``, by Series Instance UID, as the peer counts; false if it does not."""
        if self.series and all(count is not None for count in self.series.values()):
            return all(here.get(uid, 0) >= (count or 0) for uid, count in self.series.items())
        return bool(self.study) and sum(here.values()) >= (self.study or 0)


def echo(peer: Peer) -> float:
    """Asks a peer whether it is there (C-ECHO, PS3.4 A).

    Returns:
        Seconds it took, the association included.

    Raises:
        PeerError: it is not.
    """
    started = time.monotonic()
    with _association(peer, [build_context(Verification)]) as association:
        status = association.send_c_echo()
    if "Status" not in status:
        raise PeerError(f"{peer.name} accepted the association, but did not answer the C-ECHO.")
    if status.Status != 0:
        raise PeerError(f"{peer.name} answered the C-ECHO with status 0x{status.Status:04X}.")
    return time.monotonic() - started


def send(peer: Peer, paths: Sequence[Path]) -> list[Answer]:
    """Sends files on one association, in order, each in the transfer syntax it has (C-STORE, PS3.4 B).

    A response that does not come may have been lost on this side, so what was not answered is sent once more,
    on a new association; the peer takes the same instance twice as one.

    Returns:
        One answer per path, in order. A peer that cannot be reached answers "not now" to all.
    """
    kinds: dict[Path, tuple[str, str]] = {}
    answers: dict[Path, Answer] = {}
    for path in paths:
        try:
            meta = read_file_meta_info(path)
            kinds[path] = str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID)
        except (InvalidDicomError, AttributeError, OSError):
            answers[path] = Answer(path, None, Verdict.NEVER, "It is not a readable DICOM file.")
    for batch in _batches(kinds):
        answers |= _send_batch(peer, batch)
    return [answers[path] for path in paths]


def related_instances(peer: Peer, study_instance_uid: str) -> RelatedInstances:
    """Asks a peer how many instances a study and its series have (C-FIND, study root, PS3.4 C.6.2).

    Raises:
        PeerError: it does not answer.
    """
    context = build_context(StudyRootQueryRetrieveInformationModelFind)
    with _association(peer, [context]) as association:
        studies = _find(association, peer, "STUDY", study_instance_uid, "NumberOfStudyRelatedInstances")
        series = _find(association, peer, "SERIES", study_instance_uid, "NumberOfSeriesRelatedInstances")
    counts = [_number(match, "NumberOfStudyRelatedInstances") for match in studies]
    return RelatedInstances(
        study=counts[0] if counts else None,
        series={
            str(match.SeriesInstanceUID): _number(match, "NumberOfSeriesRelatedInstances")
            for match in series
            if "SeriesInstanceUID" in match and match.get("Modality") not in MADE_FROM_IMAGES
        },
    )


def _batches(kinds: Mapping[Path, tuple[str, str]]) -> Iterator[dict[Path, tuple[str, str]]]:
    """Files that fit on one association: its presentation contexts are limited (PS3.8 9.3.2.2)."""
    batch: dict[Path, tuple[str, str]] = {}
    for path, kind in kinds.items():
        if kind not in batch.values() and len(set(batch.values())) == MOST_CONTEXTS:
            yield batch
            batch = {}
        batch[path] = kind
    if batch:
        yield batch


def _send_batch(peer: Peer, kinds: Mapping[Path, tuple[str, str]]) -> dict[Path, Answer]:
    """Sends what fits on one association, on as many as it takes: a file may end the one it came on."""
    answers: dict[Path, Answer] = {}
    tried_again: set[Path] = set()
    waiting = list(kinds)
    while waiting:
        try:
            answers |= _send_on_one(peer, {path: kinds[path] for path in waiting})
        except PeerError as error:
            return {path: Answer(path, None, Verdict.NOT_NOW, str(error)) for path in waiting} | answers
        lost = [path for path in waiting if path in answers and answers[path].verdict is Verdict.UNKNOWN]
        waiting = [path for path in waiting if path not in answers]
        # The last one sent may have been stored, its answer lost: it is tried again, once, after the others.
        waiting += [path for path in lost if path not in tried_again]
        tried_again.update(lost)
    return answers


def _send_on_one(peer: Peer, kinds: Mapping[Path, tuple[str, str]]) -> dict[Path, Answer]:
    """Answers until the association ends; none for what was not sent on it.

    Raises:
        PeerError: there is no association, or it ended before anything was sent.
    """
    contexts = [build_context(sop_class, [syntax]) for sop_class, syntax in dict.fromkeys(kinds.values())]
    answers: dict[Path, Answer] = {}
    with _association(peer, contexts) as association:
        accepted = {
            (str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in association.accepted_contexts
        }
        for number, (path, kind) in enumerate(kinds.items(), start=1):
            if kind not in accepted:
                answers[path] = Answer(path, None, Verdict.NEVER, _not_accepted(*kind))
            elif association.is_established:
                answers[path] = _store(association, path, number)
                if answers[path].verdict is Verdict.UNKNOWN:
                    break
    if not answers:
        raise PeerError(f"{peer.name} accepted the association and ended it at once.")
    return answers


def _store(association: Association, path: Path, number: int) -> Answer:
    status = association.send_c_store(path, msg_id=(number - 1) % 65535 + 1)
    if "Status" not in status:
        return Answer(path, None, Verdict.UNKNOWN, NO_ANSWER)
    return Answer(path, status.Status, *_meaning(status.Status))


def _meaning(status: int) -> tuple[Verdict, str]:
    """PS3.4 B.2.3 and PS3.7 C."""
    shown = f"status 0x{status:04X}"
    if status == 0x0000 or status >> 12 == 0xB or status == 0x0111:
        return Verdict.STORED, f"Stored, {shown}."
    if status >> 8 == 0xA7:
        return Verdict.NOT_NOW, f"Refused for want of resources, {shown}."
    if status >> 8 == 0xA9:
        return Verdict.NEVER, f"Refused: the data set does not match its SOP class, {shown}."
    if status >> 12 == 0xC:
        return Verdict.NEVER, f"Refused: the data set cannot be understood, {shown}."
    if status == 0x0122:
        return Verdict.NEVER, f"Refused: the SOP class is not supported, {shown}."
    if status in (0x0105, 0x0106, 0x0117):
        return Verdict.NEVER, f"Refused: an attribute is not acceptable, {shown}."
    if status == 0x0124:
        return Verdict.NEVER, f"Refused: not authorised, {shown}."
    return Verdict.NOT_NOW, f"Failed, {shown}."


def _not_accepted(sop_class: str, syntax: str) -> str:
    return f"The peer does not accept SOP class {sop_class} in transfer syntax {syntax}."


@contextmanager
def _association(peer: Peer, contexts: list[PresentationContext]) -> Iterator[Association]:
    entity = AE(peer.calling_ae_title)
    entity.connection_timeout = peer.timeout_s
    entity.acse_timeout = peer.timeout_s
    entity.dimse_timeout = peer.timeout_s
    entity.network_timeout = peer.timeout_s
    association = entity.associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
    )
    if not association.is_established:
        raise PeerError(_why_not(peer, association))
    try:
        yield association
    finally:
        association.release()


def _send_at_once(event: evt.Event) -> None:
    # Nagle's algorithm would hold every second small message back for the peer's acknowledgement.
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _why_not(peer: Peer, association: Association) -> str:
    where = f"{peer.name} ({peer.ae_title} at {peer.host}:{peer.port})"
    answer = association.acceptor.primitive
    if answer is not None and association.is_rejected:
        return f"{where} rejects associations from {peer.calling_ae_title}: {answer.reason_str}."
    if answer is not None and not association.accepted_contexts:
        return f"{where} is there, but offers none of the services asked for."
    if association.is_aborted:
        return f"{where} cannot be reached, or aborted the association."
    return f"{where} did not answer."


def _find(
    association: Association, peer: Peer, level: str, study_instance_uid: str, count: str
) -> list[Dataset]:
    query = Dataset()
    query.QueryRetrieveLevel = level
    query.StudyInstanceUID = study_instance_uid
    if level == "SERIES":
        query.SeriesInstanceUID = ""
        query.Modality = ""
    setattr(query, count, None)
    matches = []
    for status, match in association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind):
        if "Status" not in status:
            raise PeerError(f"{peer.name} did not answer the C-FIND.")
        if status.Status in PENDING and match is not None:
            matches.append(match)
        elif status.Status != 0:
            raise PeerError(f"{peer.name} answered the C-FIND with status 0x{status.Status:04X}.")
    return matches


def _number(match: Dataset, keyword: str) -> int | None:
    value = match.get(keyword)
    return None if value is None or value == "" else int(value)
