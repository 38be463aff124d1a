"""Faults that the suite must catch: a place in the package, and what is planted there."""

# ruff: noqa: E501
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One edit of the source of the package.

    Attributes:
        what: What goes wrong, in words.
        engine: The engine that is hurt.
        file: Where, below the package.
        before: Text that stands there exactly once.
        after: What is planted in its place.
        cases: What is run, as ``-k`` of pytest takes it.
    """

    what: str
    engine: str
    file: str
    before: str
    after: str
    cases: str


LOCAL = "backends/local"
ARGO = "backends/argo"
PLAYED = "test_argo and "

FAULTS: tuple[Fault, ...] = (
    # --- the meaning of values and conditions, which engines share
    Fault(
        "true counts as 1", "local", "core/ir/evaluate.py",
        "return isinstance(value, (int, float)) and not isinstance(value, bool)",
        "return isinstance(value, (int, float))",
        "number-and-text",
    ),
    Fault(
        "at most becomes less than", "local", "core/ir/evaluate.py",
        '"<=": le,', '"<=": lt,', "when",
    ),
    Fault(
        "numbers become text before they are compared", "local", "core/ir/evaluate.py",
        "return bool(left == right)\n    return kind_of", "return str(left) == str(right)\n    return kind_of", "number-and-text or when",
    ),
    Fault(
        "or is taken for and", "local", "core/ir/evaluate.py",
        "return any(_holds(part, lookup) for part in condition.parts)", "return all(_holds(part, lookup) for part in condition.parts)", "when or status",
    ),
    Fault(
        "first_of takes the last", "local", "core/ir/evaluate.py",
        "for option in value.options:\n        found = _output(option, lookup)", "for option in reversed(value.options):\n        found = _output(option, lookup)", "first-of",
    ),
    Fault(
        "the default of a skipped value is lost", "local", "core/ir/evaluate.py",
        "return ABSENT if ref.default is None else ref.default.value", "return ABSENT", "defaults-of or default-of",
    ),
    Fault(
        "JSON text in arguments loses other scripts", "local", "core/ir/evaluate.py",
        "json.dumps(value, ensure_ascii=False,", "json.dumps(value, ensure_ascii=True,", "text-of-values or variables",
    ),
    Fault(
        "if and else are swapped", "local", "core/dsl/flow.py",
        "return Branch(~self.condition, is_opposite=True)", "return Branch(self.condition, is_opposite=True)", "join or branches",
    ),
    Fault(
        "order by after is forgotten", "local", "core/ir/graph.py",
        "names.extend(step.after)", "pass", "order",
    ),
    Fault(
        "defaults for all steps are not applied", "local", "core/passes/__init__.py",
        "ALWAYS: tuple[Pass, ...] = (apply_defaults,)", "ALWAYS: tuple[Pass, ...] = ()", "defaults or all-steps",
    ),
    # --- the local engine
    Fault(
        "a step after a skipped one is skipped", "local", f"{LOCAL}/scopes.py",
        'if statuses[index] in ("failed", "cancelled"):\n                return "cancelled", index in self.soft',
        'if statuses[index] == "skipped":\n                return "skipped", False\n            if statuses[index] in ("failed", "cancelled"):\n                return "cancelled", index in self.soft',
        "skips-follow",
    ),
    Fault(
        "a failure does not stop what waits", "local", f"{LOCAL}/scopes.py",
        "self.failed = True\n            machine.block(self)", "self.failed = True", "after-a-failure",
    ),
    Fault(
        "allow_failure is forgotten", "local", f"{LOCAL}/scopes.py",
        "if plan.step.allow_failure:\n                self.soft", "if False:\n                self.soft", "allowed",
    ),
    Fault(
        "a failed item is left out of the list", "local", f"{LOCAL}/repeats.py",
        "return [None if result is None else result.get(name) for result in self.results]",
        "return [result.get(name) for result in self.results if result is not None]",
        "allowed-failures",
    ),
    Fault(
        "gathered lists are in the order of the ends", "local", f"{LOCAL}/repeats.py",
        "self.results[index] = outputs", "self.results.remove(None)\n            self.results.insert(self.next % (self.count + 1), outputs)", "map",
    ),
    Fault(
        "a bound on the items is ignored", "local", f"{LOCAL}/repeats.py",
        "self.limit = foreach.parallelism or self.count", "self.limit = self.count", "one-item-at-a-time",
    ),
    Fault(
        "the lists of a map need not have one length", "local", f"{LOCAL}/repeats.py",
        "if len(set(lengths.values())) > 1:", "if False:", "different-length",
    ),
    Fault(
        "a loop ends one round too late", "local", f"{LOCAL}/repeats.py",
        "elif index + 1 >= loop.max_iterations:", "elif index >= loop.max_iterations:", "loop",
    ),
    Fault(
        "what a loop carries is lost", "local", f"{LOCAL}/frames.py",
        "found[name] = self.loop_output(output)", "pass", "carr",
    ),
    Fault(
        "retries stop one too early", "local", f"{LOCAL}/retrying.py",
        "failures > retry.limit", "failures >= retry.limit", "retry",
    ),
    Fault(
        "every failure is retried", "local", f"{LOCAL}/retrying.py",
        "if on is None:", "if True:", "no-retry",
    ),
    Fault(
        "exit handlers run on every outcome", "local", f"{LOCAL}/machine.py",
        'if handler.on == "always" or (handler.on == "success") == good:', "if True:", "exit-handlers",
    ),
    Fault(
        "steps inside groups are no failed steps", "local", f"{LOCAL}/machine.py",
        "if self.exits is None and not step.allow_failure:", 'if self.exits is None and not step.allow_failure and "/" not in path:', "failed-steps",
    ),
    Fault(
        "variables of the environment are lost", "local", f"{LOCAL}/tasks.py",
        '"env": {**work.env, "COULER_STEP"', '"env": {"COULER_STEP"', "variables",
    ),
    Fault(
        "secrets do not reach the step", "local", f"{LOCAL}/tasks.py",
        'message["env"].update(env)', "pass", "secret",
    ),
    # --- Argo
    Fault(
        "an edge is dropped", "argo", f"{ARGO}/scope.py",
        'return " && ".join(terms)', 'return " && ".join(terms[1:])', PLAYED + "order",
    ),
    Fault(
        "if and else are swapped", "argo", f"{ARGO}/values.py",
        'return f"!({condition_expression(condition.part, view)})"', 'return f"({condition_expression(condition.part, view)})"',
        PLAYED + "(join or when)",
    ),
    Fault(
        "a wrong operator", "argo", f"{ARGO}/values.py",
        'return f"{left} {condition.operator} {right}"', """return f"{left} {condition.operator.replace('>=', '>')} {right}\"""", PLAYED + "when",
    ),
    Fault(
        "a condition over statuses is dropped", "argo", f"{ARGO}/scope.py",
        "yield self._condition(step.after_condition)", 'yield "true"', PLAYED + "(status or reacting)",
    ),
    Fault(
        "a skip is not passed on", "argo", f"{ARGO}/scope.py",
        "if self._skippable(step):", "if False:", PLAYED + "(skip or first-of)",
    ),
    Fault(
        "the default of a skipped value is lost", "argo", f"{ARGO}/values.py",
        "if default is None or not source.exists:", "if True:", PLAYED + "default",
    ),
    Fault(
        "two braces together in a value", "argo", f"{ARGO}/wire.py",
        '.replace("{{", "{\\\\u007b")', "", PLAYED + "text-in",
    ),
    Fault(
        "two braces together in an argument", "argo", f"{ARGO}/wire.py",
        'text = text.replace("{{", f"{{$({BRACE})")', "pass", PLAYED + "text-in",
    ),
    Fault(
        "retries are forgotten", "argo", f"{ARGO}/attributes.py",
        'body["retryStrategy"] = retry_strategy(step, retry, build)', "pass", PLAYED + "retry",
    ),
    Fault(
        "one retry too few", "argo", f"{ARGO}/attributes.py",
        '"limit": str(retry.limit)', '"limit": str(retry.limit - 1)', PLAYED + "retry",
    ),
    Fault(
        "every failure is retried", "argo", f"{ARGO}/attributes.py",
        'strategy["expression"] = " || ".join(_outcomes(retry))', "pass", PLAYED + "retry",
    ),
    Fault(
        "time limits of steps are dropped", "argo", f"{ARGO}/attributes.py",
        "if step.timeout is not None:", "if False:", PLAYED + "(limit or all-steps)",
    ),
    Fault(
        "the time limit of the workflow is dropped", "argo", f"{ARGO}/document.py",
        'spec["activeDeadlineSeconds"] = math.ceil(workflow.timeout)', "pass", PLAYED + "shape and limit",
    ),
    Fault(
        "variables of the environment are lost", "argo", f"{ARGO}/attributes.py",
        "for variable, text in zip(step.env, texts, strict=True)", "for variable, text in list(zip(step.env, texts, strict=True))[1:]", PLAYED + "variables",
    ),
    Fault(
        "a secret becomes a plain variable", "argo", f"{ARGO}/attributes.py",
        '"valueFrom": {"secretKeyRef": {"name": use.secret.name, "key": use.secret.key}}', '"value": use.secret.name', PLAYED + "secret",
    ),
    Fault(
        "allow_failure is lost", "argo", f"{ARGO}/wrappers.py",
        'tasks.append({"name": END, "template": pause(build), "depends": ended})', "pass", PLAYED + "allowed",
    ),
    Fault(
        "the items of a map are in another order", "argo", f"{ARGO}/wrappers.py",
        "return texts or None", "return texts[::-1] or None", PLAYED + "map",
    ),
    Fault(
        "a bound on the items is dropped", "argo", f"{ARGO}/wrappers.py",
        'body["parallelism"] = foreach.parallelism', "pass", PLAYED + "at-a-time",
    ),
    Fault(
        "a wrong bound of a loop", "argo", f"{ARGO}/wrappers.py",
        "bound = self.loop.max_iterations", "bound = self.loop.max_iterations + 1", PLAYED + "loop",
    ),
    Fault(
        "what a loop carries is lost", "argo", f"{ARGO}/wrappers.py",
        "self.carried = {parameter_name(name): output for name, output in given.carry.items()}", "self.carried = {}", PLAYED + "carr",
    ),
    Fault(
        "exit handlers are dropped", "argo", f"{ARGO}/document.py",
        'exits = {"onExit": build.templates.reserve(EXIT)} if', "exits = {} if", PLAYED + "exit",
    ),
    Fault(
        "exit handlers run on every outcome", "argo", f"{ARGO}/exits.py",
        "if wanted:", "if False:", PLAYED + "exit",
    ),
    Fault(
        "labels are declared and not written", "argo", f"{ARGO}/attributes.py",
        'body["metadata"] = {"labels": dict(step.labels)}', "pass", PLAYED + "labels",
    ),
    Fault(
        "the time zone of the schedule is lost", "argo", f"{ARGO}/document.py",
        '"timezone": schedule.timezone', '"timezone": "UTC"', PLAYED + "clock",
    ),
    Fault(
        "features are declared that cannot be written", "argo", f"{ARGO}/backend.py",
        "feature for feature in FEATURES if feature not in _REFUSED", "feature for feature in FEATURES", "test_backends",
    ),
    Fault(
        "a large value passes where a condition reads it", "argo", f"{ARGO}/large.py",
        "and read[name, output.name] == taken[name, output.name]", "and True", PLAYED + "large",
    ),
    Fault(
        "the artifact of a large value must always be there", "argo", f"{ARGO}/large.py",
        '"archive": {"none": {}},\n        "optional": True,', '"archive": {"none": {}},', PLAYED + "large",
    ),
    Fault(
        "a value that looks like a mark is taken for one", "argo", "runner/container.py",
        "if size <= limit and not _is_marked(value):", "if size <= limit:", PLAYED + "large",
    ),
)  # fmt: skip
"""Planted one at a time by ``python -m tests.conformance.mutate``."""
