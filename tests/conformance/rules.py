"""What a workflow means, sentence by sentence: what every engine promises and every case is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RULES: Final[Mapping[str, str]] = {
    # the workflow
    "parameters": "A workflow has typed parameters with defaults, help and choices.",
    "workflow-outputs": "A workflow gives named outputs.",
    "defaults": "Attributes set for all steps hold for each step that does not set its own.",
    "schedule": "A schedule starts the workflow by the clock and does not change what it means.",
    "parallelism": "A bound on the steps at a time changes the pace and not the outcome.",
    "workflow-timeout": "A time limit on the workflow covers everything.",
    "run-facts": "A step can be given the name of the workflow and the identity of the run.",
    # steps
    "function": "A function runs where couler is not installed; its source travels.",
    "script": "A script is source text and the command that interprets it.",
    "container": "A container is an image, a command and its arguments.",
    "job": "A job creates a Kubernetes object and waits until its success or failure holds.",
    "suspend": "A pause ends after its duration, or when a person approves; a rejection is a failure.",
    "group": "A group is a nested workflow with a scope and outputs of its own.",
    "names": "Names come from the function or are given, and are made unique in the order of declaration.",
    "odd-names": "Names that an engine dislikes work on it all the same, and results are told by the given names.",
    "env": "Environment variables are values of the workflow.",
    "secrets": "Secrets are references: a step gets the value, and no document or record has it.",
    "volumes": "Storage can be mounted into a step.",
    "resources": "A step can say what it needs: cores, memory, storage, GPUs.",
    "placement": "A step can say where it may run.",
    "surroundings": "A step has a service account, a working directory and labels.",
    "sidecars": "Containers beside a task end with it.",
    "daemon": "A daemon runs beside the other steps and ends with them.",
    "engine-options": "Raw settings for one engine are ignored by the others, with a note.",
    "packages": "Packages are there before the task starts.",
    # values and files
    "values": "A value is JSON and arrives unchanged, with its type.",
    "number-and-text": 'The string "5" and the number 5 are different.',
    "value-types": "A type that is only known when a step ends is checked then, and the step fails.",
    "stdout": "The result of a script or container is what it prints, less one trailing newline.",
    "declared-values": "Other values are declared with the path that the task writes.",
    "value-parts": "Parts of a value can be taken by key and index.",
    "built-values": "Texts and lists can be made of several values.",
    "large-values": "Values that are larger than an engine's own limit arrive too.",
    "files": "A file or folder that a step writes appears at a path in each consumer.",
    "stored-files": "A file that lives outside the workflow can be read, and a file can be stored there.",
    "output-default": "A declared output that a task did not write has its default.",
    "text-is-data": "User text arrives unchanged, and nothing in it is ever evaluated by an engine.",
    # order, conditions, skips, failures
    "order": "Order comes from data and from after; independent steps run side by side.",
    "after": "Plain after means that the other step has ended and did not fail: succeeded, cached or skipped.",
    "after-status": "after may carry a condition over how named steps ended.",
    "when": "when is a typed condition over values; numbers compare as numbers.",
    "when-types": "Ordering values of different types is an error.",
    "skip": "A step whose when is false is skipped, and so is a step that needs a value of a skipped one.",
    "skip-default": "A default stands in for a value of a skipped step.",
    "first-of": "first_of is the first value whose step was not skipped: the join after branches.",
    "failure": "A failed step fails the run, and no new step starts after it.",
    "continue": 'With on_failure="continue" independent branches go on.',
    "allow-failure": "allow_failure turns a failure into an outcome that others may test.",
    "retry": "A retry runs a failed attempt again, up to its limit, with waits that grow.",
    "retry-on": "A retry may be for certain outcomes only.",
    "retry-memory": "The next attempt after running out of memory may get more of it.",
    "timeout": "A time limit on a step is per attempt.",
    "exit": "Exit handlers run after everything else: always, on success or on failure.",
    "exit-reads": "Exit handlers read the run's status, the failed steps and any output that exists.",
    "exit-failure": "The failure of an exit handler is reported and does not change the outcome of the run.",
    # map and loop
    "map": "A map runs a step or group once per item; what it gathers is a list in item order.",
    "map-empty": "An empty list gives an empty list, and what reads it runs.",
    "map-dynamic": "The list of a map may be known only at run time.",
    "map-zip": "A map over several lists takes them in step, and they must have one length.",
    "map-failure": "One failed item fails the map, unless failures are allowed; then its entry is null.",
    "map-parallelism": "A bound on the items at a time does not change the result.",
    "map-nested": "Maps may stand inside maps, and items may be skipped one by one.",
    "loop": "A loop runs its body, then decides; its outputs are those of the last round.",
    "loop-bound": "A loop whose condition still holds at its bound fails and says so.",
    "loop-carry": "A loop may hand outputs of a round to the next, and tell the number of the round.",
    # cache
    "cache": "A cache policy never changes the outputs.",
}
"""Name of a rule to its sentence."""
