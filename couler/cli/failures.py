"""From an exception to what is printed and to the exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

import click

from couler.core.errors import (
    ConfigError,
    CoulerError,
    DefinitionError,
    EngineUnreachableError,
    InvalidWorkflowError,
    MissingExtraError,
    NotFoundError,
    ParameterError,
    ResourceError,
    TextFormError,
    UnsupportedFeatureError,
)

OK, RUN_FAILED, USAGE, INVALID, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES: dict[type[CoulerError], int] = {
    ConfigError: USAGE,
    ParameterError: USAGE,
    NotFoundError: USAGE,
    DefinitionError: INVALID,
    InvalidWorkflowError: INVALID,
    TextFormError: INVALID,
    UnsupportedFeatureError: INVALID,
    ResourceError: INVALID,
    MissingExtraError: INVALID,
    EngineUnreachableError: UNREACHABLE,
}
"""Error class to exit code; others end with 1."""


def exit_code(error: CoulerError) -> int:
    """The exit code of an error.

    >>> exit_code(EngineUnreachableError("no answer"))
    4
    """
    return next((EXIT_CODES[base] for base in type(error).__mro__ if base in EXIT_CODES), RUN_FAILED)


def guarded(action: Callable[[], object], debug: bool = False) -> int:
    """Call ``action`` and return its exit code; errors become a message without a traceback unless ``debug``."""
    try:
        result = action()
        sys.stdout.flush()
        return result if isinstance(result, int) else OK
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except BrokenPipeError:
        return _hush()
    except (KeyboardInterrupt, click.Abort) as error:
        say("; ".join(["interrupted", *getattr(error, "__notes__", ())]))
        return INTERRUPTED
    except CoulerError as error:
        say(traceback.format_exc() if debug else f"error: {error}")
        return exit_code(error)
    except OSError as error:
        if not error.filename:
            raise
        say(traceback.format_exc() if debug else f"error: {error.filename}: {error.strerror}")
        return RUN_FAILED


def say(text: str) -> None:
    """Print to standard error, after all that went to standard output."""
    try:
        sys.stdout.flush()
        click.echo(text, err=True)
    except BrokenPipeError:
        _hush()


def _hush() -> int:
    """The reader has gone (as in ``| head``): that is its right, and Python must not complain at its own end."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    return OK
