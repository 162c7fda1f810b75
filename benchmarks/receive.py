"""How fast does the node receive, beside its peers? Same data, same senders; the last line is the ratio.

    .venv/bin/python -m benchmarks.receive [--instances 300] [--rounds 5]

Senders are DCMTK's storescu. Every receiver runs in a process of its own and has its turn in every round, so
that a busy machine disturbs all alike. storescp does not sync what it acknowledges; the node and Orthanc do.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt

from node.config import ReceiveSettings
from node.database import Database
from node.receiver import Receiver
from node.spool import Spool

DCMTK = Path("/usr/bin")
TO_DCMTK = {**os.environ, "TCP_NODELAY": "1"}
PDU_BYTES = 131072
SENDERS = (1, 4)


def main() -> None:
    """Prints one line per receiver."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=300, help="CT images of each sender")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(RECEIVERS))
    parser.add_argument("--serve", nargs=3, metavar=("NAME", "PORT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        name, port, folder = options.serve
        IN_PYTHON[name](int(port), Path(folder))
        return
    with tempfile.TemporaryDirectory() as root:
        folders = [write_ct(Path(root) / f"ct{sender}", options.instances) for sender in range(max(SENDERS))]
        rates: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.rounds):
            for name in options.only:
                for senders in SENDERS:
                    rate = measure(
                        RECEIVERS[name], folders[:senders], Path(root) / "received", options.instances
                    )
                    rates.setdefault((name, senders), []).append(rate)
    print(f"{'receiver':34}" + "".join(f"{senders:>8} sender(s): instances/s" for senders in SENDERS))
    for name in options.only:
        cells = [rates[name, senders] for senders in SENDERS]
        print(
            f"{name:34}"
            + "".join(f"{statistics.median(c):12.0f} ({min(c):.0f} to {max(c):.0f})" for c in cells)
        )
    for senders in SENDERS:
        ours = statistics.median(rates["coxa", senders])
        peer = statistics.median(rates["storescp", senders])
        print(f"{senders} sender(s): {ours / peer:.2f} x storescp")


def write_ct(folder: Path, count: int) -> list[Path]:
    """CT images of 512 x 512 pixels, 525 KB each, of one series."""
    folder.mkdir()
    study, series, pixels = generate_uid(), generate_uid(), os.urandom(512 * 512 * 2)
    paths = []
    for number in range(1, count + 1):
        image = Dataset()
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.Modality, image.PatientName, image.PatientID = "CT", "Bench^Mark", "1"
        image.InstanceNumber, image.SliceThickness = number, 1
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.RescaleIntercept, image.RescaleSlope = [1, 1], -1024, 1
        image.Rows = image.Columns = 512
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        image.PixelData = pixels
        path = folder / f"{number}.dcm"
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        FileDataset(str(path), image, file_meta=meta).save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A receiver's process, from the moment it answers C-ECHO."""
    process = subprocess.Popen(command, env=TO_DCMTK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    echo = [str(DCMTK / "echoscu"), "-aec", "COXA", "127.0.0.1", str(port)]
    try:
        deadline = time.monotonic() + 30
        while subprocess.run(echo, env=TO_DCMTK, capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{command[0]} does not answer")
        yield
    finally:
        process.terminate()
        process.wait()


def measure(
    command: Callable[[int, Path], list[str]], folders: list[list[Path]], received: Path, count: int
) -> float:
    """Instances per second, over all senders."""
    received.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running(command(port, received), port):
        begin = time.perf_counter()
        senders = [
            subprocess.Popen(
                [
                    DCMTK / "storescu",
                    "-aec",
                    "COXA",
                    "--max-pdu",
                    str(PDU_BYTES),
                    "127.0.0.1",
                    str(port),
                    *paths,
                ],
                env=TO_DCMTK,
                stdout=subprocess.DEVNULL,
            )
            for paths in folders
        ]
        if any(sender.wait() for sender in senders):
            raise RuntimeError("storescu failed")
        seconds = time.perf_counter() - begin
    shutil.rmtree(received)
    return len(folders) * count / seconds


def in_python(name: str) -> Callable[[int, Path], list[str]]:
    """One of the servers below, in a process of its own."""
    return lambda port, folder: [
        *(sys.executable, "-m", "benchmarks.receive", "--serve", name, str(port), str(folder))
    ]


def storescp(*options: str) -> Callable[[int, Path], list[str]]:
    """DCMTK's, which does not sync."""
    return lambda port, folder: [str(DCMTK / "storescp"), "--fork", "-od", str(folder), *options, str(port)]


def orthanc(port: int, folder: Path) -> list[str]:
    """A PACS with its defaults: files are synced, its index is SQLite."""
    configuration = folder / "orthanc.json"
    storage = {"StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage")}
    configuration.write_text(json.dumps({**storage, "HttpServerEnabled": False, "DicomPort": port}))
    return ["/usr/sbin/Orthanc", str(configuration)]


def serve_coxa(port: int, folder: Path) -> None:
    """The node's receiver with its database."""
    settings = ReceiveSettings(port=port, max_pdu_bytes=PDU_BYTES)
    database = Database.open(f"sqlite:///{folder / 'coxa.sqlite'}")
    Receiver(settings, Spool(folder / "spool"), database, lambda _studies, _caller: None).start()
    threading.Event().wait()


def serve_pynetdicom(port: int, handle: Callable[[evt.Event], int]) -> None:
    """A plain pynetdicom server, its log switched off."""
    _config.LOG_HANDLER_LEVEL = "none"
    ae = AE("COXA")
    ae.maximum_pdu_size = PDU_BYTES
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context("1.2.840.10008.1.1")
    ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, handle)])


