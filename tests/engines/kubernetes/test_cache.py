"""What is built is kept until an input changes, and a failed build leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.kubernetes import cache


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


class Maker:
    """Writes its text, and counts how often it was asked to."""

    def __init__(self) -> None:
        self.text, self.calls = "one", 0

    def __call__(self, target: Path) -> None:
        self.calls += 1
        target.write_text(self.text)


def test_the_folder_is_the_users_cache(own_folder: Path) -> None:
    assert cache.folder() == own_folder / "cache" / "couler" / "cluster"


def test_a_thing_is_made_once() -> None:
    make = Maker()
    first, second = cache.kept("a/thing", ["input"], make), cache.kept("a/thing", ["input"], make)
    assert (first, make.calls) == (second, 1)
    assert second.read_text() == "one"


def test_a_changed_file_among_the_inputs_makes_it_anew(own_folder: Path) -> None:
    make, source = Maker(), own_folder / "source"
    source.mkdir()
    (source / "main.go").write_text("1")
    cache.kept("thing", [source], make)
    (source / "main.go").write_text("2")
    make.text = "two"
    assert cache.kept("thing", [source], make).read_text() == "two"


def test_inputs_that_only_look_alike_when_joined_differ() -> None:
    assert cache.digest_of(["ab", "c"]) != cache.digest_of(["a", "bc"])


def test_a_failed_build_keeps_what_was_there_and_is_tried_again() -> None:
    make = Maker()
    kept = cache.kept("thing", ["1"], make)

    def fail(target: Path) -> None:
        target.write_text("half")
        raise RuntimeError("no compiler")

    with pytest.raises(RuntimeError, match="no compiler"):
        cache.kept("thing", ["2"], fail)
    assert kept.read_text() == "one"
    make.text = "two"
    assert cache.kept("thing", ["2"], make).read_text() == "two"
