"""What a step uses travels with it, and gives the same in a bare Python without couler and without the user's files."""

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from couler.core.dsl.literals import is_literal, literal
from couler.core.dsl.source import portable_source
from couler.core.errors import DefinitionError
from tests.core.dsl.bare import Project, run_bare, travels


def test_helpers_of_helpers_travel(project: Project) -> None:
    module = project.module("""
        import couler
        def third(x): return x + 1
        def second(x): return third(x) * 2
        @couler.step
        def work(x: int) -> int:
            return second(x)
    """)
    assert "couler" not in travels(project, module, 4)


def test_recursion_of_one_and_of_two_functions_travels(project: Project) -> None:
    module = project.module("""
        import couler
        def odd(n): return n != 0 and even(n - 1)
        def even(n): return n == 0 or odd(n - 1)
        @couler.step
        def work(n: int) -> list:
            return [even(n), 1 if n < 2 else n * work.__wrapped__(n - 1)[1] if False else factorial(n)]
        def factorial(n): return 1 if n < 2 else n * factorial(n - 1)
    """)
    travels(project, module, 5)


def test_a_helper_may_call_the_step_back(project: Project) -> None:
    module = project.module("""
        import couler
        def again(n): return work(n - 1) + 1
        @couler.step
        def work(n: int) -> int:
            return 0 if n == 0 else again(n)
    """)
    source = travels(project, module, 3)
    assert source.count("def work") == 1


def test_constants_travel_as_literals_and_as_the_expressions_that_make_them(project: Project) -> None:
    module = project.module("""
        import couler, re
        from datetime import timedelta
        from decimal import Decimal as D
        LIMIT: int = 3
        NAMES = ["a", "b"]
        WORD = re.compile(r"[a-z]+")
        TYPED: "re.Pattern[str]" = (
            re
            .compile("x")
        )
        HOUR = timedelta(hours=1)
        PRICE = D("1.10")
        if LIMIT > 2:
            PLACE = frozenset({"x", "y"})
        INFINITE = [float("inf"), {"k": float("-inf")}]
        @couler.step
        def work() -> list:
            return [LIMIT, NAMES, WORD.findall("ab 1 c"), HOUR.total_seconds(), str(PRICE), sorted(PLACE),
                    INFINITE[0] > 1e300, bool(TYPED.match("x"))]
    """)
    travels(project, module)


def test_a_constant_travels_as_it_is_when_the_workflow_is_built(project: Project) -> None:
    module = project.module("""
        import couler
        SETTINGS = {}
        SETTINGS["rate"] = 0.1
        @couler.step
        def work() -> dict: return SETTINGS
    """)
    travels(project, module)


def test_classes_dataclasses_and_enums_travel_with_their_bases(project: Project) -> None:
    module = project.module("""
        import couler, dataclasses, enum, typing
        from dataclasses import dataclass, field
        from typing import ClassVar, NamedTuple
        class Kind(enum.Enum):
            A = "a"
        class Base:
            def name(self): return helper(type(self).__name__)
        def helper(text): return text.lower()
        @dataclass(frozen=True)
        class Point(Base):
            total: ClassVar[int] = 7
            x: int
            kind: Kind = Kind.A
            tags: list[str] = field(default_factory=list)
            def __post_init__(self): super().__init__()
        class Pair(NamedTuple):
            left: int
            right: int = 2
        @couler.step
        def work() -> list:
            point = Point(3)
            return [dataclasses.asdict(Point(1, tags=["t"]))["tags"], point.x, point.name(), Point.total,
                    point.kind.value, Pair(1).right, [f.name for f in dataclasses.fields(Point)]]
    """)
    travels(project, module)


def test_modules_of_the_user_travel_whole(project: Project) -> None:
    module = project.module(
        """
        import couler
        import tools
        import tools as t
        from tools import double, LIMIT, WORD, double as twice
        @couler.step
        def work(x: int) -> list:
            return [tools.double(x), t.LIMIT, double(x), LIMIT, WORD.pattern, twice(x)]
        """,
        tools="""
        import re
        import deeper
        LIMIT = 9
        WORD = re.compile("w+")
        def double(x): return deeper.add(x, x)
        """,
        deeper="def add(a, b): return a + b",
    )
    travels(project, module, 2)


