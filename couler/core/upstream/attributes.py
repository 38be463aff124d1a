"""Upstream's keywords of a step, turned into those of this package."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from couler.core.dsl import flow, options
from couler.core.dsl.artifacts import Artifact as StoredArtifact
from couler.core.dsl.artifacts import output_name
from couler.core.dsl.conditions import Deferred
from couler.core.dsl.expr import concat
from couler.core.errors import DefinitionError, near
from couler.core.ir import model as ir
from couler.core.templates.artifact import Artifact, TypedArtifact
from couler.core.templates.cache import Cache
from couler.core.templates.output import Output, OutputArtifact, flat
from couler.core.templates.volume import VolumeMount
from couler.core.upstream.constants import ImagePullPolicy
from couler.core.upstream.differences import notice, refusal
from couler.core.upstream.state import PodState

# --- what a step gets -------------------------------------------------------------------------------------------


def arguments(args: Any, handed: Sequence[Output], where: str) -> tuple[list[Any], list[OutputArtifact]]:
    """Arguments of a task and the files among them; what upstream hands over by itself comes last, and once.

    Raises:
        DefinitionError: One of them is neither a text, a number nor an output.
    """
    given = flat(args)
    taken = {(id(item.draft), item.name) for item in given if isinstance(item, Output)}
    given += [item for item in handed if (id(item.draft), item.name) not in taken]
    values: list[Any] = []
    files: list[OutputArtifact] = []
    for item in given:
        if isinstance(item, OutputArtifact):
            files.append(item)
        elif isinstance(item, Output):
            values.extend(item.references())
        else:
            values.append(as_text(item, where, "an argument"))
    return [with_tags(value, values, where) for value in values], files


def as_text(item: Any, where: str, what: str) -> Any:
    """A plain value as upstream wrote it into a workflow: numbers and booleans as Python prints them.

    Raises:
        DefinitionError: It is none of these.

    >>> as_text(True, "step 'a'", "an argument")
    'True'
    """
    if isinstance(item, (str, Deferred)):
        return item
    if isinstance(item, (bool, int, float)):
        return str(item)
    raise DefinitionError(
        f"{where}: {what} is {item!r}, which is neither text, a number nor an output", "give a text, such as json.dumps"
    )


_TAG = re.compile(r"\{\{\s*(=|(?:inputs|outputs|steps|tasks|workflow|pod)\.[^{}]*?|item(?:\.[^{}]*?)?)\s*\}\}|\{\{=")
_ARGUMENT = re.compile(r"inputs\.parameters\.para-.+-(\d+)")


def with_tags(text: Any, values: Sequence[Any], where: str) -> Any:
    """A text in which tags for Argo are references to what they stand for.

    Args:
        text: As the program has it; what is no text is returned as it is.
        values: Arguments of the step, which upstream called ``para-NAME-0`` and so on.
        where: Which step, for messages.

    Raises:
        DefinitionError: A tag stands for something that is no argument and no name of the workflow.

    >>> with_tags("echo {{inputs.parameters.para-say-0}}", ["hello"], "step 'say'")
    <concat: str>
    """
    if not isinstance(text, str) or "{{" not in text:
        return text
    parts: list[Any] = []
    end = 0
    for match in _TAG.finditer(text):
        parts += [text[end : match.start()], _meaning(match, values, where)]
        end = match.end()
    return concat(*(part for part in (*parts, text[end:]) if not isinstance(part, str) or part)) if parts else text


def _meaning(match: re.Match[str], values: Sequence[Any], where: str) -> Any:
    tag = match[1] or "="
    argument = _ARGUMENT.fullmatch(tag)
    if argument is not None and int(argument[1]) < len(values):
        return values[int(argument[1])]
    if tag in _FACTS:
        return _FACTS[tag]()
    raise refusal("argo-tags", f"{where}: {match[0]}")


_FACTS = {"workflow.name": flow.workflow_name, "workflow.uid": flow.run_id}


def refuse_tags(source: str, where: str) -> None:
    """Raise DefinitionError for source text with a tag for Argo, except ``{{item}}``, which templates have, too."""
    for match in _TAG.finditer(source):
        if not (match[1] or "").startswith("item"):
            raise refusal("argo-tags", f"{where}: {match[0]}")


def inputs(given: Any, files: Sequence[OutputArtifact], where: str) -> list[tuple[str, Any, str, str]]:
    """Files that appear in a step: from stores, and from other steps at the path where they were written.

    Raises:
        DefinitionError: One of them is no file.
    """
    found: list[tuple[str, Any, str, str]] = []
    value: Any
    seen: set[tuple[int, str]] = set()
    for item in [*flat(given), *files]:
        if isinstance(item, OutputArtifact):
            if (id(item.draft), item.name) in seen:
                continue
            seen.add((id(item.draft), item.name))
            path, kind, value = item.path, item.type, item.reference
        elif isinstance(item, TypedArtifact):
            if item.source is None:
                raise refusal("local-artifact-input", where)
            path, kind, value = item.path, item.kind, item.source
        elif isinstance(item, StoredArtifact):
            path, kind, value = item.path, item.type, item.source
        else:
            raise refusal("input-value", where)
        found.append((_free(output_name(path), [name for name, *_ in found]), value, kind, path))
    return found


def outputs(given: Any, where: str) -> list[ir.Output]:
    """Declared outputs, with names of their own.

    Raises:
        DefinitionError: One of them is none.
    """
    found: list[ir.Output] = []
    for item in flat(given):
        if isinstance(item, Artifact):
            item = item.output()
        elif isinstance(item, StoredArtifact):
            item = item.as_output()
        if not isinstance(item, ir.Output):
            raise DefinitionError(f"{where}: {item!r} is no output", "couler.create_parameter_artifact(path=…)")
        name = _free(item.name, ["result", *(output.name for output in found)])
        found.append(item.model_copy(update={"name": name}))
    return found


def _free(name: str, taken: Sequence[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


# --- what surrounds it ------------------------------------------------------------------------------------------


def step_options(given: Mapping[str, Any], pods: PodState, where: str) -> dict[str, Any]:
    """Options of a step, from upstream's keywords.

    Args:
        given: Keywords, without those of the task itself.
        pods: Secrets that the program has obtained.
        where: Which step, for messages.

    Raises:
        DefinitionError: A value cannot be used.
    """
    _warn(given, where)
    env, secrets = environment(given.get("env"), where)
    env = {name: with_tags(value, (), where) for name, value in env.items()}
    if (secret := given.get("secret")) is not None:
        secrets = tuple(dict.fromkeys((*secrets, *_secret(secret, pods, where).uses())))
    found = {
        "env": env,
        "secrets": secrets,
        "resources": _resources(given.get("resources"), given.get("node_selector"), where),
        "timeout": given.get("timeout"),
        "retry": _retry(given.get("retry"), where),
        "cache": _cache(given.get("cache"), where),
        "working_dir": given.get("working_dir"),
        "daemon": bool(given.get("daemon")) or None,
        "engine_options": _argo(given),
    }
    return options.convert({name: value for name, value in found.items() if value}, where)


def _warn(given: Mapping[str, Any], where: str) -> None:
    if given.get("pool") is not None or given.get("enable_ulogfs") is False:
        notice("pool", where)
    if given.get("parallelism") is not None:
        notice("leaf-parallelism", where)


def environment(env: Any, where: str) -> tuple[dict[str, Any], tuple[ir.SecretUse, ...]]:
    """Environment variables, and those among them that are secrets."""
    if env is None:
        return {}, ()
    if not isinstance(env, Mapping):
        raise DefinitionError(f"{where}: env is {env!r}, and no dict", 'env={"MODE": "test"}')
    values: dict[str, Any] = {}
    uses: list[ir.SecretUse] = []
    for name, value in env.items():
        if name == "secrets" and isinstance(value, (list, tuple)):
            uses += [_secret_entry(entry, where) for entry in value]
        elif isinstance(value, ir.SecretRef):
            uses.append(ir.SecretUse(secret=value, env=str(name)))
        elif isinstance(value, (list, tuple, Output)) and (found := flat(value)) and isinstance(found[0], Output):
            values[str(name)] = found[0].reference
        else:
            values[str(name)] = value if isinstance(value, Deferred) else str(value)
    return values, tuple(uses)


def _secret_entry(entry: Any, where: str) -> ir.SecretUse:
    try:
        reference = entry["valueFrom"]["secretKeyRef"]
        return ir.SecretUse(secret=ir.SecretRef(name=reference["name"], key=reference["key"]), env=entry["name"])
    except (KeyError, TypeError):
        raise refusal("env-secrets", where) from None


def _secret(name: Any, pods: PodState, where: str) -> Any:
    if name in pods.secrets:
        return pods.secrets[name]
    error = refusal("unknown-secret", where, name=str(name))
    raise DefinitionError(error.message, near(str(name), pods.secrets, "secrets") or error.hint)


def _resources(given: Any, node_selector: Any, where: str) -> ir.Resources | None:
    found: dict[str, Any] = {"node_selector": dict(node_selector)} if node_selector else {}
    if isinstance(given, ir.Resources):
        return given.model_copy(update=found)
    if given is not None and not isinstance(given, Mapping):
        raise DefinitionError(f"{where}: resources is {given!r}, and no dict", 'resources={"cpu": 1, "memory": "1Gi"}')
    for name, value in (given or {}).items():
        match str(name).strip().lower():
            case "cpu":
                found["cpu"] = _cores(value, where)
            case "memory":
                found["memory"] = str(value)
            case "ephemeral-storage":
                found["ephemeral_storage"] = str(value)
            case kind if "gpu" in kind:
                found["gpu"] = int(value)
                if "/" in kind:
                    found["gpu_kind"] = str(name).strip()
            case _:
                raise refusal("resource", f"{where}: {name}")
    return options.build(ir.Resources, f"{where}: resources", found) if found else None


def _cores(value: Any, where: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", str(value))
    if match is None:
        raise DefinitionError(f"{where}: {value!r} is no number of cores", 'such as 2 or "500m"')
    return float(match[1]) / (1000 if match[2] else 1)


def _retry(given: Any, where: str) -> ir.Retry | None:
    if given is None or isinstance(given, ir.Retry):
        return given
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise refusal("retry", where)
    return ir.Retry(limit=given) if given else None


def _cache(given: Any, where: str) -> Any:
    try:
        return given.policy() if isinstance(given, Cache) else given
    except DefinitionError as error:
        raise DefinitionError(f"{where}: max_age of the cache: {error.message}", error.hint) from None


def _argo(given: Mapping[str, Any]) -> dict[str, Any]:
    """Raw fields of Argo's templates for what has no word of its own."""
    container: dict[str, Any] = {}
    if given.get("env_from") is not None:
        container["envFrom"] = list(given["env_from"])
    if given.get("script_pull_policy"):
        container["imagePullPolicy"] = given["script_pull_policy"]
    folders = _folders(given)
    if folders:
        container["volumeMounts"] = [{"name": name, "mountPath": path} for name, path in folders.items()]
    found: dict[str, Any] = {"container": container} if container else {}
    if folders:
        found["volumes"] = [{"name": name, "emptyDir": {}} for name in folders]
    if isinstance(given.get("cache"), Cache):
        found["memoize"] = given["cache"].memoize()
    return {"argo": found} if found else {}


def _folders(given: Mapping[str, Any]) -> dict[str, str]:
    """Folders of outputs, which upstream mounts as empty volumes, so that they exist whatever the image holds."""
    mounted = {mount.mount_path for mount in flat(given.get("volume_mounts")) if isinstance(mount, VolumeMount)}
    found: dict[str, str] = {}
    for index, output in enumerate(given.get("declared", ())):
        folder = posixpath.dirname(output.path.rstrip("/"))
        if posixpath.isabs(folder) and folder != "/" and folder not in mounted:
            mounted.add(folder)
            found[f"couler-out-dir-{index}"] = folder
    return found


def pull_policy(policy: Any, where: str) -> str:
    """When an image is pulled, by the enum of upstream or its name."""
    if policy is None:
        return ""
    name = policy.value if isinstance(policy, ImagePullPolicy) else policy
    if name not in ImagePullPolicy.values():
        hint = near(str(name), ImagePullPolicy.values(), "policies")
        raise DefinitionError(f"{where}: unknown image_pull_policy {name!r}", hint)
    return str(name)
