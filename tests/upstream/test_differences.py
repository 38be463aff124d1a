"""The table of differences tells the truth: every refusal is an error, every notice a warning, and the docs show all.

python tests/upstream/test_differences.py    # writes the table into the docs
"""

import os
import re
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import couler.argo as couler
from couler.argo_submitter import ArgoSubmitter
from couler.core.errors import DefinitionError
from couler.core.ir import model as ir
from couler.core.templates.volume_claim import VolumeClaimTemplate
from couler.core.upstream.differences import DIFFERENCES, UpstreamNotice, as_markdown, notice
from couler.core.upstream.settings import CLUSTER_CONFIG

PAGE = Path(__file__).resolve().parents[2] / "docs" / "moving-from-upstream.md"
BEGIN, END = "<!-- the table of differences begins -->\n", "<!-- the table of differences ends -->"
JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}


def work(name: str = "work", **keywords: Any) -> Any:
    return couler.run_container(image="a", command=["echo"], step_name=name, **keywords)


def job(**keywords: Any) -> Any:
    return couler.run_job(JOB, "status.succeeded > 0", None, **keywords)


def written() -> Any:
    return work("written", output=couler.create_parameter_artifact("x"))


def same_name() -> None:
    couler.set_dependencies(lambda: work("A", args=["one"]))
    couler.set_dependencies(lambda: work("A", args=["two"]))


def cluster_config_by_environment() -> None:
    os.environ[CLUSTER_CONFIG] = "cluster.py"
    try:
        couler.run(engine="local")
    finally:
        del os.environ[CLUSTER_CONFIG]


REFUSED: dict[str, list[Callable[[], Any]]] = {
    "secret-values": [
        lambda: couler.create_secret({"token": "x"}, name="store"),
        lambda: couler.create_secret({"token": "x"}),
        lambda: couler.Secret("default", {"token": "x"}, name="store"),
    ],
    "secret-name": [lambda: couler.obtain_secret(["token"])],
    "unknown-secret": [lambda: work(secret="store")],
    "artifact-keys": [
        lambda: couler.create_s3_artifact("/a", "b", "id", "word", "key"),  # type: ignore[arg-type]
        lambda: couler.create_oss_artifact("/a", "b", key="c", accesskey_secret="word"),  # type: ignore[arg-type]
    ],
    "artifact-address": [
        lambda: couler.create_s3_artifact("/a", bucket="b"),
        lambda: couler.create_oss_artifact("/a", key="k"),
    ],
    "local-artifact-input": [lambda: work(input=couler.create_local_artifact("/a"))],
    "input-value": [lambda: work(input=written()), lambda: work(input="/a")],
    "cluster-config": [
        lambda: couler.config_workflow(cluster_config_file="cluster.py"), cluster_config_by_environment,
    ],
    "canned-step": [lambda: couler.run_canned_step("name", {}), lambda: couler.run_canned_step("n", {}, step_name="s")],
    "client-configuration": [
        lambda: ArgoSubmitter(client_configuration=object()),
        lambda: couler.delete("x", client_configuration=object()),
    ],
    "job-env-output": [lambda: job(env={"A": written()})],
    "job-action": [lambda: job(action="replace")],
    "resource": [lambda: work(resources={"fpga": 1})],
    "env-secrets": [lambda: work(env={"secrets": ["token"]})],
    "same-name": [same_name],
    "access-modes": [
        lambda: couler.create_workflow_volume(VolumeClaimTemplate("v", ["ReadWriteOnce", "ReadOnlyMany"], "1Gi"))
    ],
    "map-lengths": [lambda: couler.map(lambda a, b: work(args=[a, b]), [1, 2], [1])],
    "argo-tags": [
        lambda: work(args=["{{workflow.creationTimestamp}}"]),
        lambda: work(args=["one", "{{inputs.parameters.para-work-7}}"]),
        lambda: work(env={"A": "{{=1 + 1}}"}),
        lambda: couler.run_container(image="a", command=["{{ tasks.a.ip }}"]),
        lambda: couler.run_script(image="a", source="print('{{workflow.name}}')"),
    ],
    "retry": [lambda: work(retry="3"), lambda: work(retry=-1), lambda: work(retry=True)],
}  # fmt: skip


def both_handlers() -> None:
    work()
    couler.set_exit_handler(couler.WFStatus.Failed, lambda: work("one"))
    couler.set_exit_handler(couler.WFStatus.Error, lambda: work("two"))


def job_after_outputs() -> None:
    couler.set_dependencies(written)
    couler.set_dependencies(lambda: job(env={"A": "b"}), dependencies=["written"])


NOTICED: dict[str, list[Callable[[], Any]]] = {
    "secret-namespace": [lambda: couler.obtain_secret(["token"], namespace="other", name="store")],
    "job-inferred-outputs": [job_after_outputs],
    "pool": [lambda: work(pool="big"), lambda: work(enable_ulogfs=False), lambda: job(pool="big")],
    "leaf-parallelism": [lambda: work(parallelism=3)],
    "error-handler": [both_handlers],
    "cron-timezone": [lambda: couler.config_workflow(cron_config={"schedule": "0 3 * * *"})],
    "toleration": [lambda: couler.add_toleration(couler.Toleration("key", "<effect>", "Exists"))],
}


def rows(kind: str) -> set[str]:
    return {name for name, row in DIFFERENCES.items() if row.kind == kind}


def test_every_refused_row_and_every_notice_has_a_test() -> None:
    assert set(REFUSED) == rows("refused")
    assert set(NOTICED) == rows("notice")


def plain(text: str) -> str:
    return re.escape(text.replace("`", ""))


@pytest.mark.parametrize(("name", "program"), [(name, case) for name, cases in REFUSED.items() for case in cases])
def test_what_is_refused_says_why_and_what_to_write(name: str, program: Callable[[], Any]) -> None:
    with pytest.raises(DefinitionError, match=plain(DIFFERENCES[name].here)) as refused:
        program()
    assert refused.value.hint
    assert "{name}" not in refused.value.hint


@pytest.mark.parametrize(("name", "program"), [(name, case) for name, cases in NOTICED.items() for case in cases])
def test_a_notice_points_at_the_users_line(name: str, program: Callable[[], Any]) -> None:
    with pytest.warns(UpstreamNotice, match=plain(DIFFERENCES[name].here)) as warned:
        program()
    assert [Path(item.filename) for item in warned] == [Path(__file__)]


def test_a_toleration_that_kubernetes_does_not_know_goes_to_argo() -> None:
    for toleration in (
        couler.Toleration("a", "<effect>", "Exists"),
        couler.Toleration("b", "NoSchedule", "<operator>"),
    ):
        with pytest.warns(UpstreamNotice):
            couler.add_toleration(toleration)
    found: list[ir.Workflow] = []

    class Keeper:
        def submit(self, workflow: ir.Workflow) -> None:
            found.append(workflow)

    work()
    couler.run(Keeper)
    assert found[0].engine_options["argo"]["tolerations"] == (
        {"key": "a", "operator": "Exists", "effect": "<effect>"},
        {"key": "b", "operator": "<operator>", "effect": "NoSchedule"},
    )


def test_a_notice_in_a_thread_without_a_line_of_the_user_is_given_too() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=notice, args=("pool", "here"))
        thread.start()
        thread.join()
    assert [item.category for item in caught] == [UpstreamNotice]


def page_with_table() -> str:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}{as_markdown()}{END}{rest.split(END)[1]}"


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with_table(), f"run python {__file__}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(), encoding="utf-8")
