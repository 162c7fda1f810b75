"""A PACS, a node beside it, and something to send."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from deploy.demo.schematic_hip import write_schematic_hip
from tests.end_to_end.running import RunningNode
from tests.orthanc import Orthanc
from tests.series import write_series


class NodeFactory(Protocol):
    def __call__(self, pacs: Orthanc, **settings: Any) -> RunningNode: ...


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[NodeFactory]:
    """Nodes that deliver to a PACS; ended after the test."""
    nodes: list[RunningNode] = []

    def make(pacs: Orthanc, **settings: Any) -> RunningNode:
        peer = {
            "name": "pacs", "ae_title": pacs.ae_title, "host": "127.0.0.1", "port": pacs.dicom_port
        }  # fmt: skip
        node = RunningNode(tmp_path / f"node{len(nodes)}", peers=[peer], **settings)
        nodes.append(node)
        return node

    yield make
    for node in nodes:
        node.close()


@pytest.fixture(scope="session")
def hip(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A schematic hip, small enough to be sent often."""
    folder = tmp_path_factory.mktemp("hip")
    return write_schematic_hip(folder, matrix=256, spacing_mm=(3.0, 1.8, 1.8))


@pytest.fixture(scope="session")
def chest(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A body without bones: air around a cylinder of soft tissue."""
    rows, columns = np.indices((128, 128)) - 64
    plane = np.where(rows**2 + columns**2 < 50**2, 40, -1000).astype(np.int16)
    return write_series(tmp_path_factory.mktemp("chest"), np.stack([plane] * 20))
