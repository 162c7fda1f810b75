"""A node as an operator runs it: the ``coxa serve`` process, seen through its database and its port."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from pydicom.filereader import read_file_meta_info
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from node.config import Peer, load_settings
from node.database import Database
from node.scu import PeerError, echo
from node.status import StudyStatus, read_status
from tests.conftest import REPOSITORY
from tests.ports import free_port

COXA = Path(sys.executable).parent / "coxa"
STORESCU = "/usr/bin/storescu"
# DCMTK leaves Nagle's algorithm on; its small messages then wait for acknowledgements.
PROPOSE = {JPEGLSLossless: "-xt", JPEG2000Lossless: "-xv", JPEG2000: "-xw", JPEGLosslessSV1: "-xs"}
DCMTK_ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}


def until(condition: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
    """The first true value of ``condition``; another process's files have no event to wait for."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"Not within {timeout_s} s: {what}")


def default_routes(*names: str) -> list[dict[str, Any]]:
    """Routes of the packaged configuration."""
    document = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    return [route for route in document["routes"] if route["name"] in names]


class RunningNode:
    """A node with its own folder; it can be killed and started again. By default it measures hip tissue."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        document = {
            "data_folder": "data",
            "receive": {"port": self.port, "min_free_disk_bytes": 100_000_000},
            "completion": {"quiet_s": 1},
            "retry": {"attempts": 5, "first_delay_s": 0.1, "longest_delay_s": 1},
            "delivery": {"first_delay_s": 0.2, "longest_delay_s": 1, "give_up_after_s": 600},
            "routes": default_routes("hip-tissue"),
        }
        for name, section in settings.items():
            document[name] = {**document.get(name, {}), **section} if isinstance(section, dict) else section
        document["destinations"] = [peer["name"] for peer in settings.get("peers", [])]
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump(document), encoding="utf-8")
        self.settings = load_settings(self.config)
        self.database = Database.open(self.settings.database_url)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def peer(self) -> Peer:
        return Peer(name="node", ae_title="COXA", host="127.0.0.1", port=self.port, calling_ae_title="CT1")

    @property
    def log(self) -> str:
        return (self.folder / "node.log").read_text(encoding="utf-8")

    def start(self) -> None:
        with (self.folder / "node.log").open("ab") as log:
            self._process = subprocess.Popen([COXA, "serve", "--config", self.config], stderr=log, stdout=log)
        until(self.answers, f"the node answers a C-ECHO; its log:\n{self.log}", 60)

    def kill(self) -> None:
        """SIGKILL: nothing is cleaned up."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.terminate()
        self.database.close()

    def studies(self) -> list[StudyStatus]:
        return read_status(self.database, 100).studies

    def study(self, number: int = 0) -> StudyStatus:
        return self.studies()[number]

    def wait_for(self, state: str, *, instances: int = 1) -> StudyStatus:
        """Until the only study stands so; ``instances`` keeps an earlier state from being taken for it."""

        def reached() -> StudyStatus | None:
            studies = self.studies()
            if studies and studies[0].instances >= instances and studies[0].state == state:
                return studies[0]
            return None

        study: StudyStatus = until(reached, f"the study is {state}; its log:\n{self.log[-3000:]}")
        return study

    def wait_for_delivery(self) -> StudyStatus:
        """Until the current result of the only study is at every destination."""

        def delivered() -> StudyStatus | None:
            for study in self.studies():
                states = [d.state for result in study.results for d in result.deliveries]
                if study.state == "measured" and states and set(states) == {"sent"}:
                    return study
            return None

        study: StudyStatus = until(delivered, f"the result is delivered; {self.studies()}")
        return study

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        pids = {int(pid) for path in children for pid in path.read_text().split()}
        return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def answers(self) -> bool:
        """A C-ECHO is answered."""
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            echo(self.peer)
        except PeerError:
            return False
        return True


def storescu(node: RunningNode, *files: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Sends files as a modality does, on one association; they are all in one transfer syntax."""
    titles = ("-aet", "CT1", "-aec", "COXA")
    syntax = read_file_meta_info(files[0]).TransferSyntaxUID
    return subprocess.run(
        [STORESCU, "-R", PROPOSE.get(syntax, "-x="), *titles, "127.0.0.1", str(node.port), *files],
        env=DCMTK_ENVIRONMENT,
        check=check,
        capture_output=True,
        text=True,
    )
