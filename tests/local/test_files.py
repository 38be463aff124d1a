"""Files between steps: lists of them, through groups and loops, from outside, and what happens to their paths."""

from __future__ import annotations

from couler.core.ir.model import (
    Compare,
    Constant,
    ForEach,
    GroupOutput,
    GroupTask,
    Input,
    ItemRef,
    Loop,
    LoopOutputRef,
    Output,
    Parameter,
    ParameterRef,
    SecretRef,
    Step,
    StoredFile,
)
from tests.local.conftest import flow, function, out, script

READ = "def f(x):\n    return x.read_text()\n"
WRITE = "def f(n, file):\n    file.write_text(str(n))\n"
FILE = (Output(name="file", type="file", path="part.txt"),)


def test_files_of_a_map_arrive_as_a_list_of_paths(run):
    parts = function(
        "parts", WRITE, {"n": ItemRef()}, foreach=ForEach(lists={"item": Constant(value=[1, 2, 3])}), outputs=FILE
    )
    join = function(
        "join",
        "def f(files):\n    return [[path.name, path.read_text()] for path in files]\n",
        {"files": out("parts", "file")},
        types={"files": "list[file]"},
    )
    result = run(flow(parts, join, outputs={"r": out("join")}))
    assert result.message == ""
    assert result.outputs == {"r": [["part.txt", "1"], ["part.txt", "2"], ["part.txt", "3"]]}


def test_a_file_goes_into_a_group_and_out_of_it(run):
    task = GroupTask(
        parameters=(Parameter(name="model", type="file"),),
        steps=(
            function(
                "grow",
                "def f(x, file):\n    file.write_text(x.read_text() + '!')\n",
                {"x": ParameterRef(name="model")},
                types={"x": "file"},
                outputs=FILE,
            ),
        ),
        outputs=(GroupOutput(name="model", value=out("grow", "file"), type="file"),),
    )
    group = Step(name="g", task=task, inputs=(Input(name="model", value=out("w", "file"), type="file"),))
    read = function("r", READ, {"x": out("g", "model")}, types={"x": "file"})
    assert run(flow(function("w", WRITE, {"n": 7}, outputs=FILE), group, read, outputs={"r": out("r")})).outputs == {
        "r": "7!"
    }


def test_a_loop_carries_a_file(run):
    source = """
        def f(x, file):
            text = x.read_text() + "."
            file.write_text(text)
            return {"length": len(text)}
    """
    loop = Loop(
        condition=Compare(operator="<", left=LoopOutputRef(output="length"), right=Constant(value=4)),
        max_iterations=9,
        carry={"x": "file"},
    )
    grow = function(
        "grow", source, {"x": out("w", "file")}, types={"x": "file"}, loop=loop, outputs=(*FILE, Output(name="length"))
    )
    read = function("r", READ, {"x": out("grow", "file")}, types={"x": "file"})
    assert run(flow(function("w", WRITE, {"n": 1}, outputs=FILE), grow, read, outputs={"r": out("r")})).outputs == {
        "r": "1..."
    }


def test_an_input_may_appear_at_an_absolute_path(run, tmp_path):
    path = tmp_path / "in" / "data.txt"
    read = script("s", f"cat {path}", inputs=(Input(name="x", value=out("w", "file"), type="file", path=str(path)),))
    assert run(flow(function("w", WRITE, {"n": 5}, outputs=FILE), read, outputs={"r": out("s")})).outputs == {"r": "5"}
    assert not path.is_symlink()


def test_a_stored_file_is_brought_from_its_url(run, tmp_path):
    (tmp_path / "given.csv").write_text("a,b\n")
    given = StoredFile(url=(tmp_path / "given.csv").as_uri())
    source = "def f(x):\n    return [x.name, x.read_text()]\n"
    assert run(flow(function("s", source, {"x": given}, types={"x": "file"}), outputs={"r": out("s")})).outputs == {
        "r": ["given.csv", "a,b\n"]
    }


def test_a_stored_file_that_does_not_exist_fails_the_step_with_its_url(run, tmp_path):
    url = (tmp_path / "none.csv").as_uri()
    result = run(flow(function("s", READ, {"x": StoredFile(url=url)}, types={"x": "file"})))
    assert f"cannot read {url}" in result.error("s")


def test_credentials_of_a_stored_file_are_looked_up(run):
    given = StoredFile(url="file:///x", credentials={"token": SecretRef(name="store", key="token")})
    result = run(flow(function("s", READ, {"x": given}, types={"x": "file"})))
    assert "COULER_SECRET_STORE_TOKEN" in result.error("s")


def test_a_consumer_cannot_change_the_stored_file(run):
    spoil = "import os\ndef f(x):\n    return os.stat(x).st_mode & 0o222\n"
    write = function("w", WRITE, {"n": 5}, outputs=FILE)
    read = function("s", spoil, {"x": out("w", "file")}, types={"x": "file"})
    assert run(flow(write, read, outputs={"r": out("s")})).outputs == {"r": 0}


def test_steps_that_share_an_absolute_path_take_turns(make, tmp_path):
    path = tmp_path / "shared.txt"
    engine = make(cpu=3)
    steps = [
        script(
            f"s{number}",
            f"test ! -e {path} && echo {number} > {path} && sleep 0.1 && cat {path}",
            outputs=(Output(name="o", type="file", path=str(path)),),
        )
        for number in range(3)
    ]
    run_id = engine.start(flow(*steps), {})
    assert engine.execute(run_id) == "succeeded"
    assert [engine.store.step(run_id, f"s{number}").outputs["result"] for number in range(3)] == ["0", "1", "2"]
    assert not path.exists()
