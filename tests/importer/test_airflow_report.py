"""What of a DAG file couler cannot say, and what it says about it; and that the file is never executed."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from random import Random

import pytest

from couler import driver
from couler.backends.airflow.importer import CODES, Imported, import_dags, summary, told, written
from couler.cli.main import main
from couler.core.errors import TextFormError
from couler.core.ir import model as ir
from couler.core.ir.validate import problems
from couler.driver import load_workflow
from tests.core.render.executed import executed

HEAD = """
from datetime import datetime, timedelta
from airflow import DAG
from airflow.decorators import task
from airflow.operators.bash import BashOperator
from airflow.operators.python import PythonOperator
"""


def imported(body: str, arguments: str = "") -> Imported:
    """A DAG with some lines in it."""
    inner = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    found = import_dags(f"{HEAD}with DAG('d'{arguments}) as dag:\n{inner or '    pass'}")
    assert [problems(one) for one in found.workflows] == [()]
    assert len(executed(written(found))) == 1
    return found


def losses(found: Imported) -> list[tuple[str, str]]:
    return [(one.code, one.detail) for one in found.report if one.outcome == "loss"]


def the_step(found: Imported, name: str = "t") -> ir.Step:
    return next(one for one in found.workflows[0].steps if one.name == name)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("FileSensor(task_id='t', filepath='/x')", ("AIRFLOW012", "FileSensor")),
        ("SparkSubmitOperator(task_id='t', application='x')", ("AIRFLOW011", "SparkSubmitOperator")),
        ("TriggerDagRunOperator(task_id='t', trigger_dag_id='other')", ("AIRFLOW013", "other")),
        ("PythonOperator(task_id='t', python_callable=build())", ("AIRFLOW042", "build()")),
        ("task(lambda x: x, task_id='t').expand(x=made_elsewhere())", ("AIRFLOW025", "made_elsewhere()")),
        ("BashOperator(task_id='t', bash_command=build())", ("AIRFLOW070", "build()")),
    ],
)
def test_a_step_that_says_so_stands_for_what_couler_lacks(body: str, expected: tuple[str, str]) -> None:
    found = imported(
        "from airflow.providers.any import FileSensor, SparkSubmitOperator, TriggerDagRunOperator\n"
        "from shop import elsewhere, build, made_elsewhere\n"
        + body
        + " >> BashOperator(task_id='next', bash_command='x')"
        if "expand" not in body
        else "from shop import made_elsewhere\n" + body
    )
    assert expected in losses(found)
    task = the_step(found).task
    assert isinstance(task, ir.FunctionTask)
    assert "raise NotImplementedError" in task.source


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (", schedule='@once'", "AIRFLOW051"),
        (", schedule=[Asset('x')]", "AIRFLOW051"),
        (", schedule=timedelta(minutes=7)", "AIRFLOW051"),
        (", on_failure_callback=tell", "AIRFLOW061"),
        (", catchup=True", "AIRFLOW061"),
        (", params={'n': load()}", "AIRFLOW070"),
    ],
)
def test_what_a_dag_says_that_couler_cannot(arguments: str, code: str) -> None:
    assert code in [one for one, _ in losses(imported("", arguments))]


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [
        ("'5 4 * * 1-5'", ("5 4 * * 1-5",)),
        ("'@weekly'", ("0 0 * * 0",)),
        ("timedelta(minutes=15)", ("*/15 * * * *",)),
        ("timedelta(hours=6)", ("0 */6 * * *",)),
        ("CronTriggerTimetable('0 1 * * *', timezone='Asia/Tokyo')", ("0 1 * * *",)),
        ("MultipleCronTriggerTimetable('0 1 * * *', '0 2 * * *', timezone='Asia/Tokyo')", ("0 1 * * *", "0 2 * * *")),
    ],
)
def test_schedules(schedule: str, cron: tuple[str, ...]) -> None:
    lines = "from airflow.timetables.trigger import CronTriggerTimetable, MultipleCronTriggerTimetable\n"
    found = import_dags(f"{HEAD}{lines}dag = DAG('d', schedule={schedule})")
    [workflow] = found.workflows
    assert workflow.schedule is not None
    assert workflow.schedule.cron == cron
    assert workflow.schedule.timezone == ("Asia/Tokyo" if "Tokyo" in schedule else "UTC")


def test_what_only_airflow_knows_is_a_parameter() -> None:
    found = imported("BashOperator(task_id='t', bash_command='echo {{ ds }} {{ macros.ds_add(ds, 7) }}')")
    assert [code for code, _ in losses(found)] == ["AIRFLOW031", "AIRFLOW031"]
    assert [one.name for one in found.workflows[0].parameters] == ["ds", "macros_ds_add_ds_7"]
    assert found.workflows[0].parameters[0].default == ir.Constant(value="{{ ds }}")


def test_variables_and_connections_are_secrets() -> None:
    found = imported(
        "BashOperator(task_id='t', bash_command='curl {{ conn.shop.password }}', env={'KEY': '{{ var.value.key }}'})"
    )
    assert losses(found) == []
    assert the_step(found).secrets == (
        ir.SecretUse(secret=ir.SecretRef(name="airflow-variables", key="key"), env="KEY"),
        ir.SecretUse(secret=ir.SecretRef(name="airflow-connection-shop", key="password"), env="PASSWORD"),
    )


def test_a_variable_in_a_function_is_a_secret() -> None:
    found = imported(
        "from airflow.models import Variable\n@task\ndef t():\n    return len(Variable.get('api_token'))\nt()"
    )
    task = the_step(found).task
    assert isinstance(task, ir.FunctionTask)
    assert 'os.environ["API_TOKEN"]' in task.source
    assert the_step(found).secrets[0].secret == ir.SecretRef(name="airflow-variables", key="api_token")


def test_functions_that_need_the_context_or_airflow_are_told() -> None:
    trying = imported("@task\ndef t(ti=None):\n    return ti.try_number\nt()")
    assert losses(trying) == [("AIRFLOW040", "ti in t")]
    asking = imported(
        "@task\ndef t():\n    from airflow.sdk import get_current_context\n    get_current_context()\nt()"
    )
    assert losses(asking) == [("AIRFLOW041", "from airflow.sdk import get_current_context")]


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("def f(**given):\n    return [given['a'], given.get('b')]", "python_callable=f, op_kwargs={'a': 1, 'b': 2}"),
        ("def f(a, b):\n    return [a, b]", "python_callable=partial(f, 1), op_kwargs={'b': 2}"),
        ("async def f(a, b=2):\n    return [a, b]", "python_callable=f, op_args=[1]"),
    ],
)
def test_functions_get_their_arguments(function: str, call: str, tmp_path: Path) -> None:
    found = imported(f"from functools import partial\n{function}\nPythonOperator(task_id='t', {call})")
    assert losses(found) == []
    run = driver.run(found.workflows[0], root=tmp_path / ".couler")
    assert run.steps["t"].outputs == {"result": [1, 2]}


def test_a_function_of_another_module_is_called_where_the_step_runs(tmp_path: Path) -> None:
    call = "PythonOperator(task_id='t', python_callable=json.dumps, op_args=[[1]], op_kwargs={'indent': 1})"
    found = imported(f"import json\n{call}")
    assert losses(found) == []
    run = driver.run(found.workflows[0], root=tmp_path / ".couler")
    assert run.steps["t"].outputs == {"result": "[\n 1\n]"}


@pytest.mark.parametrize("given", ["ti", "**context"])
def test_what_a_function_pushes_is_part_of_its_result(given: str, tmp_path: Path) -> None:
    handle = 'context["ti"]' if given == "**context" else "ti"
    body = f"""