def test_packages_with_relative_imports_and_circles_travel(project: Project) -> None:
    module = project.module(
        """
        import couler
        import pack.inner.leaf
        import pack.other as other
        from pack import public
        from pack.inner import leaf as l
        @couler.step
        def work(x: int) -> list:
            return [pack.inner.leaf.value(x), other.value(x), public(x), l.NAME]
        """,
        pack__SLASH____init__="""
        from .inner.leaf import value as public
        from . import other
        """,
        pack__SLASH__other="""
        from . import inner
        def value(x): return inner.leaf.value(x) + 1
        """,
        pack__SLASH__inner__SLASH____init__="from . import leaf",
        pack__SLASH__inner__SLASH__leaf="""
        NAME = __name__
        def value(x):
            from ..late import late
            return late(x) * 10
        """,
        pack__SLASH__late="""
        import pack.other
        def late(x): return x
        """,
    )
    travels(project, module, 2)


def test_a_package_without_init_travels(project: Project) -> None:
    module = project.module(
        """
        import couler
        from space.tools import double
        import space.tools
        @couler.step
        def work(x: int) -> list: return [double(x), space.tools.double(x)]
        """,
        space__SLASH__tools="def double(x): return 2 * x",
    )
    travels(project, module, 2)


def test_imports_inside_the_function_bring_the_users_modules(project: Project) -> None:
    module = project.module(
        """
        import couler
        @couler.step
        def work(x: int) -> int:
            import json
            from tools import double
            import lazy.part
            return double(x) + lazy.part.ONE + json.loads("1")
        """,
        tools="def double(x): return 2 * x",
        lazy__SLASH____init__="",
        lazy__SLASH__part="ONE = 1",
    )
    travels(project, module, 2)


def test_relative_imports_inside_the_function_find_their_package(project: Project) -> None:
    project.write(
        pack__SLASH____init__="",
        pack__SLASH__tools="def double(x): return 2 * x",
        pack__SLASH__flow="""
        import couler
        from .tools import double as twice
        @couler.step
        def work(x: int) -> int:
            from .tools import double
            return double(x) + twice(x)
        """,
    )
    travels(project, project.load("pack.flow"), 2)


def test_imports_are_repeated_as_they_are_written(project: Project) -> None:
    module = project.module("""
        import couler
        import xml.etree.ElementTree
        import xml.dom.minidom
        import os.path as places
        import collections.abc
        from pathlib import Path
        from os import path
        from math import *
        from functools import reduce as fold
        from concurrent.futures import ThreadPoolExecutor
        try:
            import no_such_package_at_all as json
        except ImportError:
            import json
        @couler.step
        def work() -> list:
            tree = xml.etree.ElementTree.fromstring("<a><b/></a>")
            return [tree.tag, xml.dom.minidom.parseString("<q/>").documentElement.tagName, places.join("a", "b"),
                    Path("x").name, path.join("c", "d"), floor(2.5), fold(max, [1, 3, 2]), json.loads("[1]"),
                    issubclass(dict, collections.abc.Mapping), ThreadPoolExecutor.__name__]
    """)
    source = travels(project, module)
    assert "from pathlib import Path" in source
    assert "from concurrent.futures import ThreadPoolExecutor" in source


def test_decorators_of_couler_are_cut_and_those_of_others_kept(project: Project) -> None:
    module = project.module('''
        import functools
        import couler
        from couler import step as s
        gpu_step = couler.step(gpu=1)
        def loud(function):
            @functools.wraps(function)
            def inner(*args, **kwargs):
                return function(*args, **kwargs) + "!"
            return inner
        @functools.lru_cache(maxsize=None)
        def cached(x): return str(x)
        @couler.step(
            image="python:3.12",  # a comment (with a bracket
            packages=["a"],
        )
        @loud
        @loud
        def work(x: int) -> str:
            """Docs."""
            # a comment stays
            return cached(x) + other(x) + third(x)
        @s
        @functools.lru_cache
        def other(x): return f"other {x}"
        @gpu_step
        def third(x):
            return "third"
    ''')
    source = travels(project, module, 3)
    assert "couler" not in source
    assert "# a comment stays" in source
    assert source.count("@loud") == 2


