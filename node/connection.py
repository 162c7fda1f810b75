"""The door: TCP connections that nobody can hold open by being slow, or fill the memory through.

pynetdicom reads a PDU of any announced length, in pieces of 4 KiB, and waits for each piece without end. Here
a PDU is read as a whole, within a time and a size, and handed out in the pieces that pynetdicom asks for.
"""

import socket
import time
from dataclasses import dataclass
from socketserver import BaseServer
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

PDU_TYPES = range(1, 8)
PDU_HEADER_BYTES = 6
# 128 presentation contexts with many transfer syntaxes each make an A-ASSOCIATE-RQ longer than a P-DATA-TF.
LONGEST_NEGOTIATION_BYTES = 1024 * 1024
SPARE_CONNECTIONS = 32


@dataclass(frozen=True)
class Limits:
    """What one caller may use.

    Attributes:
        first_pdu_s: for the whole of the association request.
        pdu_s: for the whole of every later PDU.
        max_pdu_bytes: longest P-DATA-TF.
        max_connections: open at once, those without an association included.
    """

    first_pdu_s: float
    pdu_s: float
    max_pdu_bytes: int
    max_connections: int


class Connection(socket.socket):
    """A caller's connection."""

    def __init__(self, accepted: socket.socket, limits: Limits) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self._longest = max(limits.max_pdu_bytes, LONGEST_NEGOTIATION_BYTES)
        self._pdu_s = limits.pdu_s
        self._patience_s = limits.first_pdu_s
        self._unread = memoryview(b"")
        self._is_dicom = True
        self.settimeout(limits.pdu_s)
        # Responses are small and waited for: they must not wait for company (Nagle's algorithm).
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, bufsize: int, _flags: int = 0, /) -> bytes:
        """The next bytes of the current PDU; empty when the caller has closed.

        Raises:
            OSError: the PDU is too long or has not come in time.
        """
        if not self._unread and self._is_dicom:
            self._unread = memoryview(self._read_pdu())
        piece, self._unread = self._unread[:bufsize], self._unread[bufsize:]
        return bytes(piece)

    def _read_pdu(self) -> bytearray:
        deadline = time.monotonic() + self._patience_s
        header = self._read(PDU_HEADER_BYTES, deadline)
        # pynetdicom answers what is no PDU with A-ABORT; to read on would be to wait for sense in noise.
        self._is_dicom = len(header) == PDU_HEADER_BYTES and header[0] in PDU_TYPES
        if not self._is_dicom:
            return header
        length = int.from_bytes(header[2:], "big")
        if length > self._longest:
            raise ConnectionError(f"A PDU of {length} bytes was announced; {self._longest} are allowed")
        body = self._read(length, deadline)
        self._patience_s = self._pdu_s
        return header + body

    def _read(self, size: int, deadline: float) -> bytearray:
        """``size`` bytes, or fewer when the caller has closed."""
        data = bytearray(size)
        view = memoryview(data)
        filled = 0
        while filled < size:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("The caller is too slow")
            self.settimeout(left_s)
            received = self.recv_into(view[filled:])
            if not received:
                break
            filled += received
        view.release()
        return data[:filled]


class Door(ThreadedAssociationServer):
    """Accepts connections within limits."""

    request_queue_size = 128

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        self._limits = limits
        super().__init__(*args, **kwargs)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accepts one connection."""
        accepted, address = super().get_request()
        return Connection(accepted, self._limits), address

    def verify_request(self, _request: object, _client_address: object) -> bool:
        """False closes the connection unheard: there are too many already."""
        return len(self.active_associations) < self._limits.max_connections

    def shutdown(self) -> None:
        """Stops listening; returns when no further connection will be accepted."""
        # Not the parent's, which expects to have been started by its AE.
        BaseServer.shutdown(self)
        self.server_close()
