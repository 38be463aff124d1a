"""The entry point: the table of verbs, and what happens when one of them fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from couler.cli.failures import guarded
from couler.cli.lazy import LazyGroup, Verb

_WORKFLOWS, _RUNS, _ABOUT = "Workflows", "Runs", "Settings and help"

VERBS = {
    "run": Verb("couler.cli.verbs.run:run", "Run a workflow and wait for its end.", _WORKFLOWS),
    "submit": Verb("couler.cli.verbs.submit:submit", "Start a run and return at once.", _WORKFLOWS),
    "compile": Verb("couler.cli.verbs.compile:compile_", "Write a workflow in an engine's own form.", _WORKFLOWS),
    "validate": Verb("couler.cli.verbs.validate:validate", "Find all problems of a workflow.", _WORKFLOWS),
    "graph": Verb("couler.cli.verbs.graph:graph", "Draw a workflow.", _WORKFLOWS),
    "import": Verb("couler.cli.verbs.import_:import_", "Turn Argo YAML or an Airflow DAG into Python.", _WORKFLOWS),
    "list": Verb("couler.cli.verbs.list:list_", "List runs, the newest first.", _RUNS),
    "status": Verb("couler.cli.verbs.status:status", "Show how a run stands, step by step.", _RUNS),
    "logs": Verb("couler.cli.verbs.logs:logs", "Print what the steps wrote.", _RUNS),
    "wait": Verb("couler.cli.verbs.wait:wait", "Wait for the end of a run.", _RUNS),
    "stop": Verb("couler.cli.verbs.stop:stop", "Stop a run.", _RUNS),
    "suspend": Verb("couler.cli.verbs.suspend:suspend", "Let no new step of a run on a cluster start.", _RUNS),
    "retry": Verb("couler.cli.verbs.retry:retry", "Run the failed steps of a run again.", _RUNS),
    "resume": Verb("couler.cli.verbs.resume:resume", "Go on with a run that was interrupted or waits.", _RUNS),
    "delete": Verb("couler.cli.verbs.delete:delete", "Forget a run that has ended.", _RUNS),
    "engines": Verb("couler.cli.verbs.engines:engines", "Show what each engine can do.", _ABOUT),
    "config": Verb("couler.cli.verbs.config:config", "Show settings and where they come from.", _ABOUT),
    "doctor": Verb("couler.cli.verbs.doctor:doctor", "Check this machine and what to type to mend it.", _ABOUT),
    "completion": Verb("couler.cli.verbs.completion:completion", "Print the completion script of a shell.", _ABOUT),
    "version": Verb("couler.cli.verbs.version:version", "Print the version.", _ABOUT),
}
"""Name to where the verb lives; nothing is imported before it is used."""

_HELP = """Write an ML workflow once in Python and run it on this machine, with an engine that survives crashes.

\b
  couler run workflow.py              run it on this machine
  couler status                       how the latest run stands
  couler compile workflow.py          write it as YAML
"""

cli = LazyGroup(
    VERBS,
    name="couler",
    help=_HELP,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, help="Print the version.",
                     callback=lambda ctx, _, value: _print_version(ctx) if value else None),
    ],
    callback=lambda debug: None,
)  # fmt: skip


def _print_version(ctx: click.Context) -> None:
    from couler.cli.verbs.version import version_text  # only when asked

    click.echo(version_text())
    ctx.exit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code; see `couler.cli.failures` for the codes."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    sys.exit(guarded(lambda: _call([one for one in given if one != "--debug"]), debug))


def _call(words: list[str]) -> object:
    """What click's own ``main`` does, without its handling of errors."""
    completing = os.environ.get("_COULER_COMPLETE")
    if completing:
        from click.shell_completion import shell_complete  # only the shell asks

        return shell_complete(cli, {}, "couler", "_COULER_COMPLETE", completing)
    with cli.make_context("couler", words) as context:
        return cli.invoke(context)


if __name__ == "__main__":
    main()
