"""A real PACS for tests: Orthanc on free ports, in a folder of its own."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from node.config import Peer
from tests.ports import free_port


class Orthanc:
    """A PACS that can be stopped and started again; what it stores stays."""

    ae_title = "ORTHANC"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.dicom_port = free_port()
        self._http_port = free_port()
        self._configuration = folder / "orthanc.json"
        self._log = folder / "orthanc.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration.write_text(
            json.dumps(
                {
                    "StorageDirectory": str(folder / "storage"),
                    "IndexDirectory": str(folder / "index"),
                    "HttpPort": self._http_port,
                    "DicomPort": self.dicom_port,
                    "DicomAet": self.ae_title,
                    "DicomCheckCalledAet": True,
                    "DicomAlwaysAllowEcho": True,
                    "DicomAlwaysAllowStore": True,
                    "DicomAlwaysAllowFind": True,
                    "RemoteAccessAllowed": False,
                    "UnknownSopClassAccepted": True,
                    "Plugins": [],
                }
            ),
            encoding="utf-8",
        )

    @property
    def peer(self) -> Peer:
        return Peer(name="pacs", ae_title=self.ae_title, host="127.0.0.1", port=self.dicom_port, timeout_s=10)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/Orthanc", str(self._configuration)],
                stdout=log,
                stderr=log,
                # Orthanc leaves Nagle's algorithm on, which delays every small message.
                env=os.environ | {"TCP_NODELAY": "1"},
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.get("/system")
            except urllib.error.URLError:
                assert self._process.poll() is None, self._log.read_text()
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"Orthanc did not start: {self._log.read_text()}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def get(self, path: str) -> Any:
        """JSON of its REST API."""
        return json.loads(self._read(path))

    def instances(self, modality: str | None = None) -> list[Dataset]:
        """What it stores, in no order."""
        datasets = [
            dcmread(BytesIO(self._read(f"/instances/{identifier}/file")))
            for identifier in self.get("/instances")
        ]
        return [dataset for dataset in datasets if modality in (None, dataset.Modality)]

    def clear(self) -> None:
        """Forgets everything."""
        for identifier in self.get("/patients"):
            request = urllib.request.Request(self._url(f"/patients/{identifier}"), method="DELETE")
            urllib.request.urlopen(request, timeout=10).close()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http_port}{path}"

    def _read(self, path: str) -> bytes:
        with urllib.request.urlopen(self._url(path), timeout=10) as answer:
            content: bytes = answer.read()
            return content


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    """An empty PACS."""
    orthanc = Orthanc(tmp_path / "pacs")
    orthanc.start()
    yield orthanc
    orthanc.stop()