def test_a_decorator_without_wraps_is_refused_instead_of_applied_twice(project: Project) -> None:
    module = project.module("""
        import couler
        def plus_one(function):
            def inner(x):
                return function(x) + 1
            return inner
        @couler.step
        @plus_one
        def work(x): return x
    """)
    assert refusal(module) == (
        "step 'inner' (flow.py:4), line 5: 'function' is a function below a decorator that does not use functools.wraps"
        "\n  hint: add @functools.wraps(function) to the function inside the decorator"
    )


def test_defaults_of_file_outputs_are_cut_and_other_defaults_stay(project: Project) -> None:
    module = project.module("""
        import couler
        BASE = 3
        MODEL = couler.out("m.bin")
        @couler.step
        def work(
            x: int = BASE * 2, model: couler.OutFile = couler.out(
                "mödel.pkl"
            ), *, log: couler.OutFile = MODEL, y: int = BASE,
        ) -> list:
            return [x, str(model), str(log), y]
    """)
    source = portable_source(module.work)
    assert "couler.out" not in source
    assert run_bare(source, "work", project.folder / "empty") == [6, "None", "None", 3]


def test_closures_over_plain_values_functions_and_modules_travel(project: Project) -> None:
    module = project.module("""
        import couler
        def make(n):
            import math as m
            def helper(x): return x + n
            @couler.step
            def work(x: int) -> float:
                def inner(y):
                    return helper(y) * n
                return inner(x) + m.floor(2.5)
            return work
        work = make(3)
        def maker(k):
            def scaled(x): return k * x
            return scaled
        triple = maker(3)
        fifth = maker(5)
        square = lambda x: x * x
        @couler.step
        def many(x: int) -> list:
            return [triple(x), fifth(x), square(x)]
    """)
    travels(project, module, 2)
    travels(project, module, 2, entry="many")


def test_text_inside_of_indented_functions_keeps_its_spaces(project: Project) -> None:
    module = project.module('''
        import couler
        def make():
            @couler.step(
                cpu=1
            )
            def work() -> str:
                return """first
                    second
        third"""
            return work
        work = make()
    ''')
    travels(project, module)


def test_annotations_are_never_evaluated(project: Project) -> None:
    module = project.module("""
        from __future__ import annotations
        import couler
        from typing import TYPE_CHECKING, Any
        if TYPE_CHECKING:
            import numpy as np
        def helper(x: np.ndarray) -> np.ndarray:
            y: np.ndarray = x
            return y
        class Holder:
            field: np.ndarray
            def get(self, x: "no.such.name") -> couler.InFile: return x
        @couler.step
        def work(x: Any) -> Any: return Holder().get(helper(x))
    """)
    travels(project, module, 1)


def test_scopes_inside_the_function_shadow_globals(project: Project) -> None:
    module = project.module("""
        import couler
        shadow = object()
        values = object()
        count = 10
        total = 0
        @couler.step
        def work(shadow: int) -> list:
            global total
            total += shadow
            values = [count := item for item in range(3)]
            def inner(total=total):
                nonlocal values
                values = values + [total]
                return {key: values for key in "ab"}
            match {"kind": "x", "rest": [1, 2]}:
                case {"kind": str(kind), "rest": [first, *others]}:
                    matched = [kind, first, others]
            try:
                raise KeyError("k")
            except KeyError as error:
                caught = error.args
            class Local:
                count = 5
                doubled = count * 2
            return [shadow, inner(), matched, list(caught), count, Local.doubled, (lambda shadow: shadow)(4)]
    """)
    source = portable_source(module.work)
    assert run_bare(source, "work", project.folder / "empty", 2) == [
        2, {"a": [0, 1, 2, 2], "b": [0, 1, 2, 2]}, ["x", 1, [2]], ["k"], 2, 10, 4,
    ]  # fmt: skip
    assert "object()" not in source


def test_names_and_text_in_any_script_travel(project: Project) -> None:
    module = project.module("""
        import couler
        größe = "ſ 🦊 {{x}} $(y)"
        def помощник(x): return x + größe
        @couler.step
        def work(名前: str) -> str: return помощник(名前)
    """)
    travels(project, module, "ü\\ \n'\"")


