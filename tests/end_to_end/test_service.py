"""Starting and stopping the node, when something is in the way."""

import socket
import subprocess

import pytest

from tests.end_to_end.conftest import NodeFactory
from tests.end_to_end.running import COXA
from tests.orthanc import Orthanc

pytestmark = pytest.mark.slow


def test_a_port_in_use_is_said_and_the_node_ends(make_node: NodeFactory, pacs: Orthanc) -> None:
    node = make_node(pacs)
    with socket.create_server(("127.0.0.1", node.port)):
        done = subprocess.run(
            [COXA, "serve", "--config", node.config], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert "Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
