"""What tests of several rooms use."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system with room for 1 MB; needs the right to mount."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small disk needs the right to mount: {error}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(autouse=True)
def _modules_of_a_test_end_with_it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files of one name in two tests are two modules."""
    modules, path = set(sys.modules), set(sys.path)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - modules:
        if folder in (getattr(sys.modules[name], "__file__", None) or str(getattr(sys.modules[name], "__path__", ""))):
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry in path or folder not in entry]