def count(word, {given}):
    {handle}.xcom_push(key="letters", value=len(word))
    return word.upper()
def tell(ti):
    return [ti.xcom_pull(task_ids="count", key="letters"), ti.xcom_pull(task_ids="count")]
counted = PythonOperator(task_id="count", python_callable=count, op_args=["word"])
said = BashOperator(task_id="said", bash_command="echo {{{{ ti.xcom_pull(task_ids='count', key='letters') }}}}")
counted >> [PythonOperator(task_id="tell", python_callable=tell), said]
"""
    found = imported(body)
    assert losses(found) == []
    [program] = executed(written(found))
    run = driver.run(program, root=tmp_path / ".couler")
    assert run.steps["tell"].outputs == {"result": [4, "WORD"]}
    assert run.steps["said"].outputs == {"result": "4"}


@pytest.mark.parametrize(
    ("command", "variable"),
    [("echo {{ params.n }}", True), ('echo "{{ params.n }}"', True), ("echo '{{ params.n }}'", False)],
)
def test_values_are_variables_of_a_script_where_a_shell_would_read_them(command: str, variable: bool) -> None:
    found = imported(f"BashOperator(task_id='t', bash_command={command!r})", ", params={'n': 1}")
    step = the_step(found)
    assert isinstance(step.task, ir.ScriptTask)
    assert bool(step.env) is variable
    assert ("${N}" in step.task.source) is variable


def test_a_variable_read_where_the_file_is_loaded_is_a_secret_too() -> None:
    body = "from airflow.models import Variable\nkey = Variable.get('key')\n"
    found = imported(body + "BashOperator(task_id='t', bash_command=f'login {key}')")
    assert losses(found) == []
    assert the_step(found).secrets == (
        ir.SecretUse(secret=ir.SecretRef(name="airflow-variables", key="key"), env="KEY"),
    )
    used = imported(body + "@task\ndef t():\n    return key\nt()")
    assert losses(used) == [("AIRFLOW042", "'key' is a variable of Airflow: read it inside of the function")]


@pytest.mark.parametrize(
    ("body", "loss"),
    [
        (
            "BashOperator(task_id='t', bash_command='exit 99')",
            "exit 99, which skips the task there and fails the step here",
        ),
        ("@task.run_if(lambda context: True)\n@task\ndef t(): pass\nt()", "@task.run_if"),
        ("BashOperator(task_id='t', bash_command='x', depends_on_past=True)", "depends_on_past=True"),
    ],
)
def test_what_a_task_says_that_couler_cannot(body: str, loss: str) -> None:
    found = imported(body)
    assert losses(found) == [("AIRFLOW061", loss)]
    assert [one.name for one in found.workflows[0].steps] == ["t"]


def test_what_a_pod_says_that_couler_cannot() -> None:
    body = """
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.secret import Secret
from kubernetes.client import models as k8s
KubernetesPodOperator(
    task_id="t",
    image="alpine:3.20",
    secrets=[Secret("volume", "/s", "store")],
    affinity=k8s.V1Affinity(),
    env_vars=[k8s.V1EnvVar(name="A", value_from=k8s.V1EnvVarSource())],
    container_resources=k8s.V1ResourceRequirements(requests={"cpu": 1}, limits={"cpu": 2}),
    volume_mounts=[k8s.V1VolumeMount(name="v", mount_path="/v")],
)
KubernetesPodOperator(task_id="other", image=f"shop:{tag()}")
"""
    found = losses(imported(body))
    assert [detail.partition(" ")[0] for code, detail in found if code == "AIRFLOW061"] == [
        "secrets", "volume_mounts", "env_vars", "limits", "affinity",
    ]  # fmt: skip
    assert ("AIRFLOW070", "image=f'shop:{tag()}'") in found


def test_how_a_dag_renders_templates_and_takes_failures() -> None:
    call = "PythonOperator(task_id='t', python_callable=lambda n: n, op_args=['{{ params.n }}'])"
    texts = imported(call, ", params={'n': 1}")
    native = imported(call, ", params={'n': 1}, render_template_as_native_obj=True, fail_fast=True")
    n = ir.ParameterRef(name="n")
    assert [the_step(one).inputs[0].value for one in (texts, native)] == [ir.Concat(parts=(n,)), n]
    assert [one.workflows[0].on_failure for one in (texts, native)] == ["continue", "stop"]


def test_a_task_made_before_its_dag_belongs_to_what_it_is_linked_with() -> None:
    first = "a = BashOperator(task_id='a', bash_command='x')\n"
    then = "with DAG('d'):\n    a >> BashOperator(task_id='b', bash_command='x')"
    [workflow] = import_dags(HEAD + first + then).workflows
    assert [(one.name, one.after) for one in workflow.steps] == [("a", ()), ("b", ("a",))]


def test_a_branch_inside_a_mapped_group_decides_inside_of_it(tmp_path: Path) -> None:
    body = """
