"""Places for files that are missing, full, unwritable, unknown, or need a package."""

import importlib.util
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from couler.artifacts import ArtifactStore
from couler.core.errors import ArtifactError, ConfigError, MissingExtraError


def _in_process(code: str, *arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)


@pytest.mark.parametrize(
    ("url", "module", "hint"),
    [
        ("s3://bucket/x", "s3fs", 'pip install "couler[s3]"'),
        ("gs://bucket/x", "gcsfs", 'pip install "couler[gcs]"'),
        ("az://container/x", "adlfs", 'pip install "couler[remote]" adlfs'),
        ("oss://bucket/x", "ossfs", 'pip install "couler[remote]" ossfs'),
        ("hdfs://host/x", "pyarrow", 'pip install "couler[remote]" pyarrow'),
        ("smb://host/x", "smbclient", 'pip install "couler[remote]" smbprotocol'),
        ("http://host/x", "aiohttp", 'pip install "couler[remote]"'),
        ("sftp://host/x", "paramiko", 'pip install "couler[remote]" paramiko'),
    ],
)
def test_a_missing_package_is_named_with_the_line_to_type(url: str, module: str, hint: str) -> None:
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed here")
    with pytest.raises(MissingExtraError) as caught:
        ArtifactStore(url)
    assert caught.value.message == f"keeping files at {url.partition(':')[0]}:// needs a package that is not installed"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("url", "extra"),
    [("s3://bucket", "s3"), ("gs://bucket", "gcs"), ("memory://x", "remote"), ("https://host/x", "remote")],
)
def test_without_fsspec_the_extra_of_the_protocol_is_named(url: str, extra: str) -> None:
    code = """
        import sys
        sys.modules["fsspec"] = None  # as if it were not installed
        from couler.artifacts import ArtifactStore
        from couler.core.errors import MissingExtraError
        try:
            ArtifactStore(sys.argv[1])
        except MissingExtraError as error:
            print(error.extra)
            print(error.hint)
    """
    assert _in_process(code, url).stdout == f'{extra}\npip install "couler[{extra}]"\n'


def test_an_unknown_protocol_offers_the_near_one() -> None:
    with pytest.raises(ConfigError) as caught:
        ArtifactStore("memoory://x")
    assert "there is no protocol 'memoory'" in caught.value.message
    assert caught.value.hint == "did you mean 'memory'?"


def test_no_password_is_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        ArtifactStore("nowhere://key:secret@bucket/files?token=secret")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(ArtifactStore("memory://key:secret@bucket/files"))


def test_a_relative_file_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not absolute"):
        ArtifactStore("file://some/where")


def test_a_local_store_loads_no_fsspec(tmp_path: Path) -> None:
    code = """
        import sys
        from couler.artifacts import ArtifactStore
        ArtifactStore(sys.argv[1]).put(__import__("pathlib").Path(sys.argv[2]))
        assert "fsspec" not in sys.modules
    """
    (tmp_path / "a").touch()
    assert _in_process(code, tmp_path / "store", tmp_path / "a").stderr == ""


def test_a_place_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ArtifactError, match=r"a cannot be stored in .*a: (Not a directory|File exists)"):
        ArtifactStore(str(tmp_path / "a")).put(tmp_path / "a")


def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    code = """
        import os, sys
        from pathlib import Path
        from couler.artifacts import ArtifactStore
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            ArtifactStore(sys.argv[1]).put(Path(sys.argv[2]))
        except Exception as error:
            print(type(error).__name__, error)
    """
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "a").write_text("1")
    (tmp_path / "locked").mkdir(mode=0o555)
    done = _in_process(code, tmp_path / "locked" / "store", tmp_path / "a")
    assert done.stdout.startswith("ArtifactError"), done.stderr
    assert "Permission denied" in done.stdout


def test_a_full_disk_leaves_no_entry_and_works_again_afterwards(small_disk: Path, tmp_path: Path) -> None:
    store = ArtifactStore(str(small_disk / "store"))
    (tmp_path / "large").write_bytes(os.urandom(3_000_000))
    (tmp_path / "small").write_bytes(b"1")
    with pytest.raises(ArtifactError) as caught:
        store.put(tmp_path / "large")
    assert "large cannot be stored in" in caught.value.message
    assert "No space left on device" in caught.value.message
    assert "free space" in caught.value.hint
    assert [p for p in (small_disk / "store").rglob("*") if p.is_file()] == []
    store.verify(store.put(tmp_path / "small"))


def test_a_full_disk_at_the_destination_leaves_nothing_there(small_disk: Path, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"))
    (tmp_path / "large").write_bytes(os.urandom(3_000_000))
    record = store.put(tmp_path / "large")
    with pytest.raises(ArtifactError, match=r"cannot be brought to .*copy: No space left on device"):
        store.get(record, small_disk / "copy")
    assert list(small_disk.iterdir()) == []


def test_a_file_size_limit_leaves_no_entry(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from pathlib import Path
        from couler.artifacts import ArtifactStore
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            ArtifactStore(sys.argv[1]).put(Path(sys.argv[2]))
        except Exception as error:
            print(type(error).__name__, error)
    """
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    done = _in_process(code, tmp_path / "store", tmp_path / "large")
    assert "ArtifactError" in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert [p for p in (tmp_path / "store").rglob("*") if p.is_file()] == []


def test_a_killed_writer_leaves_no_entry_and_no_obstacle(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_STOPS_HALFWAY), str(store)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.kill()
    assert len(list((store / "tmp").iterdir())) == 1
    assert not (store / "sha256").exists()
    (tmp_path / "a").write_bytes(b"1")
    again = ArtifactStore(str(store))
    again.verify(again.put(tmp_path / "a"))


_STOPS_HALFWAY = """
    import io, sys, threading
    from pathlib import Path
    from couler.artifacts.local import LocalBlobs

    class Slow(io.RawIOBase):
        pieces = [b"x" * 100_000]
        def read(self, size=-1):
            if self.pieces:
                return self.pieces.pop()
            print("half", flush=True)
            threading.Event().wait()

    LocalBlobs(Path(sys.argv[1])).add(Slow, "slow")
"""
