"""What a workflow is: frozen values, and nothing that acts.

Dependencies are not stored here; `couler.core.ir.graph` derives them from references and from ``after``.
A group (the body of a map, of a loop, or a sub-workflow) sees only its own parameters and steps: what it needs
from outside is bound by the inputs of the step that holds it.

Durations are seconds. Memory and storage are Kubernetes quantities such as ``"512Mi"``. CPU is a number of cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from couler.core.ir.json import EMPTY, FrozenDict, freeze

API_VERSION: Final = "couler/v1"

JsonValue = Annotated[Any, BeforeValidator(freeze), WithJsonSchema({"description": "Any JSON value."})]
"""A JSON value, made immutable."""

Labels = Annotated[dict[str, str], AfterValidator(FrozenDict)]
JsonObject = Annotated[
    dict[str, Any], BeforeValidator(freeze), AfterValidator(FrozenDict), WithJsonSchema({"type": "object"})
]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Quantity = Annotated[str, Field(pattern=r"^\d+(\.\d+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$")]
Path = tuple[str | int, ...]
"""Keys and indices that lead into a JSON value."""


class Model(BaseModel):
    """Base of all parts of a workflow: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, ser_json_inf_nan="constants")


M = TypeVar("M", bound=Model)


def made(like: M, given: Mapping[str, Any]) -> M:
    """A part of a workflow whose values are known to be good: much faster and smaller than checking them once more.

    Args:
        like: A part of the same kind, for the defaults.
        given: All attributes that are given, exactly as the part holds them.
    """
    names = tuple(given)
    part = object.__new__(type(like))
    values = like.__dict__.copy()
    values.update(given)
    _set_values(part, values)
    _set_names(part, _GIVEN.get(names) or _GIVEN.setdefault(names, set(names)))
    _set_extra(part, None)
    _set_private(part, None)
    return part


def sharing_keys(like: M) -> M:
    """The part; those that `made` makes like it share one table of keys, which is smaller where keys are many."""
    keys = type("_Keys", (), {})()
    for name, value in like.__dict__.items():
        setattr(keys, name, value)
    _set_values(like, keys.__dict__)
    return like


