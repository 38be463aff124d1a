"""How much of the machine is free, and which work fits into it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from couler.backends.local.retrying import size
from couler.core.errors import ResourceError
from couler.core.ir.model import Step

_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the machine: cores, bytes of memory, GPUs.

    Attributes:
        devices: Ids of GPUs, as ``CUDA_VISIBLE_DEVICES`` has them: of the machine, or those that an attempt was given.
    """

    cpu: float
    memory: int = 0
    gpu: int = 0
    devices: tuple[str, ...] = ()


class Capacity:
    """The machine and what is taken of it."""

    def __init__(self, total: Share) -> None:
        self.total = total
        self.cpu = total.cpu
        self.memory = total.memory
        self.gpu = total.gpu
        self.devices = list(total.devices)

    def fits(self, share: Share) -> bool:
        """Whether so much is free."""
        return share.cpu <= self.cpu + 1e-9 and share.memory <= self.memory and share.gpu <= self.gpu

    def take(self, share: Share) -> Share:
        """Take a share; the one returned names the GPUs, which nobody else has until they are given back."""
        self.cpu -= share.cpu
        self.memory -= share.memory
        if not share.gpu:
            return share
        self.gpu -= share.gpu
        given = tuple(self.devices[: share.gpu])
        del self.devices[: share.gpu]
        return replace(share, devices=given)

    def give_back(self, share: Share) -> None:
        """Give a share back."""
        self.cpu += share.cpu
        self.memory += share.memory
        self.gpu += share.gpu
        self.devices += share.devices


NVIDIA = "nvidia.com/gpu"
ONE_CORE = Share(1.0)
NOTHING = Share(0.0)


def share_of(step: Step, memory: int | None, total: Share) -> Share:
    """What a step takes: one core unless it says otherwise, and the memory of its attempt, at most the machine's.

    A daemon takes nothing: the steps that it was started for would wait for its place without end.
    """
    resources = step.resources
    if step.daemon:
        return NOTHING
    if resources is None:
        return ONE_CORE if total.cpu >= 1 else Share(total.cpu)
    cpu = min(1.0, total.cpu) if resources.cpu is None else resources.cpu
    return Share(cpu, min(memory or 0, total.memory), resources.gpu)


def machine_share(cpu: float | None, memory: int | str | None, gpu: int | None = None) -> Share:
    """The machine, or what the caller says of it."""
    cores = float(cpu) if cpu is not None else float(_cores())
    amount = size(memory) if isinstance(memory, str) else memory
    devices = _gpus()
    if gpu is not None:
        devices = devices[:gpu] if len(devices) >= gpu else tuple(map(str, range(gpu)))
    return Share(cores, _memory() if amount is None else amount, len(devices), devices)


def check(steps: Iterable[tuple[str, Step]], total: Share) -> None:
    """Refuse steps that could never start here.

    Raises:
        ResourceError: Names each such step, what it asks for and what there is.
    """
    problems = [problem for path, step in steps for problem in _excess(path, step, total)]
    if problems:
        raise ResourceError("; ".join(problems), "ask for less, or run the workflow on an engine with larger machines")


def _excess(path: str, step: Step, total: Share) -> Iterable[str]:
    resources = step.resources
    if resources is None:
        return
    if resources.cpu is not None and resources.cpu > total.cpu:
        yield f"step '{path}' asks for {resources.cpu:g} cpu, and this machine has {total.cpu:g}"
    if resources.memory is not None and size(resources.memory) > total.memory:
        yield f"step '{path}' asks for {resources.memory} of memory, and this machine has {_readable(total.memory)}"
    if resources.gpu and resources.gpu_kind != NVIDIA:
        yield f"step '{path}' asks for {resources.gpu} {resources.gpu_kind}, and only NVIDIA's are handed out here"
    elif resources.gpu > total.gpu:
        yield f"step '{path}' asks for {resources.gpu} gpu, and this machine has {total.gpu}"


def _readable(count: int) -> str:
    for unit, factor in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if count >= factor:
            return f"{count / factor:.1f}".removesuffix(".0") + unit
    return str(count)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _CGROUP_LIMITS:
        try:
            total = min(total, int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    return total


def _gpus() -> tuple[str, ...]:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        found = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
        return tuple(sorted(filter(str.isdigit, found), key=int))
    devices = [device.strip() for device in visible.split(",")]
    if "-1" in devices:  # as CUDA has it: what follows is hidden
        devices = devices[: devices.index("-1")]
    return tuple(dict.fromkeys(filter(None, devices)))
