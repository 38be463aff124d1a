"""A warm process that runs one step at a time for the local engine; started as a file, without couler.

It talks to the runner in JSON messages with a length of four bytes in front, over an inherited socket. A second
pipe is its lifeline: when the runner dies, the pipe ends and the worker kills its whole process group.
One file, because it is started by its path and imports nothing of couler.
"""
# pathlib, contextlib and socket are not imported: they would double the time to start
# ruff: noqa: PTH100, PTH102, PTH103, PTH104, PTH106, PTH108, PTH112, PTH114, PTH118, PTH120, PTH123, PTH208, SIM105

from __future__ import annotations

import _frozen_importlib_external
import _socket
import _thread
import json
import os
import resource
import signal
import sys
import time

TYPE_CHECKING = False  # the module typing costs milliseconds
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

OUT_OF_MEMORY_CODES = (137, -9)


def main(link_number: int, lifeline: int) -> None:
    """Serve tasks until the runner closes the connection."""
    os.set_inheritable(link_number, False)
    os.set_inheritable(lifeline, False)
    _thread.start_new_thread(_die_with_runner, (lifeline,))
    link = _socket.socket(fileno=link_number)
    hello = receive(link)
    if hello is None:
        return
    _prepare(hello)
    worker = Worker(_load_runner(hello["runner"]), hello, link)
    while (task := receive(link)) is not None:
        if "hello" in task:
            worker.join(task["hello"])
        else:
            send(link, worker.serve(task))


def receive(link: _socket.socket) -> Any:
    """The next message, or None when the other side has closed."""
    head = _read(link, 4)
    if head is None:
        return None
    body = _read(link, int.from_bytes(head, "big"))
    return None if body is None else json.loads(body)


def send(link: _socket.socket, message: dict[str, Any]) -> None:
    """Send one message; when it has no JSON form, such as an integer of 5,000 digits, send that as an error."""
    try:
        body = json.dumps(message).encode()
    except ValueError as error:
        failure = {"kind": "StepError", "kinds": ["StepError"], "message": str(error), "exit_code": None}
        body = json.dumps({**message, "outputs": None, "error": failure}).encode()
    link.sendall(len(body).to_bytes(4, "big") + body)


def _read(link: _socket.socket, count: int) -> bytes | None:
    data = link.recv(count)
    if len(data) == count:
        return data
    parts = [data]
    missing = count - len(data)
    while missing and data:
        data = link.recv(min(missing, 1 << 20))
        parts.append(data)
        missing -= len(data)
    return None if missing else b"".join(parts)


