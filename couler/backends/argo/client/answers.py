"""What a cluster's refusal means for people: why it was, and what to do about it."""

from __future__ import annotations

from couler.backends.remote.retrying import AnswerError
from couler.core.errors import EngineError, EngineUnreachableError, NotFoundError


def explained(error: AnswerError, doing: str, where: str) -> EngineError | NotFoundError:
    """The error for people: what could not be done, why, and what to do about it.

    Args:
        error: The last answer.
        doing: What was tried, such as ``create workflow train-1a2b``.
        where: The cluster or server, such as ``https://host:6443 (namespace default)``.
    """
    text = f"cannot {doing} at {where}: {error.message or error.reason or error.code}"
    if error.code == 0:
        return EngineUnreachableError(text, "`couler doctor --engine argo` says what to check")
    if error.code == 404:
        return NotFoundError(text, _not_found_hint(error))
    if error.is_transient:
        return EngineUnreachableError(text, f"{_TRANSIENT_HINTS.get(error.code, 'try again later')}")
    return EngineError(text, _HINTS.get(error.code, "`couler doctor --engine argo` checks the cluster and your rights"))


def _not_found_hint(error: AnswerError) -> str:
    if "could not find the requested resource" in error.message or error.message.startswith("404 page"):
        return "Argo Workflows seems not to be installed there: `couler doctor --engine argo`"
    return "look at --namespace and --context; `couler list --engine argo` shows the runs there"


_TRANSIENT_HINTS = {
    403: "a quota of the namespace is used up: delete old runs with `couler delete`, or ask for more",
    409: "somebody else changes it at the same time; try again",
}
_HINTS = {
    401: "the cluster does not know you: log in again, or choose another --context or --kubeconfig",
    403: "you lack a right there: `couler doctor --engine argo` names it, and the rule to ask for",
    400: "the document is not what the cluster expects: `couler compile --engine argo` shows it",
    409: "it exists already: start a new run",
    413: "the document is larger than the cluster takes: pass large values as files",
    500: "the document is larger than the cluster takes: pass large values as files",
    422: "the cluster refuses the document: `couler compile --engine argo` shows it",
}
