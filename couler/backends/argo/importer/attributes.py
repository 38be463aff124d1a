"""What stands around the task of a template: attempts, time, places, labels and sidecars; and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from couler.backends.argo.importer.difference import seconds
from couler.backends.argo.importer.process import Facts, Fields
from couler.backends.argo.importer.reading import as_text, items_of
from couler.core.ir import model as ir
from couler.core.ir.json import thaw

_EFFECTS = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")


def read_attributes(template: Mapping[str, Any], facts: Facts, *, process: bool, leaf: bool) -> Fields:
    """Attributes of the step from those of its template.

    Args:
        template: The template.
        facts: Gets what the IR has no word for.
        process: Whether the task has a process.
        leaf: Whether it is no nested workflow.
    """
    fields: Fields = {}
    if (retry := read_retry(template.get("retryStrategy"))) is not None:
        fields["retry"] = retry
    if leaf and (timeout := _read_timeout(template, facts)):
        fields["timeout"] = timeout
    labels = (template.get("metadata") or {}).get("labels") or {}
    if labels and "{{" not in f"{labels}":
        fields["labels"] = {name: as_text(value) for name, value in labels.items()}
    if template.get("serviceAccountName") and "{{" not in template["serviceAccountName"]:
        fields["service_account"] = template["serviceAccountName"]
    if process:
        if template.get("daemon") is True:
            fields["daemon"] = True
        if sidecars := _read_sidecars(template):
            fields["sidecars"] = sidecars
    return fields


def write_attributes(step: ir.Step, facts: Facts) -> dict[str, Any]:
    """Fields of a template from the attributes of its step."""
    found: dict[str, Any] = {}
    if step.retry is not None:
        found["retryStrategy"] = write_retry(step.retry)
    if step.timeout is not None:
        found.update(_write_timeout(step.timeout, facts))
    if step.labels:
        found["metadata"] = {"labels": dict(step.labels)}
    if step.service_account:
        found["serviceAccountName"] = step.service_account
    if step.daemon:
        found["daemon"] = True
    if step.sidecars:
        found["sidecars"] = [_write_sidecar(sidecar) for sidecar in step.sidecars]
    found.update(write_placement(step.resources))
    return found


# --- attempts and time -----------------------------------------------------------------------------------------


def read_retry(strategy: Any) -> ir.Retry | None:
    """The rule for further attempts; None without a known limit, which means attempts without end."""
    limit = as_text(strategy.get("limit")) if isinstance(strategy, Mapping) else ""
    if not limit.isdigit() or int(limit) == 0:
        return None
    given = strategy.get("backoff") or {}
    initial, factor = seconds(as_text(given.get("duration"))), as_text(given.get("factor")) or "1"
    if not initial or not factor.isdigit() or int(factor) < 1:
        return ir.Retry(limit=int(limit))
    maximum = seconds(as_text(given.get("cap")))
    if maximum is not None and maximum < initial:
        maximum = None
    return ir.Retry(limit=int(limit), backoff=ir.Backoff(initial=initial, factor=int(factor), maximum=maximum))


def write_retry(retry: ir.Retry) -> dict[str, Any]:
    """``retryStrategy`` of a template."""
    found: dict[str, Any] = {"limit": str(retry.limit)}
    backoff = retry.backoff
    if backoff.initial:
        found["backoff"] = {"duration": duration(backoff.initial)}
        if backoff.factor != 1:
            found["backoff"]["factor"] = f"{backoff.factor:g}"
        if backoff.maximum is not None:
            found["backoff"]["cap"] = duration(backoff.maximum)
    return found


def duration(value: float) -> str:
    """Seconds as a duration of Go."""
    return f"{int(value)}s" if value == int(value) else f"{round(value * 1000)}ms"


def _read_timeout(template: Mapping[str, Any], facts: Facts) -> float | None:
    for key in ("timeout", "activeDeadlineSeconds"):
        if found := seconds(as_text(template.get(key))):
            if key == "timeout":
                facts["timeout"] = key
            return found
    return None


def _write_timeout(timeout: float, facts: Facts) -> dict[str, Any]:
    if facts.get("timeout") == "timeout" or timeout != int(timeout):
        return {"timeout": duration(timeout)}
    return {"activeDeadlineSeconds": int(timeout)}


# --- places ----------------------------------------------------------------------------------------------------


def read_placement(template: Mapping[str, Any], resources: ir.Resources | None) -> ir.Resources | None:
    """Resources with the places where the step may run."""
    fields: dict[str, Any] = {}
    if (selector := template.get("nodeSelector")) and "{{" not in f"{selector}":
        fields["node_selector"] = {name: as_text(value) for name, value in selector.items()}
    if tolerations := _read_tolerations(template.get("tolerations")):
        fields["tolerations"] = tolerations
    if (affinity := template.get("affinity")) and "{{" not in f"{affinity}":
        fields["affinity"] = affinity
    if (priority := template.get("priorityClassName")) and "{{" not in priority:
        fields["priority"] = priority
    if not fields:
        return resources
    return ir.Resources(**{**(resources or ir.Resources()).__dict__, **fields})


def write_placement(resources: ir.Resources | None) -> dict[str, Any]:
    """Fields of a template that say where its pod may run."""
    found: dict[str, Any] = {}
    if resources is None:
        return found
    if resources.node_selector:
        found["nodeSelector"] = dict(resources.node_selector)
    if resources.tolerations:
        found["tolerations"] = [_write_toleration(one) for one in resources.tolerations]
    if resources.affinity:
        found["affinity"] = thaw(resources.affinity)
    if resources.priority:
        found["priorityClassName"] = resources.priority
    return found


def _read_tolerations(given: Any) -> tuple[ir.Toleration, ...]:
    found = []
    for item in items_of(given):
        if "{{" in f"{item}" or item.get("effect", "") not in _EFFECTS:
            return ()
        found.append(
            ir.Toleration(
                key=as_text(item.get("key")),
                operator=item.get("operator", "Equal"),
                value=as_text(item.get("value")),
                effect=item.get("effect", ""),
                seconds=item.get("tolerationSeconds"),
            )
        )
    return tuple(found)


def _write_toleration(one: ir.Toleration) -> dict[str, Any]:
    made = {"key": one.key, "operator": one.operator if one.operator != "Equal" else "", "value": one.value,
            "effect": one.effect, "tolerationSeconds": one.seconds}  # fmt: skip
    return {key: value for key, value in made.items() if value not in ("", None)}


# --- sidecars --------------------------------------------------------------------------------------------------


def _read_sidecars(template: Mapping[str, Any]) -> tuple[ir.Sidecar, ...]:
    found = []
    for item in items_of(template.get("sidecars")):
        if not item.get("name") or not item.get("image"):
            return ()
        env = {as_text(one.get("name")): as_text(one["value"]) for one in items_of(item.get("env")) if "value" in one}
        found.append(
            ir.Sidecar(
                name=item["name"],
                image=item["image"],
                command=tuple(map(as_text, item.get("command") or ())),
                args=tuple(map(as_text, item.get("args") or ())),
                env=env,
            )
        )
    return tuple(found)


def _write_sidecar(sidecar: ir.Sidecar) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in sidecar.env.items()]
    made = {"name": sidecar.name, "image": sidecar.image, "command": list(sidecar.command),
            "args": list(sidecar.args), "env": env}  # fmt: skip
    return {key: value for key, value in made.items() if value}