from airflow.decorators import task_group
@task.branch
def choose(n):
    return "each.odd" if n % 2 else "each.even"
@task
def odd(n):
    return n
@task
def even(n):
    return n
@task_group
def each(n):
    choose(n) >> [odd(n), even(n)]
each.expand(n=[1, 2])
"""
    found = imported(body)
    run = driver.run(found.workflows[0], root=tmp_path / ".couler")
    assert [run.steps[f"each[0]/{name}"].status for name in ("odd", "even")] == ["succeeded", "skipped"]
    assert [run.steps[f"each[1]/{name}"].status for name in ("odd", "even")] == ["skipped", "succeeded"]


def test_statements_whose_course_is_not_known_are_told() -> None:
    found = imported("for name in load():\n    BashOperator(task_id=name, bash_command='x')")
    assert losses(found) == [("AIRFLOW071", "for name in load():")]
    assert found.workflows[0].steps == ()


def test_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", "real")
    found = imported("import os\nBashOperator(task_id='t', bash_command='echo ' + os.environ.get('SHOP', 'none'))")
    task = the_step(found).task
    assert isinstance(task, ir.ScriptTask)
    assert task.source == "echo none"
    assert [code for code, _ in losses(found)] == ["AIRFLOW072"]


def test_a_file_is_never_executed(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    import_dags(f"{HEAD}open({str(mark)!r}, 'w').write('x')\n__import__('os').mkdir({str(mark)!r})\nDAG('d')")
    assert not mark.exists()


@pytest.mark.parametrize(
    "line",
    [
        "x = 'a' * 10 ** 10",
        "x = [0] * 99999999999",
        "x = '%99999999999d' % 1",
        "x = f'{1:99999999999}'",
        "x = list(range(10 ** 12))",
        "def f(): return f()\nx = f()",
        "x = [y for y in range(9999) for z in range(9999)]",
        "x = {**1}\ny = [1][5]\nz = 1 / 0\nw = undefined.a.b(1)[2] >> 3",
        "while True:\n    pass",
        "match 1:\n    case 1:\n        pass",
        "async def f():\n    async with f() as x:\n        pass",
        "class A(metaclass=B): x: int = 1",
        "lambda: (yield)",
        "with open('x') as f, f.g() as (a, b):\n    pass",
        "global x\ndel x\nassert 0\nraise ValueError",
        "break",
        "return_ = (lambda *a, **k: k)(1, *2, **3)",
    ],
)
def test_strange_files_do_no_harm(line: str) -> None:
    assert len(import_dags(f"{HEAD}DAG('d')\n{line}\n").workflows) == 1


@pytest.mark.parametrize("seed", range(8))
def test_broken_files_are_read_or_refused(seed: int) -> None:
    random = Random(seed)
    for file in sorted((Path(__file__).parent / "dags").glob("*.py")):
        text = file.read_text(encoding="utf-8")
        words = list(re.finditer(r"\w+|[^\w\s]", text))
        gone, instead = random.choice(words), random.choice([*words, None])
        changed = text[: gone.start()] + ("" if instead is None else instead[0]) + text[gone.end() :]
        with contextlib.suppress(TextFormError):
            written(import_dags(changed))


def test_several_dags_are_several_workflows_or_one_by_name() -> None:
    text = f"{HEAD}for name in ('one', 'two'):\n    with DAG(f'shop_{{name}}'): pass\n"
    assert [one.name for one in import_dags(text).workflows] == ["shop_one", "shop_two"]
    assert [one.name for one in import_dags(text, name="shop_two").workflows] == ["shop_two"]
    with pytest.raises(TextFormError, match="no DAG 'three', but 'shop_one', 'shop_two'"):
        import_dags(text, name="three")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "holds no DAG of Airflow"),
        ("def (", "is no Python"),
        ("from airflow.sdk import dag\n@dag\ndef f(): pass", "'f' is decorated with @dag and never called"),
    ],
)
def test_a_file_without_a_dag_is_an_error(text: str, message: str) -> None:
    with pytest.raises(TextFormError, match=message):
        import_dags(text)


def test_the_report_says_where_what_why_and_what_to_do() -> None:
    found = imported("LatestOnlyOperator = 1\nFileSensor(task_id='t')")
    [line] = [one for one in told(found.report).splitlines() if "AIRFLOW012" in one]
    assert line == (
        "AIRFLOW012 loss: sensor FileSensor at dag.py:9: couler does not wait for things outside; a step that fails "
        "and says so stands for it; wait in the function of that step, or start the workflow when the thing is there"
    )
    assert told(found.report).endswith("2 translated, 0 carried, 1 loss")
    assert summary(found.report)["loss"] == 1
    assert all(one.advice for one in CODES.values() if one.outcome == "loss")


def test_the_page_lists_every_code() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
    rows = [f"| {code} | {' | '.join(about)} |" for code, about in CODES.items()]
    assert [line for line in page.splitlines() if line.startswith("| AIRFLOW")] == rows


# --- the command


def called(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["import", *words])
    return int(ended.value.code or 0)


def test_the_command_reads_dag_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = str(Path(__file__).parent / "dags" / "orders.py")
    assert called(orders, "-o", str(tmp_path / "orders.py")) == 0
    assert load_workflow(tmp_path / "orders.py").name == "orders"
    assert capsys.readouterr().err.splitlines()[-1].endswith("1 carried, 0 loss")
    assert called(orders, "--to", "ir") == 0
    assert "apiVersion: couler/v1" in capsys.readouterr().out
    assert called(orders, "--to", "argo") == 2
    assert called(orders, orders) == 2
    assert called(orders, "--name", "other") != 0
    assert "holds no DAG 'other', but 'orders'" in capsys.readouterr().err


def test_the_file_is_executed_when_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shop.py").write_text("def names():\n    return ['north', 'south']\n", encoding="utf-8")
    (tmp_path / "airflow.py").write_text("class DAG:\n    def __init__(self, name): pass\n", encoding="utf-8")
    file = tmp_path / "sales.py"
    file.write_text(
        "from airflow import DAG\nfrom shop import names\nfor name in names():\n    DAG(f'sales_{name}')\n",
        encoding="utf-8",
    )
    assert called(str(file)) != 0
    assert "holds no DAG" in capsys.readouterr().err
    assert called(str(file), "--execute", sys.executable, "--name", "sales_south", "--to", "ir") == 0
    assert "sales_south" in capsys.readouterr().out
    (tmp_path / "shop.py").write_text("raise OSError('no shop')", encoding="utf-8")
    assert called(str(file), "--execute", sys.executable) != 0
    assert "no shop" in capsys.readouterr().err
