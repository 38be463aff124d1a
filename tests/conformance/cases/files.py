"""Files and folders from step to step."""

from __future__ import annotations

from typing import Any

import couler
from couler.core.ir.model import Constant, Output
from tests.conformance.case import case, items, succeeded
from tests.conformance.cases.parts import IMAGE, add, collect, give, read, read_all, write


@couler.step
def make_tree(tree: couler.OutFolder = couler.out("tree")) -> None:
    (tree / "deep" / "er").mkdir(parents=True)
    (tree / "deep" / "er" / "ü {{x}}.txt").write_text("inside")
    (tree / "empty").mkdir()
    (tree / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (tree / "run.sh").chmod(0o755)


@couler.step
def list_tree(tree: couler.InFolder) -> list[str]:
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*"))


@couler.step
def make_bytes(size: int, data: couler.OutFile = couler.out("data.bin")) -> str:
    import hashlib

    content = bytes(index * 7 % 256 for index in range(size))
    data.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@couler.step
def digest(data: couler.InFile) -> str:
    import hashlib

    return hashlib.sha256(data.read_bytes()).hexdigest()


@couler.step
def equal(a: Any, b: Any) -> bool:
    return bool(a == b)


@couler.step
def forgets(note: couler.OutFile = couler.out("note.txt")) -> int:
    return 1


@couler.step
def two_files(
    a: couler.OutFile = couler.out("one/same.txt"), b: couler.OutFile = couler.out("two/same.txt")
) -> list[int]:
    a.parent.mkdir(parents=True, exist_ok=True)
    b.parent.mkdir(parents=True, exist_ok=True)
    a.write_text("first")
    b.write_text("second")
    return [1, 2]


@case(
    "files",
    steps=succeeded("write", "read", "write-2", "read-2"),
    result="grüße\n\r\n\x00\x07",
)
def a_file_travels_through_several_steps() -> Any:
    first = write("grüße\n\r\n\x00\x07")
    second = write(read(first.note))
    return read(second.note)


@case("files", steps=succeeded("make_bytes", "digest", "equal"), result=True)
def a_large_binary_file() -> Any:
    made = make_bytes(3_000_000)
    return equal(made, digest(made.data))


@case("files", steps=succeeded("write", "read"), result="")
def an_empty_file() -> Any:
    return read(write("").note)


@case(
    "files",
    steps=succeeded("make_tree", "list_tree"),
    result=["deep", "deep/er", "deep/er/ü {{x}}.txt", "empty", "run.sh"],
)
def a_folder_travels_with_its_empty_folders() -> Any:
    return list_tree(make_tree().tree)


@case("files", "container", steps=succeeded("make_tree", "runs"), result="ran")
def a_program_stays_one() -> Any:
    tree = make_tree().tree
    return couler.run_container(IMAGE, ["sh", "-c", "in/run.sh"], input={"tree": (tree, "in")}, step_name="runs")


@case("files", "map", steps=items("write", 3) | {"read_all": "succeeded"}, result=["c", "a", "b"])
def files_of_a_map() -> Any:
    return read_all(write.map(["c", "a", "b"]).note)


@case("files", "map", "container", steps=items("makes", 2) | {"read_all": "succeeded"}, result=["b", "a"])
def files_of_a_mapped_container() -> Any:
    def body(text: Any) -> Any:
        script = 'printf %s "$1" > made.txt'
        return couler.run_container(
            IMAGE, ["sh", "-c", script, "sh"], [text], output={"made": "made.txt"}, step_name="makes"
        )

    return read_all(couler.map(body, ["b", "a"]))


@case(
    "files",
    "map",
    "group",
    steps=succeeded("map")
    | {f"map[{index}]{rest}": "succeeded" for index in range(2) for rest in ("", "/write", "/read")},
    result=["x", "y"],
)
def files_inside_a_mapped_group() -> Any:
    return couler.map(lambda text: read(write(text).note), ["x", "y"])


@case("files", "group", steps=succeeded("write", "inner", "inner/read", "inner/write", "read"), result="text")
def files_into_and_out_of_a_group() -> Any:
    note = write("text").note

    def inner() -> Any:
        return {"note": write(read(note)).note}

    (made,) = couler.concurrent([inner], subtasks=True)
    return read(made.note)


@case("files", "loop-carry", steps=succeeded("grow", "grow#0", "grow#1", "first", "read"), result="abb")
def a_file_carried_by_a_loop() -> Any:
    start = write("a").named("first").note
    looped = couler.loop(grow, start, until=lambda out: out.size >= 3, max_iterations=5, carry={"before": "later"})
    return read(looped.later)


@couler.step(outputs={"size": int})
def grow(before: couler.InFile, later: couler.OutFile = couler.out("later.txt")) -> dict[str, int]:
    text = before.read_text() + "b"
    later.write_text(text)
    return {"size": len(text)}


@case(
    "files",
    "value-types",
    steps={"forgets": "failed", "read": "cancelled"},
    status="failed",
    failing="forgets",
    says=("note",),
)
def a_file_that_is_not_written() -> None:
    read(forgets().note)


@case("files", "container", steps=succeeded("makes", "shows"), result="hi {{x}}")
def files_of_containers_go_by_path() -> Any:
    made = couler.run_container(
        IMAGE, ["sh", "-c", "printf 'hi {{x}}' > made.txt"], output={"made": "made.txt"}, step_name="makes"
    )
    return couler.run_container(IMAGE, ["cat", "in/got.txt"], input={"got": (made, "in/got.txt")}, step_name="shows")


@case("files", "script", steps=succeeded("write", "script", "read"), result="TEXT")
def files_of_scripts_go_by_path() -> Any:
    source = "mkdir -p out\ntr a-z A-Z < in.txt > out/up.txt\n"
    made = couler.run_script(
        IMAGE, source, command="sh", input={"text": (write("text").note, "in.txt")}, output={"up": "out/up.txt"}
    )
    return read(made.up)


@case(
    "files",
    steps=succeeded("two_files", "read", "read-2"),
    outputs={"a": "first", "b": "second", "v": [1, 2]},
)
def two_files_of_one_name() -> Any:
    made = two_files()
    return {"a": read(made.a), "b": read(made.b), "v": made}


@case(
    "files",
    "skip",
    steps=succeeded("give", "write-2", "joined") | {"write": "skipped", "read": "skipped"},
    result="else",
)
def files_of_branches() -> Any:
    with couler.when(give(False)):
        a = write("then")
    with couler.otherwise():
        b = write("else")
    read(a.note)
    return read(couler.first_of(a.note, b.note)).named("joined")


@case(
    "declared-values",
    "script",
    steps=succeeded("script", "add"),
    outputs={"sum": 42, "note": "two words\n", "printed": "done"},
)
def declared_values() -> Any:
    made = couler.run_script(
        IMAGE, "mkdir -p out; printf 41 > out/number.txt; printf 'two words\\n\\n' > note.txt; echo done", command="sh",
        output=[
            couler.create_parameter_artifact("out/number.txt", type="int"),
            couler.create_parameter_artifact("note.txt"),
        ],
    )  # fmt: skip
    return {"sum": add(made.number_txt, 1), "note": made.note_txt, "printed": made.result}


@case(
    "declared-values",
    "value-types",
    steps={"script": "failed"},
    status="failed",
    failing="script",
)
def a_declared_value_of_the_wrong_type() -> None:
    couler.run_script(
        IMAGE,
        "printf many > number.txt",
        command="sh",
        output=couler.create_parameter_artifact("number.txt", type="int"),
    )


@case("declared-values", "failure", steps={"script": "failed"}, status="failed", failing="script", says=("number",))
def a_declared_value_that_is_not_written() -> None:
    couler.run_script(IMAGE, "true", command="sh", output=couler.create_parameter_artifact("number.txt", type="int"))


@case(
    "declared-values",
    "text-is-data",
    steps=succeeded("script", "collect"),
    result=["{{=1+1}}", "5", ["{{x}}", None, 1.0]],
)
def declared_values_are_not_evaluated() -> Any:
    made = couler.run_script(
        IMAGE, "printf '{{=1+1}}' > a.txt; printf 5 > b.txt; printf '[\"{{x}}\",null,1.0]' > c.json", command="sh",
        output=[
            couler.create_parameter_artifact("a.txt"), couler.create_parameter_artifact("b.txt"),
            couler.create_parameter_artifact("c.json", type="list"),
        ],
    )  # fmt: skip
    return collect([made.a_txt, made.b_txt, made.c_json])


@case("output-default", steps=succeeded("script", "collect"), result=["{{=1+1}}", {"n": None}, "written"])
def defaults_of_outputs_that_were_not_written() -> Any:
    made = couler.run_script(
        IMAGE, "printf written > c.txt", command="sh",
        output=[
            Output(name="a", type="str", path="a.txt", default=Constant(value="{{=1+1}}")),
            Output(name="b", type="object", path="b.json", default=Constant(value={"n": None})),
            Output(name="c", type="str", path="c.txt", default=Constant(value="unused")),
        ],
    )  # fmt: skip
    return collect([made.a, made.b, made.c])


@case("stored-files", steps=succeeded("digest"), outputs=None, needs=("object store",))
def a_file_from_a_store() -> None:
    digest(couler.stored_file("s3://conformance/in/data.bin", endpoint="http://store:9000"))


@case("stored-files", "container", steps=succeeded("clone"), outputs=None, needs=("git server",))
def a_checkout_of_a_repository() -> None:
    source = couler.create_git_artifact(
        "src", "https://git.example/group/project.git", "main", password=couler.secret("git", "token")
    )
    couler.run_container(IMAGE, ["ls", "src"], input=[source], step_name="clone")


@case("stored-files", "container", steps=succeeded("makes"), outputs=None, needs=("object store",))
def a_file_into_a_store() -> None:
    target = couler.create_s3_artifact(
        "out.txt", "conformance", "out/{{x}}.txt", endpoint="http://store:9000", insecure=True,
        accesskey_id=couler.secret("store", "id"), accesskey_secret=couler.secret("store", "key"),
    )  # fmt: skip
    couler.run_container(IMAGE, ["sh", "-c", "printf hi > out.txt"], output=target, step_name="makes")