def _die_with_runner(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    children = _Child.group
    if children:
        _kill_group(children)
    os.killpg(0, signal.SIGKILL)


def _prepare(hello: dict[str, Any]) -> None:
    sys.path[0] = hello["folder"]
    sys.path.extend(entry for entry in hello["python_path"] if entry not in sys.path)
    sys.argv = ["step"]


def _load_runner(path: str) -> ModuleType:
    module = type(sys)("couler_runner_function")
    module.__file__ = path
    sys.modules["couler_runner_function"] = module
    code = _frozen_importlib_external.SourceFileLoader("couler_runner_function", path).get_code(module.__name__)
    assert code is not None
    exec(code, module.__dict__)
    return module


class _Child:
    """The process group of the subprocess that runs now; 0 when there is none."""

    group = 0


class Worker:
    """Runs tasks one after the other and puts the process back as it was after each."""

    def __init__(self, runner: ModuleType, hello: dict[str, Any], link: _socket.socket) -> None:
        self.link = link
        self.runner = runner
        self.sources: dict[str, str] = {}
        self.path = list(sys.path)
        self.home = hello["folder"]
        self.memory = _PeakMemory()
        self.quiet = os.open(os.devnull, os.O_RDWR)
        os.dup2(self.quiet, 0)
        self.spare = -1
        self.join(hello)

    def join(self, hello: dict[str, Any]) -> None:
        """Work for a run, the first one or another."""
        os.environ.update(hello["env"])
        self.baseline = dict(os.environ)
        self.raw = dict(getattr(os.environ, "_data", {}))
        self.expected = self.raw
        self.scratch = os.path.join(hello["scratch"], str(os.getpid()))
        os.mkdir(self.scratch)
        if self.spare >= 0:
            os.close(self.spare)
        self.spare_path = self.scratch + ".log"
        self.spare = self._new_log(self.spare_path)

    def serve(self, task: dict[str, Any]) -> dict[str, Any]:
        """Run one task; the answer holds ``outputs`` or ``error``, what it used, and ``retire`` if it left a trace."""
        if "source" in task:
            self.sources[task["source_hash"]] = task["source"]
        elif "source_hash" in task:
            task["source"] = self.sources[task["source_hash"]]
        self.memory.reset()
        start, used = time.perf_counter(), _cpu_seconds()
        answer: dict[str, Any]
        try:
            answer = self._in_step(task)
        except BaseException as error:
            answer = {"error": self.runner.describe(error)}
        answer["id"] = task["id"]
        answer["wall"] = time.perf_counter() - start
        answer["cpu"] = _cpu_seconds() - used
        answer["memory"] = max(self.memory.read(), answer.pop("child_memory", 0))
        if task.get("retire"):
            answer["retire"] = True
        return answer

    def _in_step(self, task: dict[str, Any]) -> dict[str, Any]:
        folder, log_path = task["folder"], task["log"]
        scratch = not task.get("prepared")
        if scratch:
            folder = self.scratch
        log_file = self._open_log(log_path, "argv" not in task)
        mask = _Mask(task["mask"], log_file) if task.get("mask") else None
        log = mask.entrance if mask else log_file
        answer: dict[str, Any] = {}
        try:
            self._enter(task, folder, log)
            try:
                answer = _run_command(task, log, self) if "argv" in task else self._call(task)
            finally:
                task["retire"] = self._leave(task["env"])
        finally:
            if mask:
                mask.close()
                answer = mask.clean(answer)
            self._close_log(log_file, log_path)
            self._put_away(task["folder"], scratch, "outputs" in answer, task.get("keep", False))
        return answer

    def _open_log(self, path: str, spare: bool) -> int:
        """The log of a step; most stay empty, and a link to a file that is there costs a tenth of making one."""
        if spare:
            try:
                os.link(self.spare_path, path)
                return self.spare
            except OSError:  # the log of an earlier attempt, or a file system without links
                pass
        return self._new_log(path)

    def _new_log(self, path: str) -> int:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _close_log(self, log: int, path: str) -> None:
        empty = os.fstat(log).st_size == 0
        if empty:
            os.unlink(path)
        if log != self.spare:
            os.close(log)
        elif not empty:
            os.close(log)
            os.unlink(self.spare_path)
            self.spare = self._new_log(self.spare_path)

    def tell_up(self, task: dict[str, Any]) -> None:
        """Tell the runner that a daemon has begun."""
        if "daemon" in task:
            send(self.link, {"id": task["id"], "up": True})

    def _call(self, task: dict[str, Any]) -> dict[str, Any]:
        self.tell_up(task)
        answer: dict[str, Any] = self.runner.run(task)
        if "error" in answer:
            error = answer["error"]
            sys.stderr.write(error["traceback"] or error["message"] + "\n")
        return answer

    def _enter(self, task: dict[str, Any], folder: str, log: int) -> None:
        working_dir = task.get("working_dir")
        if working_dir:
            os.makedirs(working_dir, exist_ok=True)
        os.chdir(working_dir or folder)
        os.environ.update(task["env"])
        if self.raw:
            encoded = {os.fsencode(name): os.fsencode(value) for name, value in task["env"].items()}
            self.expected = {**self.raw, **encoded}
        os.dup2(log, 1)
        os.dup2(log, 2)

    def _leave(self, given: dict[str, str]) -> bool:
        """Put everything back; True when the step left threads or processes behind."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass
        sys.stdout, sys.stderr, sys.stdin = sys.__stdout__, sys.__stderr__, sys.__stdin__
        os.dup2(self.quiet, 1)
        os.dup2(self.quiet, 2)
        os.chdir(self.home)
        self._restore_environment(given)
        sys.path[:] = self.path
        sys.argv[:] = ["step"]
        return _left_something()

    def _restore_environment(self, given: dict[str, str]) -> None:
        if self.expected and getattr(os.environ, "_data", None) == self.expected:
            changed: Any = given  # the step itself changed nothing, which is quickly seen
        else:
            changed = {*os.environ, *self.baseline}
        for name in changed:
            value = self.baseline.get(name)
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def _put_away(self, folder: str, scratch: bool, good: bool, keep: bool) -> None:
        """Keep the folder of a failed step, and of a good one until its files are stored; empty the scratch folder.

        Making and removing a folder for each step would cost more than all the rest.
        """
        if not scratch:
            _drop_folder(folder, good and not keep)
        elif os.listdir(self.scratch):
            if good:
                _empty(self.scratch)
            else:
                _drop_folder(folder, True)
                os.rename(self.scratch, folder)
                os.mkdir(self.scratch)


def _empty(folder: str) -> None:
    """Remove what a step left."""
    import shutil

    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)


def _drop_folder(folder: str, whole: bool) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        if whole:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


class _Mask:
    """Replaces the values of secrets by ``***`` on the way to the log, and in what the step gives back."""

    def __init__(self, secrets: list[str], log: int) -> None:
        lines = [line for secret in secrets for line in [secret, *secret.splitlines()] if line.strip()]
        self.secrets = sorted(set(lines), key=len, reverse=True)
        self.log = log
        self.exit, self.entrance = os.pipe()
        self.done = _thread.allocate_lock()
        self.done.acquire()
        _thread.start_new_thread(self._copy, ())

    def _copy(self) -> None:
        rest = b""
        while True:
            data = os.read(self.exit, 65536)
            lines = (rest + data).split(b"\n")
            rest = lines.pop() if data else b""
            if lines:
                text = b"\n".join(lines) + (b"\n" if data else b"")
                for secret in self.secrets:
                    text = text.replace(secret.encode(), b"***")
                os.write(self.log, text)
            if not data:
                break
        os.close(self.exit)
        self.done.release()

    def close(self) -> None:
        """Wait until all has reached the log, at most a second: a process left behind may hold the entrance open."""
        os.close(self.entrance)
        self.done.acquire(timeout=1)

    def clean(self, value: Any) -> Any:
        """The same JSON without secrets."""
        if isinstance(value, str):
            for secret in self.secrets:
                value = value.replace(secret, "***")
            return value
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if isinstance(value, dict):
            return {self.clean(key): self.clean(item) for key, item in value.items()}
        return value


def _left_something() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
        return True
    except ChildProcessError:
        pass
    threading = sys.modules.get("threading")
    return threading is not None and threading.active_count() > 1


def _run_command(task: dict[str, Any], log: int, worker: Worker) -> dict[str, Any]:
    """Run a script or container command in a process group of its own; its standard output is the result as well."""
    import subprocess

    for path in task.get("stale", ()):
        _remove(path)
    for output in task["outputs"]:
        if output["type"] == "folder":
            os.makedirs(output["path"] or output["name"], exist_ok=True)
        elif output["path"]:
            os.makedirs(os.path.dirname(os.path.abspath(output["path"])), exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    signal.signal(signal.SIGTERM, _ignore)
    try:
        with subprocess.Popen(
            task["argv"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, process_group=0
        ) as child:
            _Child.group = child.pid
            assert child.stdout is not None
            worker.tell_up(task)
            text, too_large = _tee(child.stdout.fileno(), log, task["limit"])
            code = child.wait()
    except OSError as error:
        name = task["argv"][0]
        missing = isinstance(error, FileNotFoundError) and not os.path.isdir(name)
        message = (
            f"the command '{name}' does not exist on this machine" if missing else f"cannot start '{name}': {error}"
        )
        return {"error": {"kind": "CommandError", "kinds": ["CommandError"], "message": message, "exit_code": 127}}
    finally:
        if _Child.group:
            _kill_group(_Child.group)
        _Child.group = 0
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    answer = _command_answer(task, code, text, too_large, worker.runner)
    if after > before:
        answer["child_memory"] = after * _MAXRSS_UNIT
    return answer


def _ignore(number: int, frame: Any) -> None:
    """A stop reaches the command itself; the worker waits for it to end."""


def _tee(source: int, log: int, limit: int) -> tuple[bytes, bool]:
    """Copy the output to the log as it comes, and keep it up to the limit."""
    parts: list[bytes] = []
    size = 0
    while True:
        data = os.read(source, 65536)
        if not data:
            return b"".join(parts), size > limit
        os.write(log, data)
        size += len(data)
        if size <= limit:
            parts.append(data)


def _command_answer(
    task: dict[str, Any], code: int, text: bytes, too_large: bool, runner: ModuleType
) -> dict[str, Any]:
    if "function_result" in task:
        return _function_answer(task, code)
    if code:
        return {"error": _exit_error(code)}
    try:
        runner.check_files(task["step"], task["outputs"])
        values = _written_values(task, text, too_large, runner)
        runner.check_size(task["step"], values, task["limit"])
    except runner.StepError as error:
        return {"error": runner.describe(error)}
    return {"outputs": values}


def _function_answer(task: dict[str, Any], code: int) -> dict[str, Any]:
    """What a function in a container wrote as its result."""
    try:
        with open(task["function_result"], encoding="utf-8") as file:
            answer: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return {"error": _exit_error(code or 1)}
    os.unlink(task["function_result"])
    return answer


def _exit_error(code: int) -> dict[str, Any]:
    kind = "OutOfMemory" if code in OUT_OF_MEMORY_CODES and _oom_kills() else "ExitCode"
    if code == 137:
        kind = "OutOfMemory"
    message = f"exit code {code}"
    if code < 0:
        message = f"the command died with signal {signal.Signals(-code).name}"
        code = 128 - code
    return {"kind": kind, "kinds": [kind], "message": message, "exit_code": code}


def _oom_kills() -> bool:
    try:
        with open("/sys/fs/cgroup/memory.events", encoding="utf-8") as file:
            return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in file)
    except OSError:
        return False


def _written_values(task: dict[str, Any], text: bytes, too_large: bool, runner: ModuleType) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for output in task["outputs"]:
        if runner.is_file(output["type"]):
            continue
        name, path = output["name"], output["path"]
        if path:
            values[name] = _read_value(task["step"], output, runner)
        elif name == "result" and not too_large:
            values[name] = _parse_text(task["step"], output, text, runner)
        elif name == "result" and output.get("needed"):
            raise runner.StepError(
                f"the standard output of step '{task['step']}' is larger than the {task['limit']:,} bytes that a value "
                "may have; write it to a file output instead"
            )
    return values


def _read_value(step: str, output: dict[str, Any], runner: ModuleType) -> Any:
    try:
        with open(output["path"], "rb") as file:
            return _parse_text(step, output, file.read(), runner)
    except FileNotFoundError:
        if "default" in output:
            return output["default"]
        raise runner.StepError(
            f"step '{step}' ended without writing its output '{output['name']}' at {os.path.abspath(output['path'])}"
        ) from None


def _parse_text(step: str, output: dict[str, Any], data: bytes, runner: ModuleType) -> Any:
    """Text without one trailing newline; types other than str are read as JSON."""
    text = data.decode("utf-8", "surrogateescape")
    if text.endswith("\r\n"):
        text = text[:-2]
    elif text.endswith("\n"):
        text = text[:-1]
    kind = output["type"]
    if kind == "str":
        return text
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError:
        if kind == "any" or "str" in kind:
            return text
        raise runner.StepError(
            f"output '{output['name']}' of step '{step}' should be {kind} in JSON, and is {text[:80]!r}"
        ) from None
    return text if kind == "any" else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil

        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def _cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


class _PeakMemory:
    """The greatest resident memory since the last `reset`, in bytes; since the start where Linux cannot reset it."""

    def __init__(self) -> None:
        try:
            self.clear = os.open("/proc/self/clear_refs", os.O_WRONLY)
            self.status = os.open("/proc/self/status", os.O_RDONLY)
        except OSError:
            self.clear = self.status = -1

    def reset(self) -> None:
        if self.clear >= 0:
            os.write(self.clear, b"5")

    def read(self) -> int:
        if self.status >= 0:
            text = os.pread(self.status, 4096, 0)
            at = text.find(b"VmHWM:")
            if at >= 0:
                return int(text[at + 6 : text.index(b"kB", at)]) * 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT


if __name__ == "__main__":
    main(int(sys.argv[2]), int(sys.argv[3]))
