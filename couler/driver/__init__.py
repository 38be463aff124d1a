"""The story of a workflow: validate, optimise, lower, check, and then compile, submit or run."""

from couler.driver.handle import Run
from couler.driver.launch import doctor, get_run, list_runs, run, submit
from couler.driver.load import as_workflow, load_workflow
from couler.driver.plan import Plan, PlanRow, plan
from couler.driver.prepare import EngineInfo, compile, engines, validate

__all__ = [
    "EngineInfo",
    "Plan",
    "PlanRow",
    "Run",
    "as_workflow",
    "compile",
    "doctor",
    "engines",
    "get_run",
    "list_runs",
    "load_workflow",
    "plan",
    "run",
    "submit",
    "validate",
]