_set_values, _set_names, _set_extra, _set_private = (
    vars(BaseModel)[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
_GIVEN: dict[tuple[str, ...], set[str]] = {}
"""Names of attributes as a set, which nobody changes, since all parts are frozen."""


# --- values: where an input, an argument or one side of a comparison comes from -------------------------------


class Constant(Model):
    """A JSON value known when the workflow is built."""

    kind: Literal["constant"] = "constant"
    value: JsonValue = None


class ParameterRef(Model):
    """A parameter of the workflow, or of the group in which the reference stands."""

    kind: Literal["parameter"] = "parameter"
    name: str
    path: Path = ()


class OutputRef(Model):
    """An output of a step in the same scope.

    Attributes:
        default: Used when the step was skipped; without it the consumer is skipped too.
    """

    kind: Literal["output"] = "output"
    step: str
    output: str = "result"
    path: Path = ()
    default: Constant | None = None


class ItemRef(Model):
    """The current item of the step's own ``foreach``; ``name`` is the name of the list there."""

    kind: Literal["item"] = "item"
    name: str = "item"
    path: Path = ()


class LoopOutputRef(Model):
    """An output of the step's own last round; stands only in the condition of its ``loop``."""

    kind: Literal["loop_output"] = "loop_output"
    output: str = "result"
    path: Path = ()


class RoundRef(Model):
    """The number of the current round of the step's own ``loop``, from 0."""

    kind: Literal["round"] = "round"


class FirstOf(Model):
    """The first output whose step was not skipped: the join after branches."""

    kind: Literal["first_of"] = "first_of"
    options: tuple[OutputRef, ...]
    default: Constant | None = None


class Concat(Model):
    """Text made of parts: strings as they are, other values as JSON."""

    kind: Literal["concat"] = "concat"
    parts: tuple[Value, ...]


class ListOf(Model):
    """A list made of values, such as the outputs of several steps."""

    kind: Literal["list"] = "list"
    items: tuple[Value, ...]


class RunRef(Model):
    """A fact about the run. ``status`` and ``failed_steps`` exist only in exit handlers."""

    kind: Literal["run"] = "run"
    field: Literal["id", "name", "status", "failed_steps"]


class SecretRef(Model):
    """A secret, by reference: the key of a named secret that the engine holds."""

    name: str
    key: str


class StoredFile(Model):
    """A file outside the workflow, by URL (``s3:``, ``gs:``, ``oss:``, ``hdfs:``, ``git+https:``, ``file:``).

    Attributes:
        options: Settings of the store that are no secrets, such as ``endpoint`` or ``region``.
        credentials: Settings of the store that are secrets, by reference.
    """

    kind: Literal["stored_file"] = "stored_file"
    url: str
    options: Labels = EMPTY
    credentials: Annotated[dict[str, SecretRef], AfterValidator(FrozenDict)] = EMPTY


Value: TypeAlias = Annotated[
    Constant
    | ParameterRef
    | OutputRef
    | ItemRef
    | LoopOutputRef
    | RoundRef
    | FirstOf
    | Concat
    | ListOf
    | RunRef
    | StoredFile,
    Field(discriminator="kind"),
]

# --- conditions ------------------------------------------------------------------------------------------------

CompareOperator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in"]


class Compare(Model):
    """Two values compared; numbers compare as numbers, and values of different types are never equal."""

    kind: Literal["compare"] = "compare"
    operator: CompareOperator
    left: Value
    right: Value


class Truth(Model):
    """A boolean value used as a condition by itself."""

    kind: Literal["truth"] = "truth"
    value: Value


class StatusIs(Model):
    """How a step ended; stands only in ``Step.after_condition``.

    ``succeeded`` includes steps whose outputs came from the cache; ``ended`` is any end.
    """

    kind: Literal["status"] = "status"
    step: str
    status: Literal["succeeded", "failed", "skipped", "ended"]


class AllOf(Model):
    """True when every part is."""

    kind: Literal["all"] = "all"
    parts: tuple[Condition, ...]


class AnyOf(Model):
    """True when one part is."""

    kind: Literal["any"] = "any"
    parts: tuple[Condition, ...]


class Not(Model):
    """True when the part is false."""

    kind: Literal["not"] = "not"
    part: Condition


Condition: TypeAlias = Annotated[Compare | Truth | StatusIs | AllOf | AnyOf | Not, Field(discriminator="kind")]

# --- inputs and outputs ----------------------------------------------------------------------------------------


class Parameter(Model):
    """A typed parameter of a workflow or of a group; required when it has no default.

    Attributes:
        type: ``any``, ``null``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``list[…]``, ``object``, unions with
            ``|``; in groups also ``file``, ``folder`` and lists of them.
    """

    name: str
    type: str = "any"
    default: Constant | None = None
    help: str = ""
    choices: tuple[JsonValue, ...] = ()


class Input(Model):
    """A named input of a step.

    Attributes:
        type: As for `Parameter`; ``file`` and ``folder`` appear at a path in the step.
        path: Where a file appears, absolute or relative to the step's folder; empty lets the engine choose.
    """

    name: str
    value: Value
    type: str = "any"
    path: str = ""


class Output(Model):
    """A named output of a step.

    Attributes:
        path: The file that the task writes. Needed for files and folders, and for values other than ``result``;
            relative paths start at the step's folder.
        default: The value when the task ended well without writing it.
        store: Where a file is stored besides the engine's own artifact store.
    """

    name: str
    type: str = "any"
    path: str = ""
    default: Constant | None = None
    store: StoredFile | None = None


class GroupOutput(Model):
    """An output of a group: a name for a value inside it."""

    name: str
    value: Value
    type: str = "any"


# --- tasks: what a step does -----------------------------------------------------------------------------------


class FunctionTask(Model):
    """A Python function. ``source`` is a whole module that needs nothing of couler; ``entry`` is the function in it.

    The step's inputs are its keyword arguments; file outputs with the name of a parameter are handed in as paths to
    write.
    """

    kind: Literal["function"] = "function"
    source: str
    entry: str
    image: str = ""
    packages: tuple[str, ...] = ()


class ScriptTask(Model):
    """Source text and the command that interprets it; ``result`` is its standard output."""

    kind: Literal["script"] = "script"
    source: str
    interpreter: tuple[str, ...] = ("python",)
    args: tuple[Value, ...] = ()
    image: str = ""
    packages: tuple[str, ...] = ()


class ContainerTask(Model):
    """An image with a command; ``result`` is its standard output."""

    kind: Literal["container"] = "container"
    image: str
    command: tuple[Value, ...] = ()
    args: tuple[Value, ...] = ()
    pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""


class JobPredicate(Model):
    """A claim about a Kubernetes object: a field compared, or a condition of its status by type.

    Exactly one of ``field`` (a dotted path such as ``status.succeeded``) and ``condition`` (such as ``Complete``) is
    set.
    """

    field: str = ""
    condition: str = ""
    operator: CompareOperator = "=="
    value: JsonValue = "True"


class JobOutput(Model):
    """A value read from the finished object."""

    name: str
    field: str
    type: str = "any"


class JobTask(Model):
    """A Kubernetes object to create and wait for.

    It succeeds when all of ``success`` hold, and fails when one of ``failure`` does.
    """

    kind: Literal["job"] = "job"
    manifest: JsonObject
    success: tuple[JobPredicate, ...] = ()
    failure: tuple[JobPredicate, ...] = ()
    outputs: tuple[JobOutput, ...] = ()
    action: Literal["create", "apply", "patch", "delete", "get"] = "create"
    owned: bool = True
    delete_after: bool = False


class SuspendTask(Model):
    """A pause: for a duration, or until a person approves when ``duration`` is None."""

    kind: Literal["suspend"] = "suspend"
    duration: Seconds | None = None
    message: str = ""


class GroupTask(Model):
    """A nested workflow with a scope of its own; the step's inputs are bound to its parameters by name."""

    kind: Literal["group"] = "group"
    parameters: tuple[Parameter, ...] = ()
    steps: tuple[Step, ...] = ()
    outputs: tuple[GroupOutput, ...] = ()


Task: TypeAlias = Annotated[
    FunctionTask | ScriptTask | ContainerTask | JobTask | SuspendTask | GroupTask, Field(discriminator="kind")
]

# --- attributes around a task ----------------------------------------------------------------------------------


class Backoff(Model):
    """Waiting before attempt n+1: ``min(maximum, initial * factor**(n-1))``.

    It is varied by up to ``jitter``, a fraction of it.
    """

    initial: Seconds = 0
    factor: Annotated[float, Field(ge=1)] = 2
    maximum: Seconds | None = None
    jitter: Annotated[float, Field(ge=0, le=1)] = 0


class RetryOn(Model):
    """Outcomes that deserve another attempt; the outcome of an attempt must match one of them."""

    exit_codes: tuple[int, ...] = ()
    errors: tuple[str, ...] = ()
    out_of_memory: bool = False
    lost: bool = False
    timeout: bool = False


class Escalation(Model):
    """Memory of the next attempt after out of memory: multiplied by ``memory_factor``, up to ``memory_maximum``."""

    memory_factor: Annotated[float, Field(gt=1)] = 2
    memory_maximum: Quantity | None = None


class Retry(Model):
    """``limit`` further attempts after the first; ``on`` None means after any failure."""

    limit: Annotated[int, Field(ge=0)]
    backoff: Backoff = Backoff()
    on: RetryOn | None = None
    escalation: Escalation | None = None


class Toleration(Model):
    """A taint of a node that the step accepts, as in Kubernetes."""

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    seconds: int | None = None


class Resources(Model):
    """What a step needs and where it may run."""

    cpu: Annotated[float, Field(gt=0)] | None = None
    memory: Quantity | None = None
    gpu: Annotated[int, Field(ge=0)] = 0
    gpu_kind: str = "nvidia.com/gpu"
    ephemeral_storage: Quantity | None = None
    node_selector: Labels = EMPTY
    tolerations: tuple[Toleration, ...] = ()
    affinity: JsonObject = EMPTY
    priority: str = ""


class CachePolicy(Model):
    """Whether and how the step's outputs are remembered; ``env`` names the variables that are part of the key."""

    enabled: bool = True
    max_age: Seconds | None = None
    salt: str = ""
    version: str = ""
    env: tuple[str, ...] = ()


class EnvVar(Model):
    """An environment variable with a value of the workflow."""

    name: str
    value: Value


class SecretUse(Model):
    """A secret given to the step as an environment variable, as a file, or both."""

    secret: SecretRef
    env: str = ""
    path: str = ""


class Volume(Model):
    """Storage mounted at ``path``. ``source`` is what it is, ``name`` the claim, secret, config map or host path."""

    path: str
    name: str = ""
    source: Literal["claim", "new_claim", "empty", "host", "config_map", "secret"] = "claim"
    size: Quantity | None = None
    access_mode: Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"] = "ReadWriteOnce"
    read_only: bool = False


class Sidecar(Model):
    """A container that runs beside the task and is stopped with it."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Labels = EMPTY


class ForEach(Model):
    """Run the step once per item, or per tuple of items of several lists of equal length.

    Attributes:
        lists: Name of the item (see `ItemRef`) to the list it comes from.
        parallelism: At most so many items at a time; None leaves it to the engine.
    """

    lists: Annotated[dict[str, Value], AfterValidator(FrozenDict)]
    parallelism: Annotated[int, Field(gt=0)] | None = None


class Loop(Model):
    """Do-while: run the step again while ``condition`` over its outputs holds, at most ``max_iterations`` times.

    Attributes:
        carry: Input name to output name: from the second round on, the input is that output of the last round.
    """

    condition: Condition
    max_iterations: Annotated[int, Field(gt=0)]
    carry: Labels = EMPTY


EngineOptions = Annotated[
    dict[str, JsonObject], AfterValidator(FrozenDict), Field(description="Raw settings, by engine name.")
]


class StepDefaults(Model):
    """Attributes for every step that does not set its own."""

    image: str = ""
    packages: tuple[str, ...] = ()
    retry: Retry | None = None
    timeout: Seconds | None = None
    cache: CachePolicy | None = None
    resources: Resources | None = None
    env: tuple[EnvVar, ...] = ()
    service_account: str = ""


class Step(Model):
    """One task and the attributes around it.

    Attributes:
        after: Steps that must have ended without failure (succeeded, cached or skipped).
        after_condition: A condition over the statuses of named steps, decided when all of them have ended; when it is
            false the step is skipped.
        when: A condition over values; when it is false the step is skipped.
        allow_failure: A failure is an outcome, not the end of the run; for a map: of an item.
        timeout: Seconds per attempt.
        location: ``file:line`` of the declaration, for messages.
    """

    name: str
    task: Task
    description: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    after: tuple[str, ...] = ()
    after_condition: Condition | None = None
    when: Condition | None = None
    foreach: ForEach | None = None
    loop: Loop | None = None
    allow_failure: bool = False
    retry: Retry | None = None
    timeout: Seconds | None = None
    cache: CachePolicy | None = None
    resources: Resources | None = None
    env: tuple[EnvVar, ...] = ()
    secrets: tuple[SecretUse, ...] = ()
    volumes: tuple[Volume, ...] = ()
    service_account: str = ""
    working_dir: str = ""
    labels: Labels = EMPTY
    sidecars: tuple[Sidecar, ...] = ()
    daemon: bool = False
    engine_options: EngineOptions = EMPTY
    location: str = ""


class ExitHandler(Model):
    """A step that runs after everything else. Its own failure is reported and changes nothing."""

    step: Step
    on: Literal["always", "success", "failure"] = "always"


class Schedule(Model):
    """When the workflow starts by itself: cron expressions of five fields in a time zone (IANA name)."""

    cron: tuple[str, ...]
    timezone: str = "UTC"
    concurrency: Literal["allow", "forbid", "replace"] = "allow"
    suspended: bool = False
    starting_deadline: Seconds | None = None


class Workflow(Model):
    """The whole program."""

    api_version: Literal["couler/v1"] = Field(default=API_VERSION, alias="apiVersion")
    name: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    steps: tuple[Step, ...] = ()
    outputs: tuple[GroupOutput, ...] = ()
    exit_handlers: tuple[ExitHandler, ...] = ()
    defaults: StepDefaults = StepDefaults.model_construct()
    on_failure: Literal["stop", "continue"] = "stop"
    schedule: Schedule | None = None
    parallelism: Annotated[int, Field(gt=0)] | None = None
    timeout: Seconds | None = None
    service_account: str = ""
    labels: Labels = EMPTY
    engine_options: EngineOptions = EMPTY

    model_config = ConfigDict(populate_by_name=True)


Scope: TypeAlias = Workflow | GroupTask
"""A place with parameters, steps and outputs of its own."""
