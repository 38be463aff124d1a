"""What an engine can take, what is rewritten for it, and what is refused with all reasons at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import couler
from couler import driver
from couler.backends import registry
from couler.backends.base import Declaration, Emitted
from couler.core import passes
from couler.core.errors import InvalidWorkflowError, MissingExtraError, NotFoundError, UnsupportedFeatureError
from couler.core.ir.features import FEATURES, features_of
from couler.core.ir.model import Workflow
from couler.driver.prepare import prepare


class FakeBackend:
    """A small engine that runs containers in order, and nothing else."""

    name = "fake"
    versions = ("1.0", "2.0")

    def declaration(self, version: str = "", options: Mapping[str, Any] = {}) -> Declaration:
        return Declaration(
            "fake", version or "2.0", frozenset({"container", "on_failure_stop"}),
            {"schedule": "drop_schedule", "cache": "drop_cache", "retry": "no_such_pass"},
            {"map": "it has no lists; use local"},
        )  # fmt: skip

    def compile(self, workflow: Workflow, version: str = "", options: Mapping[str, Any] = {}) -> Emitted:
        return Emitted({"plan.txt": "\n".join(step.name for step in workflow.steps)})

    def engine(self, options: Mapping[str, Any]) -> Any:
        raise MissingExtraError("running on fake", "fake")


@pytest.fixture(autouse=True)
def _fake_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine as another package brings it: by an entry point of an installed distribution."""
    installed = tmp_path / "fake_engine-1.0.dist-info"
    installed.mkdir()
    installed.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: fake-engine\nVersion: 1.0\n")
    installed.joinpath("entry_points.txt").write_text(f"[{registry.GROUP}]\nfake = {__name__}:FakeBackend\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@couler.step
def add(a: int, b: int = 1) -> int:
    return a + b


@couler.workflow
def maps() -> None:
    add.map([1, 2]).named("mapped")
    couler.run_container("a", ["b"])


@couler.workflow(schedule="0 3 * * *")
def nightly() -> None:
    couler.run_container("a", ["b"], cache=True)


def test_all_that_an_engine_lacks_is_listed_with_steps_and_engines_that_can() -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        couler.validate(maps, "fake")
    assert set(caught.value.features) == {"map", "function"}
    assert str(caught.value) == (
        "workflow 'maps' cannot run on fake@2.0, which lacks:\n"
        f"  - function: {FEATURES['function']}, used by mapped; engines that can: local, argo, airflow\n"
        f"  - map: {FEATURES['map']} (it has no lists; use local), used by mapped; "
        "engines that can: local, argo, airflow\n"
        "  hint: `couler engines` shows what each engine can do"
    )


def test_what_can_be_rewritten_is_rewritten_and_noted() -> None:
    compiled = couler.compile(nightly, "fake@1.0")
    assert compiled.target == "fake@1.0"
    assert compiled.text == "container"
    assert compiled.notes == (passes.LOWERINGS["drop_schedule"][1], passes.LOWERINGS["drop_cache"][1])
    assert compiled.workflow.schedule is None
    assert compiled.workflow.steps[0].cache is None


def test_a_feature_that_no_pass_takes_away_is_refused() -> None:
    @couler.workflow
    def retried() -> None:
        couler.run_container("a", ["b"], retry=2)

    with pytest.raises(UnsupportedFeatureError) as caught:
        couler.validate(retried, "fake")
    assert caught.value.features == ("retry",)


def test_broken_rules_come_before_the_engine() -> None:
    with pytest.raises(InvalidWorkflowError):
        prepare(Workflow(name=""), "fake", {})


def test_unknown_engines_and_versions_offer_the_near_one() -> None:
    with pytest.raises(NotFoundError) as engine:
        couler.validate(nightly, "fakke")
    assert str(engine.value) == "there is no engine 'fakke'\n  hint: did you mean 'fake'?"
    with pytest.raises(NotFoundError) as version:
        couler.validate(nightly, "fake@2.1")
    assert str(version.value) == "engine 'fake' has no version '2.1'\n  hint: did you mean '2.0'?"


def test_every_engine_says_how_it_stands_to_every_feature() -> None:
    found = {info.name: info for info in driver.engines()}
    assert set(found["fake"].features) == set(FEATURES)
    assert found["fake"].features["container"] == "native"
    assert found["fake"].features["map"] == "refused"
    assert found["local"].features["map"] == "native"


def test_an_engine_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "distant", ("a_package_that_is_not_installed:Engine", "distant"))
    with pytest.raises(MissingExtraError) as caught:
        registry.backend("distant")
    assert str(caught.value) == (
        "the engine 'distant' needs a package that is not installed\n  hint: pip install \"couler[distant]\""
    )
    info = next(info for info in driver.engines() if info.name == "distant")
    assert (info.installed, info.hint) == (False, 'pip install "couler[distant]"')


