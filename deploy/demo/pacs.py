"""Plays the PACS in the demonstration: a storage SCP that keeps what it gets in a folder."""

from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.transport import ThreadedAssociationServer

SUCCESS = 0x0000


class Pacs:
    """A storage SCP on the loopback interface.

    Attributes:
        received: files, in the order they came.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.received: list[Path] = []
        self._folder = folder
        self._port = port
        self._server: ThreadedAssociationServer | None = None

    def start(self) -> None:
        """Begins to listen."""
        self._folder.mkdir(parents=True)
        entity = AE("PACS")
        entity.supported_contexts = AllStoragePresentationContexts
        self._server = entity.start_server(
            ("127.0.0.1", self._port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )

    def stop(self) -> None:
        """Ends listening."""
        if self._server is not None:
            self._server.shutdown()

    def _store(self, event: evt.Event) -> int:
        path = self._folder / f"{event.dataset.Modality}-{event.dataset.SOPInstanceUID}.dcm"
        path.write_bytes(event.encoded_dataset())
        self.received.append(path)
        return SUCCESS