def serve_nothing(port: int, _folder: Path) -> None:
    """The library's own limit: what it has received is dropped."""
    serve_pynetdicom(port, lambda _event: 0x0000)


def serve_decoded(port: int, folder: Path) -> None:
    """The library's example: decode, then save."""

    def handle(event: evt.Event) -> int:
        image = event.dataset
        image.file_meta = event.file_meta
        image.save_as(folder / f"{image.SOPInstanceUID}.dcm", enforce_file_format=True)
        return 0x0000

    serve_pynetdicom(port, handle)


def serve_raw(port: int, folder: Path) -> None:
    """The bytes as they came, in one piece, synced."""

    def handle(event: evt.Event) -> int:
        path = folder / f"{event.file_meta.MediaStorageSOPInstanceUID}.dcm"
        with path.open("wb") as file:
            file.write(event.encoded_dataset())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)
        return 0x0000

    serve_pynetdicom(port, handle)


def serve_chunked(port: int, folder: Path) -> None:
    """STORE_RECV_CHUNKED_DATASET, with the temporary file on the final file system, synced and renamed."""
    _config.STORE_RECV_CHUNKED_DATASET = True
    tempfile.tempdir = str(folder)

    def handle(event: evt.Event) -> int:
        with event.dataset_path.open("rb") as file:
            os.fsync(file.fileno())
        event.dataset_path.rename(folder / f"{event.file_meta.MediaStorageSOPInstanceUID}.dcm")
        sync_folder(folder)
        return 0x0000

    serve_pynetdicom(port, handle)


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


IN_PYTHON: dict[str, Callable[[int, Path], None]] = {
    "coxa": serve_coxa,
    "pynetdicom: nothing": serve_nothing,
    "pynetdicom: decode and save": serve_decoded,
    "pynetdicom: raw bytes, fsync": serve_raw,
    "pynetdicom: chunked, fsync, rename": serve_chunked,
}
RECEIVERS = {
    "storescp": storescp(),
    "storescp: +B, 128 KiB PDU": storescp("+B", "--max-pdu", str(PDU_BYTES)),
    "Orthanc": orthanc,
    **{name: in_python(name) for name in IN_PYTHON},
}

if __name__ == "__main__":
    main()