def test_the_local_engine_names_passes_that_exist_and_that_take_the_feature_away() -> None:
    declaration = registry.backend("local")[0].declaration()
    assert set(declaration.lowered.values()) <= set(passes.LOWERINGS)
    assert set(declaration.lowered) | set(declaration.native) | set(declaration.reasons) >= set(FEATURES)

    @couler.workflow(schedule="0 3 * * *", service_account="bot", engine_options={"argo": {}})
    def everything() -> None:
        add(1).with_(
            resources={"node_selector": {"a": "b"}, "priority": "high"}, cache=True, engine_options={"argo": {"x": 1}}
        )

    lowered = prepare(everything.build(), "local", {})
    kept = {feature for feature in features_of(lowered.workflow) if declaration.support(feature) == "lowered"}
    assert kept == set()


# --- plans and parameters --------------------------------------------------------------------------------------


def test_a_plan_says_what_would_run_and_why() -> None:
    @couler.workflow
    def planned(x: int, bound: int = 3) -> None:
        first = add(x).with_(retry=2)
        many = add.map([1, 2, 3], b=first, parallelism=2)
        with couler.when(first > bound):
            add(2).after(many).named("later")
        couler.loop(add, 1, until=lambda out: out > 5, max_iterations=4)
        couler.suspend()
        with couler.on_exit("failure"):
            add(9).named("clean")

    plan = couler.plan(planned, {"x": 4})
    assert (plan.workflow, plan.engine, plan.parameters) == ("planned", "local", {"x": 4, "bound": 3})
    rows = {row.step: (row.action, row.reason) for row in plan.rows}
    assert rows["add"] == ("run", "nothing to wait for; up to 3 attempts")
    assert rows["add-2"] == ("map", "once per a (3 items), 2 at a time; after add")
    assert rows["later"][0] == "run if"
    assert rows["later"][1].endswith("after add, add-2") or rows["later"][1].endswith("after add-2, add")
    assert rows["add-3"][0] == "loop"
    assert "at most 4 times" in rows["add-3"][1]
    assert rows["suspend"][0] == "wait"
    assert rows["clean"] == ("at exit", "if the run fails")


def test_all_wrong_parameters_are_told_at_once() -> None:
    @couler.workflow
    def many(rate: float, names: list[str], kind: str = couler.param("a", choices=["a", "b"]), seed: int = 1) -> None:
        add(1)

    with pytest.raises(couler.CoulerError) as caught:
        couler.plan(many, {"rate": "fast", "kind": "c", "sead": 3, "seed": float("nan")})
    assert str(caught.value) == (
        "workflow 'many' cannot start:\n"
        "  - unknown parameter 'sead'; did you mean 'seed'?\n"
        "  - parameter 'rate': expected float, got str 'fast'\n"
        "  - parameter 'names' (list[str]) has no value and no default\n"
        "  - parameter 'kind': 'c' is not one of 'a', 'b'\n"
        "  - parameter 'seed': nan is not JSON; use None for a missing number\n"
        "  hint: give values as -p rate=… on the command line, or as rate=… in Python"
    )
