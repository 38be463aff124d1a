"""Commands on a workflow file or on a run: what is common to their parsing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from couler import driver
from couler.cli.failures import say
from couler.cli.options import REMOTE, RUNNING, STORE, setting_options
from couler.cli.parameters import as_option, from_file, from_pairs
from couler.cli.talk import listen
from couler.config import Settings, load_settings
from couler.core.errors import CoulerError, NotFoundError
from couler.core.ir.model import Workflow


@dataclass(frozen=True, slots=True)
class Job:
    """A workflow with the parameters and settings that the command line gave it."""

    workflow: Workflow
    parameters: Mapping[str, Any]
    settings: Settings


class WorkflowCommand(click.Command):
    """``couler VERB FILE``: after the file, the workflow's own parameters are options. The function gets a `Job`."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params = [
            click.Argument(["file"], type=click.Path(path_type=Path)),
            *self.params,
            click.Option(["--workflow", "-w"], help="Name of the workflow, when the file has several."),
            click.Option(["-p", "pairs"], multiple=True, metavar="NAME=VALUE", help="A parameter of the workflow."),
            click.Option(
                ["--params-file"], type=click.Path(path_type=Path), help="Parameters from JSON, YAML or TOML."
            ),
            *setting_options(*RUNNING),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the file first, then parse everything with the options of its workflow."""
        parser = self.make_parser(ctx)
        parser.ignore_unknown_options = True
        given = parser.parse_args(list(args))[0] if not ctx.resilient_parsing else {}
        self._workflow: Workflow | None = None
        own = list(self.params)
        if isinstance(given.get("file"), str):
            self._workflow = self._load(given, asks_help=bool({"-h", "--help"}.intersection(args)))
        if self._workflow is not None:
            self.params = [*own, *self._parameter_options(self._workflow)]
        try:
            rest = super().parse_args(ctx, args)
            ctx.params = self._finish(ctx.params) if self._workflow is not None else ctx.params
        finally:
            self.params = own
        return rest

    @staticmethod
    def _load(given: Mapping[str, Any], asks_help: bool) -> Workflow | None:
        try:
            return driver.load_workflow(given["file"], given.get("workflow"))
        except CoulerError as error:
            if not asks_help:
                raise
            say(f"note: the workflow's own parameters are not shown: {error.message}\n")
            return None

    def _parameter_options(self, workflow: Workflow) -> list[click.Option]:
        """Options for the parameters; one that would hide an option of couler is given as ``-p`` alone."""
        taken = {flag for param in self.params for flag in param.opts}
        options = [as_option(one, f"parameter_{number}") for number, one in enumerate(workflow.parameters)]
        return [option for option in options if not taken.intersection(option.opts)]

    def _finish(self, values: dict[str, Any]) -> dict[str, Any]:
        workflow = self._workflow
        assert workflow is not None
        declared = {one.name: one for one in workflow.parameters}
        found = from_file(values.pop("params_file")) if values["params_file"] else values.pop("params_file") or {}
        found |= from_pairs(values.pop("pairs"), declared)
        for number, one in enumerate(workflow.parameters):
            value = values.pop(f"parameter_{number}", None)
            if value is not None:
                found[one.name] = value
        flags = {name: values.pop(f"setting_{name}") for name in RUNNING}
        del values["file"], values["workflow"]
        return {"job": Job(workflow, found, _heeded(flags)), **values}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The workflow's parameters first, when the file was given."""
        own = [param for param in self.params if (param.name or "").startswith("parameter_")]
        if self._workflow is not None and self._workflow.parameters:
            with formatter.section(f"Parameters of {self._workflow.name}"):
                records = [record for param in own if (record := param.get_help_record(ctx))]
                shown = {param.name for param in own}
                for number, one in enumerate(self._workflow.parameters):
                    if f"parameter_{number}" not in shown:
                        records.append((f"-p {one.name}={one.type.upper()}", one.help or "Only as -p."))
                formatter.write_dl(records)
        kept, self.params = self.params, [param for param in self.params if param not in own]
        super().format_options(ctx, formatter)
        self.params = kept


class RunCommand(click.Command):
    """``couler VERB [RUN]``: the function gets the `couler.driver.Run` and the settings."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params = [
            click.Argument(["ref"], metavar="[RUN]", default="@latest", shell_complete=_run_ids),
            *self.params,
            *setting_options("engine", *STORE, *REMOTE, "log_level", "log_format"),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Load settings and run, then call the verb."""
        engine = ctx.params.get("setting_engine")
        settings = settings_from(ctx.params)
        ref = ctx.params.pop("ref")
        if engine is None and not has_runs(settings):
            raise NotFoundError(f"there are no runs in {settings.root}", "`couler run FILE` starts one")
        ctx.params["run"] = driver.get_run(ref, engine=engine, **remote_options(settings))
        ctx.params["settings"] = settings
        return super().invoke(ctx)


def settings_from(params: dict[str, Any]) -> Settings:
    """The settings, with the flags taken out of click's parameters."""
    flags = {name.removeprefix("setting_"): params.pop(name) for name in list(params) if name.startswith("setting_")}
    return _heeded(flags)


def _heeded(flags: Mapping[str, Any]) -> Settings:
    """The settings, with those that concern this process put into force."""
    settings = load_settings(flags)
    listen(settings)
    return settings


def store_options(settings: Settings) -> dict[str, Any]:
    """Where the runs are, for the driver."""
    return {"root": settings.root, "store": settings.store}


def remote_options(settings: Settings) -> dict[str, Any]:
    """Where the runs are, and where those of remote engines live, for the driver."""
    return store_options(settings) | _given(settings, REMOTE)


def _given(settings: Settings, names: Sequence[str]) -> dict[str, Any]:
    """Settings that somebody set; the others are left to the driver."""
    sources = settings.sources()
    return {name: getattr(settings, name) for name in names if sources[name].kind != "default"}


def has_runs(settings: Settings) -> bool:
    """Whether there can be runs; a look at them must not make a store."""
    return settings.store is not None or (settings.root / "runs.db").exists()


def run_options(settings: Settings) -> dict[str, Any]:
    """How to run, for the driver; what nobody set is left to it."""
    names = (
        *("artifacts", "runtime", "workers", "cpu", "memory", "max_value", "large_values", "service_account"),
        "airflow_containers",
    )
    return store_options(settings) | _given(settings, (*names, *REMOTE))


def _run_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Ids of the latest runs, for the shell."""
    settings = load_settings()
    runs = driver.list_runs(limit=30, **store_options(settings)) if has_runs(settings) else []
    return [run.id for run in runs if run.id.startswith(incomplete)]
