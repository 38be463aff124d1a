"""GPUs: each is one attempt's alone while it runs."""

from __future__ import annotations

import pytest

from couler.backends.local.admission import Capacity, Share, check, machine_share
from couler.backends.local.backend import LocalBackend
from couler.core.errors import ResourceError
from couler.core.ir.graph import walk
from couler.core.ir.model import Constant, ForEach, Resources, SecretRef, SecretUse
from tests.local.conftest import flow, function, out, script

SEEN = "import os\ndef f(x=0):\n    return os.environ.get('CUDA_VISIBLE_DEVICES')\n"
MEET = """
    import os, time
    def f(folder):
        mine = os.environ["CUDA_VISIBLE_DEVICES"]
        open(os.path.join(folder, mine), "x").close()
        while len(os.listdir(folder)) < 2:  # both run at the same time
            time.sleep(0.01)
        return mine
"""
ONE_GPU = Resources(gpu=1)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("0,1", ("0", "1")), ("GPU-a, GPU-b", ("GPU-a", "GPU-b")), ("", ()), ("-1", ()), ("2,-1,3", ("2",))],
)
def test_the_visible_devices_are_those_of_the_environment(monkeypatch, visible, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine_share(1, 1).devices == expected


def test_a_device_is_nobody_elses_until_it_is_given_back():
    capacity = Capacity(Share(4, 0, 2, ("a", "b")))
    first, second = capacity.take(Share(1, 0, 1)), capacity.take(Share(1, 0, 1))
    assert (first.devices, second.devices) == (("a",), ("b",))
    assert not capacity.fits(Share(1, 0, 1))
    capacity.give_back(first)
    assert capacity.take(Share(1, 0, 1)).devices == ("a",)


def test_two_steps_at_a_time_see_different_devices(make, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    folder = tmp_path / "met"
    folder.mkdir()
    engine = make(cpu=2)
    steps = [function(name, MEET, {"folder": str(folder)}, resources=ONE_GPU, timeout=20) for name in "ab"]
    run_id = engine.start(flow(*steps), {})
    assert engine.execute(run_id) == "succeeded"
    assert {engine.store.step(run_id, name).outputs["result"] for name in "ab"} == {"4", "7"}


def test_a_step_of_one_gpu_sees_one_and_others_what_was_visible(run, make, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    mapped = function(
        "m", SEEN, {"x": 1}, resources=ONE_GPU, foreach=ForEach(lists={"item": Constant(value=[1, 2, 3])})
    )
    both = script("both", 'printf "$CUDA_VISIBLE_DEVICES"', resources=Resources(gpu=2))
    result = run(
        flow(mapped, both, function("none", SEEN), outputs={name: out(name) for name in ("m", "both", "none")}),
        on=make(cpu=2),
    )
    assert set(result.outputs.pop("m")) <= {"0", "1"}
    assert result.outputs == {"both": "0,1", "none": "0,1"}


def test_a_process_that_had_a_gpu_takes_no_other_step(run, make, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    source = "import os\ndef f(x=0):\n    return os.getpid()\n"
    steps = [
        function("a", source),
        function("b", source, {"x": out("a")}, resources=ONE_GPU),
        function("c", source, {"x": out("b")}),
    ]
    outputs = run(flow(*steps, outputs={name: out(name) for name in "abc"}), on=make(cpu=1)).outputs
    assert len(set(outputs.values())) == 3


def test_a_device_is_given_back_when_the_step_cannot_start(run, make, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    use = SecretUse(secret=SecretRef(name="no", key="such"), env="X")
    steps = [
        function("a", SEEN, resources=ONE_GPU, secrets=(use,), allow_failure=True),
        function("b", SEEN, resources=ONE_GPU),
    ]
    assert run(flow(*steps), on=make(cpu=1)).statuses == {"a": "failed", "b": "succeeded"}


def test_a_machine_without_the_gpus_refuses_before_the_start(make, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ResourceError) as caught:
        make().start(flow(function("a", SEEN, resources=ONE_GPU)), {})
    assert caught.value.message == "step 'a' asks for 1 gpu, and this machine has 0"


def test_gpus_of_other_makers_are_refused():
    step = function("a", SEEN, resources=Resources(gpu=1, gpu_kind="amd.com/gpu"))
    with pytest.raises(ResourceError) as caught:
        check(walk(flow(step)), Share(1, 0, 1, ("0",)))
    assert caught.value.message == "step 'a' asks for 1 amd.com/gpu, and only NVIDIA's are handed out here"


def test_gpus_are_native():
    assert LocalBackend().declaration().support("gpu") == "native"
