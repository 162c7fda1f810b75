"""``make demo``: a hip CT goes in by C-STORE; a segmentation and a report come out at a PACS.

Starts a node with default settings, plays the PACS, sends a CT (a schematic one, or the folder named) and
shows what came back, and how long each step took. Everything lies in demo-output/ afterwards.
"""

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.demo.pacs import Pacs
from deploy.demo.schematic_hip import write_schematic_hip
from node import tables_for_people
from node.by_hand import instances
from node.config import Peer, load_settings
from node.database import Database
from node.scu import PeerError, Verdict, echo, send
from node.status import StudyStatus, read_status

OUTPUT = Path("demo-output")
LONGEST_S = 600.0

console = Console()


def main() -> int:
    """Runs the demonstration; 0 if a report arrived."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    files = _ct()
    pacs_port, node_port = _free_port(), _free_port()
    config = _write_config(pacs_port, node_port)
    pacs = Pacs(OUTPUT / "pacs", pacs_port)
    pacs.start()
    log = (OUTPUT / "node.log").open("w")
    node = subprocess.Popen([Path(sys.executable).parent / "coxa", "serve", "--config", config], stderr=log)
    try:
        peer = Peer(name="node", ae_title="COXA", host="127.0.0.1", port=node_port, calling_ae_title="CT")
        _wait_for(peer, node)
        with console.status(f"Sending {len(files)} images by C-STORE"):
            answers = send(peer, files)
        stored = sum(answer.verdict is Verdict.STORED for answer in answers)
        console.print(f"{stored} of {len(files)} images were sent to the node and acknowledged.")
        study = _wait_until_done(config, node)
    finally:
        node.send_signal(signal.SIGTERM)
        node.wait()
        pacs.stop()
        log.close()
    return _report(study, pacs.received)


def _own_ct() -> bool:
    return len(sys.argv) > 1


def _ct() -> list[Path]:
    if _own_ct():
        return instances(Path(sys.argv[1]))
    with console.status("Drawing a schematic hip CT"):
        return write_schematic_hip(OUTPUT / "ct")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _write_config(pacs_port: int, node_port: int) -> Path:
    """Defaults, but for free ports, a PACS to deliver to, and less patience."""
    settings = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    settings["data_folder"] = "node"
    settings["receive"] |= {"port": node_port, "min_free_disk_bytes": 500_000_000}
    settings["peers"] = [{"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs_port}]
    settings["completion"]["quiet_s"] = 1
    settings["destinations"] = ["pacs"]
    if not _own_ct():
        # The schematic hip has no single muscles.
        settings["routes"] = [route for route in settings["routes"] if route["name"] == "hip-tissue"]
    path = OUTPUT / "config.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def _wait_for(peer: Peer, node: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    with console.status("Starting the node"):
        while node.poll() is None and time.monotonic() < deadline:
            try:
                echo(peer)
            except PeerError:
                time.sleep(0.1)
            else:
                return
    raise SystemExit(f"The node did not start: see {OUTPUT / 'node.log'}")


def _wait_until_done(config: Path, node: "subprocess.Popen[bytes]") -> StudyStatus:
    """Until the study was measured and delivered, or it is clear that it will not be."""
    database = Database.open(load_settings(config).database_url)
    deadline = time.monotonic() + LONGEST_S
    with console.status("Waiting for the node") as line:
        while node.poll() is None and time.monotonic() < deadline:
            studies = read_status(database, 1).studies
            if studies:
                line.update(f"The study stands at: {studies[0].state}")
                deliveries = [d for result in studies[0].results for d in result.deliveries]
                under_way = studies[0].state in ("receiving", "waiting", "working")
                if not under_way and all(delivery.state != "waiting" for delivery in deliveries):
                    database.close()
                    return studies[0]
            time.sleep(0.1)
    raise SystemExit(f"The study was not finished: see {OUTPUT / 'node.log'}")


def _report(study: StudyStatus, received: list[Path]) -> int:
    steps = Table(title="How long each step took", title_justify="left")
    steps.add_column("step")
    steps.add_column("seconds", justify="right")
    for step, seconds in study.seconds.items():
        steps.add_row(step, f"{seconds:.2f}")
    if not study.results:
        for line in study.reasons + study.jobs:
            console.print(escape(line))
        console.print(steps)
        return 1
    folders = [OUTPUT / "node" / "results" / result.folder for result in study.results]
    for folder in folders:
        console.print(tables_for_people.measurements(folder / "result.json"))
    console.print(steps)
    for path in received:
        console.print(f"At the PACS: {path}", soft_wrap=True)
    for folder in folders:
        console.print(f"Overlay: {folder / 'overlay.png'}", soft_wrap=True)
    return 0 if received else 1


if __name__ == "__main__":
    sys.exit(main())
