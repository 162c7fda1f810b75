"""Fixtures for all tests."""

from pathlib import Path

import pytest

pytest_plugins = ["tests.orthanc"]

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """Real CT, which must not be copied into the repository: it lies beside it, where it is at hand."""
    folder = REPOSITORY.parent / "shared" / "data" / "ct"
    if not folder.is_dir():
        pytest.skip("no real CT beside the repository")
    return folder