def test_async_functions_travel(project: Project) -> None:
    module = project.module("""
        import asyncio
        import couler
        async def helper(x):
            await asyncio.sleep(0)
            return x
        @couler.step
        async def work(x: int) -> int: return await helper(x) + 1
    """)
    assert run_bare(portable_source(module.work), "work", project.folder / "empty", 1) == 2


def test_the_source_is_the_same_in_every_process(project: Project) -> None:
    module = project.module("""
        import couler
        WORDS = {"one", "two", "three", "four"}
        @couler.step
        def work() -> list: return sorted(WORDS)
    """)
    assert "WORDS = {'four', 'one', 'three', 'two'}" in portable_source(module.work)


def test_what_a_step_served_before_is_not_seen_by_the_next(project: Project) -> None:
    module = project.module(
        """
        import couler, tools
        @couler.step
        def work() -> int: return tools.VALUE
        """,
        tools="VALUE = 1",
    )
    first = portable_source(module.work)
    second = first.replace("VALUE = 1", "VALUE = 2")
    both = "def load(text):\n    space = {'__name__': 's'}\n    exec(text, space)\n    return space['work']()\n"
    text = f"{both}\ndef main(): return [load({first!r}), load({second!r})]\n"
    assert run_bare(text, "main", project.folder / "empty") == [1, 2]


def refusal(module: object, entry: str = "work") -> str:
    with pytest.raises(DefinitionError) as caught:
        portable_source(getattr(module, entry))
    return str(caught.value)


