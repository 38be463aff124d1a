"""Containers that differ in texts and references only: their templates are made once, and each step is fitted in."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from operator import attrgetter
from typing import TypeAlias

from couler.backends.argo.build import Build
from couler.backends.argo.leaves import Shape, Skeleton
from couler.backends.argo.units import Given, ScopeTypes, Text, Unit
from couler.backends.argo.wire import BRACE, static_text
from couler.core.ir.evaluate import as_text
from couler.core.ir.model import Constant, ContainerTask, OutputRef, Step

_UNUSUAL = ("inputs", "foreach", "loop", "secrets", "volumes", "sidecars", "daemon", "engine_options", "allow_failure")
_USUAL = ("outputs", "retry", "timeout", "resources", "service_account", "working_dir", "labels", "cache")
_SURROUNDINGS = attrgetter(*_UNUSUAL, *_USUAL)
Key: TypeAlias = Hashable


class Families:
    """Steps of a scope by what their templates have in common.

    Args:
        scope: The scope; it knows the types of values.
        build: What is being built; steps of which it notes something are made each by itself.
        shapes: Those of its containers, see `couler.backends.argo.leaves.shapes_of`.
        varying: See `couler.backends.argo.leaves.varying_texts`.
        read: Step to the outputs that others read.
    """

    def __init__(
        self,
        scope: ScopeTypes,
        build: Build,
        shapes: Mapping[str, Shape],
        varying: Mapping[Skeleton, frozenset[int]],
        read: Mapping[str, set[str]],
    ) -> None:
        self._scope = scope
        self._build = build
        self._shapes = shapes
        self._varying = varying
        self._read = read
        self._known: dict[Key, Unit] = {}
        self._numbers: dict[Hashable, int] = {(): 0}
        self._seen: dict[tuple[int, ...], int] = {}
        self._own: dict[Skeleton, list[int]] = {}

    def unit(self, step: Step, make: Callable[[Step], Unit]) -> Unit:
        """The unit of a step: a known one with the step's own values, or one that ``make`` makes."""
        fitting = self._fitting(step)
        if fitting is None:
            return make(step)
        key, given = fitting
        known = self._known.get(key)
        if known is not None:
            parameters = dict(zip(known.parameters, given, strict=True))
            return Unit(known.template, parameters, {}, known.results, known.files, known.has_status, known.items)
        notes = len(self._build.notes)
        unit = make(step)
        if notes == len(self._build.notes) and not unit.artifacts and list(unit.parameters.values()) == given:
            self._known[key] = unit
        return unit

    def _fitting(self, step: Step) -> tuple[Key, list[Given]] | None:
        """What makes a step one of a family, and what it is given in the family's template."""
        task = step.task
        if type(task) is not ContainerTask:
            return None
        around = self._around(step)
        if not around:
            return None
        common, values = self._shapes[step.name]
        own = self._own.get(common)
        if own is None:
            varying = self._varying[common]
            own = [index for index, value in enumerate(values) if index in varying or type(value) is not Constant]
            self._own[common] = own
        type_of = self._scope.type_of
        marks: list[Hashable] = []
        places: dict[tuple[str, str], int] = {}
        holes: list[Given] = []
        texts: list[Given] = []
        braces = False
        for index in own:
            value = values[index]
            if type(value) is Constant:
                text = static_text(as_text(value.value))
                braces = braces or BRACE in text
                texts.append(Text(text))
                marks.append(None)
            elif type(value) is OutputRef and value.default is None:
                whole = OutputRef(step=value.step, output=value.output) if value.path else value
                place = places.setdefault((value.step, value.output), len(holes))
                if place == len(holes):
                    holes.append(whole)
                marks.append((place, type_of(whole), value.path))
            else:
                return None
        read = self._read.get(step.name)
        key = (common, task.pull_policy, tuple(marks), braces, frozenset(read) if read else None, around)
        return key, [*holes, *texts]

    def _around(self, step: Step) -> int:
        """A number that steps share whose attributes are equal, and 0 for those that need templates of their own.

        The same objects, which many steps may hold, are looked into once.
        """
        values = _SURROUNDINGS(step)
        same = tuple(map(id, values))
        found = self._seen.get(same)
        if found is None:
            usual = () if any(values[: len(_UNUSUAL)]) else values[len(_UNUSUAL) :]
            found = self._seen[same] = self._numbers.setdefault(usual, len(self._numbers))
        return found
