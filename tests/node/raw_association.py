"""A caller that writes its PDUs byte by byte, so that it can also write wrong ones."""

import socket
import struct
from types import TracebackType
from typing import Self

from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)

ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))
A_ASSOCIATE_AC, A_ASSOCIATE_RJ, P_DATA_TF, A_ABORT = 2, 3, 4, 7
COMMAND, DATA_SET, LAST = 1, 0, 2


class RawAssociation:
    """A TCP connection to a receiver; everything else is up to the test."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def request(self, calling: bytes = b"CT1", called: bytes = b"COXA") -> int:
        """Asks for an association; the answer's PDU type, 0 if there is none."""
        self.send(request_pdu(calling, called))
        return self.answer()[0]

    def answer(self) -> bytes:
        """The next PDU; a zero byte when the other side has closed."""
        header = self._read(6)
        if len(header) < 6:
            return b"\0"
        return header + self._read(int.from_bytes(header[2:], "big"))

    def is_closed_within(self, seconds: float) -> bool:
        """Reads what comes until the other side closes."""
        self._socket.settimeout(seconds)
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def is_closed_while_dripping(self, seconds_per_byte: float, bytes_at_most: int) -> bool:
        """Sends zero bytes one by one until the other side closes."""
        for _ in range(bytes_at_most):
            if self.is_closed_within(seconds_per_byte):
                return True
            try:
                self.send(b"\0")
            except ConnectionError:
                return True
        return False

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, size: int) -> bytes:
        data = b""
        try:
            while len(data) < size and (part := self._socket.recv(size - len(data))):
                data += part
        except ConnectionError:
            pass
        return data


def request_pdu(calling: bytes, called: bytes) -> bytes:
    """An A-ASSOCIATE-RQ for CT, Explicit VR Little Endian, as context 1."""
    context = build_context(CTImageStorage, [ExplicitVRLittleEndian])
    context.context_id = 1
    longest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    longest.maximum_length_received = 16384
    implementation.implementation_class_uid = UID("1.2.3")
    request = A_ASSOCIATE()
    request.application_context_name = UID("1.2.840.10008.3.1.1.1")
    request.calling_ae_title = request.called_ae_title = "X"
    request.presentation_context_definition_list = [context]
    request.user_information = [longest, implementation]
    pdu = bytearray(A_ASSOCIATE_RQ(request).encode())
    pdu[10:26], pdu[26:42] = called.ljust(16), calling.ljust(16)
    return bytes(pdu)


def p_data(kind: int, value: bytes, context_id: int = 1) -> bytes:
    """A P-DATA-TF of one presentation data value."""
    item = struct.pack(">IBB", len(value) + 2, context_id, kind) + value
    return struct.pack(">BBI", P_DATA_TF, 0, len(item)) + item


def store_command(sop_class: str = CTImageStorage, sop_instance: str = "1.2.3.4") -> bytes:
    """The command set of a C-STORE-RQ."""
    elements = {
        0x0002: _uid(sop_class),
        0x0100: struct.pack("<H", 0x0001),
        0x0110: struct.pack("<H", 7),
        0x0700: struct.pack("<H", 0),
        0x0800: struct.pack("<H", 0x0001),
        0x1000: _uid(sop_instance),
    }
    body = b"".join(struct.pack("<HHI", 0, number, len(v)) + v for number, v in elements.items())
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def status_of(answer: bytes) -> int:
    """(0000,0900) of a response."""
    position = answer.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
    return int.from_bytes(answer[position : position + 2], "little")


def _uid(text: str) -> bytes:
    value = text.encode()
    return value + b"\0" * (len(value) % 2)