REFUSALS = {
    "an unknown name": (
        "def helper(x):\n    return x + offest\noffset = 1\n@couler.step(\n    cpu=1\n)\ndef work(x):\n    y = 1\n"
        "    return helper(x)",
        "step 'work' (flow.py:5), line 10, in 'helper', line 3: the name 'offest' is not defined in flow"
        "\n  hint: did you mean 'offset'?",
    ),
    "a generator": (
        "@couler.step\ndef work():\n    yield 1",
        "step 'work' (flow.py:2): a generator has no result\n  hint: return a list, or write a file",
    ),
    "a lambda": (
        "work = couler.step(lambda x: x)",
        "step '<lambda>' (flow.py:2): a lambda has no source of its own\n  hint: define it with def",
    ),
    "an executed function": (
        "exec('def work(x):\\n    return x')",
        "step 'work' (<string>:1): the source of 'work' cannot be found, so it cannot travel to where the step runs"
        "\n  hint: define it in a file or a notebook cell, not in exec() or the interactive prompt",
    ),
    "a global that has no source": (
        "import threading\nLOCKS = [threading.Lock()]\nLOCK = LOCKS[0] if LOCKS else None\nfor held in LOCKS: pass\n"
        "@couler.step\ndef work():\n    return held.locked()",
        "step 'work' (flow.py:6), line 8: 'held' is a _thread.lock, which has no source that can travel with the step"
        "\n  hint: create it inside the function, or pass it as an input or a file",
    ),
    "a closure that has no source": (
        "import threading\ndef make():\n    lock = threading.Lock()\n    @couler.step\n    def work():\n"
        "        return lock.locked()\n    return work\nlock = threading.Lock()\nwork = make()",
        "step 'work' (flow.py:5), line 7: 'lock' is a _thread.lock, which has no source that can travel with the step"
        "\n  hint: create it inside the function, or pass it as an input or a file",
    ),
    "couler inside": (
        "@couler.step\ndef work():\n    return couler.secret('a', 'b')",
        "step 'work' (flow.py:2), line 4: couler is not installed where the step runs"
        "\n  hint: use couler outside of steps only",
    ),
    "couler imported inside": (
        "@couler.step\ndef work():\n    from couler import secret",
        "step 'work' (flow.py:2), line 4: couler is not installed where the step runs"
        "\n  hint: use couler outside of steps only",
    ),
    "a value of couler": (
        "LARGE = couler.Resources(cpu=2)\n@couler.step\ndef work():\n    return LARGE.cpu",
        "step 'work' (flow.py:3), line 5: couler's 'LARGE' is used inside the step, and couler is not installed where "
        "it runs\n  hint: steps receive values and return values; call other steps from the workflow function",
    ),
    "a value of the environment": (
        "import os\nTOKEN = os.environ.get('HOME', '')\n@couler.step\ndef work():\n    return TOKEN",
        "step 'work' (flow.py:4), line 6: 'TOKEN' is read from the environment of this machine, and would be written "
        'into the workflow\n  hint: read it inside the function, and give it with secrets={"TOKEN": '
        'couler.secret("name", "key")} or env=',
    ),
    "the place of the file": (
        "@couler.step\ndef work():\n    return __file__",
        "step 'work' (flow.py:2), line 4: '__file__' names a place on this machine, and the step runs elsewhere"
        "\n  hint: hand files over as inputs: couler.InFile",
    ),
    "a variable of the function around": (
        "def make():\n    n = 0\n    @couler.step\n    def work():\n        nonlocal n\n        n += 1\n"
        "        return n\n    return work\nwork = make()",
        "step 'work' (flow.py:4): it cannot stand by itself: no binding for nonlocal 'n' found"
        "\n  hint: a step has no variables of the function around it; take them as parameters",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_travel_is_refused_with_name_and_line(project: Project, case: str) -> None:
    text, message = REFUSALS[case]
    project.folder.joinpath("flow.py").write_text(f"import couler\n{text}\n")
    try:
        module = project.load()
    except DefinitionError as error:  # decorating it is refused already
        found = str(error)
    else:
        found = refusal(module)
    assert found == message


def test_a_name_with_two_meanings_is_refused(project: Project) -> None:
    module = project.module(
        """
        import couler
        from tools import helper
        LIMIT = 3
        @couler.step
        def work(): return LIMIT + helper()
        """,
        tools="LIMIT = 4\ndef helper():\n    return LIMIT",
    )
    assert refusal(module) == (
        "step 'work' (flow.py:5), line 6: the name 'LIMIT' means different things in the modules whose code "
        "travels with the step\n  hint: rename one of them"
    )


def test_couler_in_a_module_of_the_user_is_refused_with_its_line(project: Project) -> None:
    module = project.module(
        "import couler, tools\n@couler.step\ndef work(): return tools.f()",
        tools="import json\nimport couler\ndef f(): ...",
    )
    assert refusal(module).startswith(
        "step 'work' (flow.py:2), line 3: module 'tools', line 2: couler is not installed where the step runs"
        "\n  hint: take what the step uses by name, as in `from tools import function`"
    )


def test_a_method_is_refused(project: Project) -> None:
    module = project.module("""
        import couler
        class Trainer:
            @couler.step
            def train(self, x): return x
    """)
    with pytest.raises(Exception, match=r"step 'train' .*is a method, and an object cannot travel with the step"):
        module.Trainer().train(1)


def test_a_callable_object_is_refused_when_it_is_decorated(project: Project) -> None:
    import functools

    import couler

    with pytest.raises(DefinitionError, match=r"functools.partial\(.*\) is not a Python function"):
        couler.step(functools.partial(math.pow, 2))
    with pytest.raises(DefinitionError, match="<built-in function pow> is not a Python function"):
        couler.step(math.pow)


literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.complex_numbers(allow_nan=False)
    | st.text() | st.binary() | st.frozensets(st.integers() | st.text()) | st.sets(st.text() | st.integers()),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)  # fmt: skip


@given(literals)
def test_a_literal_reads_back_equal(value: object) -> None:
    assert is_literal(value)
    again = eval(literal(value))
    assert again == value
    assert type(again) is type(value)


def test_what_is_no_literal() -> None:
    class Text(str):
        __slots__ = ()

    circle: list[object] = []
    circle.append(circle)
    assert not any(map(is_literal, [Text("x"), object(), [object()], circle, Path("x")]))


numbers = itertools.count()


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(literals, min_size=1, max_size=5))
def test_constants_of_any_shape_travel(project: Project, constants: list[object]) -> None:
    names = [f"VALUE_{index}" for index in range(len(constants))]
    lines = [f"{name} = {literal(value)}" for name, value in zip(names, constants, strict=True)]
    text = "\n".join([*lines, f"def work(): return [str(type(item)) for item in [{', '.join(names)}]]"])
    module_name = f"flow_{next(numbers)}"
    project.write(**{module_name: text})
    travels(project, project.load(module_name))
