"""How long does the hip-tissue network take, from five slices in memory to their labels? The last line is the
ratio of PyTorch in float32 to what Coxa takes on this machine.

    .venv/bin/python -m benchmarks.hip_tissue [--bundle FOLDER] [--rounds 5] [--threads 2]

Five slices of 512 x 512 pixels of 0.8 mm, of the schematic hip. Without --bundle it is the shipped network.
Every engine runs in a process of its own: start is until the first labels, without the import of PyTorch;
peak is all memory of the process. OpenVINO is measured where it is installed (pip install openvino).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from deploy.demo.schematic_hip import make_schematic_hip
from inference.bundle import load_bundle
from inference.engines import REFERENCE, Engine, best_engine
from inference.pipelines.hip_tissue import SHIPPED
from inference.tissue_network import TissueNetwork

SPACING_MM = (3.0, 0.8, 0.8)
NECK_MM = (-37.5, -23.0)
"""Five slices below the head of the schematic hip."""


class Contiguous(Engine):
    """PyTorch as it comes, channels first."""

    def prepared(self, network: nn.Module) -> nn.Module:
        """The network as it is."""
        return network

    def logits(self, network: nn.Module, channels: Tensor) -> Tensor:
        """As ``Engine.logits``."""
        with torch.inference_mode():
            return network(channels)


class OpenVINO(Engine):
    """The same network, compiled by OpenVINO for any number of rows and columns."""

    def prepared(self, network: nn.Module) -> nn.Module:
        """The compiled network, which is called like a module."""
        import openvino

        example = torch.zeros(1, network.stem[0].in_channels // network.fold.downscale_factor**2, 64, 64)
        shape = openvino.PartialShape([1, example.shape[1], -1, -1])
        model = openvino.convert_model(network, example_input=example, input=[shape])
        precision = "bf16" if self.dtype is torch.bfloat16 else "f32"
        return openvino.Core().compile_model(
            model,
            "CPU",
            {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": torch.get_num_threads()},
        )

    def logits(self, network: nn.Module, channels: Tensor) -> Tensor:
        """As ``Engine.logits``."""
        return torch.from_numpy(network(channels.numpy())[0])


ENGINES = {
    "PyTorch float32, channels first": Contiguous("cpu", torch.float32),
    "PyTorch float32": REFERENCE,
    "PyTorch bfloat16": Engine("cpu", torch.bfloat16),
    "OpenVINO float32": OpenVINO("cpu", torch.float32),
    "OpenVINO bfloat16": OpenVINO("cpu", torch.bfloat16),
    "PyTorch on the GPU": Engine("cuda", torch.bfloat16),
}


def main() -> None:
    """Prints one line per engine."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--rounds", type=int, default=5, help="each runs all engines, one after the other")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", nargs="*", default=[name for name in ENGINES if is_here(name)])
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "LABELS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure:
        name, labels = options.measure
        print(json.dumps(measure(ENGINES[name], options.bundle, Path(labels))))
        return
    with tempfile.TemporaryDirectory() as root:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in options.only}
        for _ in range(options.rounds):
            for name in options.only:
                call = ["--bundle", options.bundle, "--threads", str(options.threads)]
                call += ["--measure", name, Path(root) / f"{name}.npy"]
                done = subprocess.run(
                    [sys.executable, "-m", "benchmarks.hip_tissue", *call],
                    check=True,
                    capture_output=True,
                    text=True,
                )
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
        labels = {name: np.load(Path(root) / f"{name}.npy") for name in options.only}
    report(runs, labels, options.threads)


def report(runs: dict[str, list[dict[str, float]]], labels: dict[str, np.ndarray], threads: int) -> None:
    """Medians over rounds, least to most."""
    chosen = next(name for name, engine in ENGINES.items() if engine == best_engine())
    reference = next(name for name, engine in ENGINES.items() if engine is REFERENCE)
    print(f"{threads} thread(s); taken on this machine: {chosen}")
    print(f"{'engine':34}{'five slices, s':>24}{'start, s':>10}{'peak, MB':>10}  labels as {reference}")
    for name, found in runs.items():
        seconds = [run["seconds"] for run in found]
        same = float((labels[name] == labels[reference]).mean())
        print(
            f"{name:34}{statistics.median(seconds):8.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
            f"{statistics.median(run['start'] for run in found):10.1f}"
            f"{statistics.median(run['peak_mb'] for run in found):10.0f}  {100 * same:.2f} %"
        )
    medians = {name: statistics.median(run["seconds"] for run in found) for name, found in runs.items()}
    print(f"five slices: {medians[chosen]:.2f} s, {medians[reference] / medians[chosen]:.2f} x {reference}")


def measure(engine: Engine, bundle: Path, labels: Path) -> dict[str, float]:
    """One process: start, the least of three repetitions, peak memory; the labels go into a file."""
    hip = make_schematic_hip(spacing_mm=SPACING_MM, coverage_mm=NECK_MM)
    began = time.perf_counter()
    network = TissueNetwork(load_bundle(bundle), engine)
    found = network.label(hip.hu, SPACING_MM[1:])
    start = time.perf_counter() - began
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        network.label(hip.hu, SPACING_MM[1:])
        seconds.append(time.perf_counter() - began)
    np.save(labels, found.labels)
    return {"start": start, "seconds": min(seconds), "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Most memory this process has held. Unlike getrusage this does not count what its parent held."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def is_here(name: str) -> bool:
    """Can this engine run on this machine?"""
    engine = ENGINES[name]
    if engine.device == "cuda":
        return torch.cuda.is_available()
    return not isinstance(engine, OpenVINO) or find_spec("openvino") is not None


if __name__ == "__main__":
    main()
