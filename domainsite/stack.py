"""The whole service in the foreground: embedded server, schema, web, workers, scheduler.

`make run` and `make dev` come here. Everything that is started stops with us: on Ctrl-C and SIGTERM after a
bounded grace time, on `kill -9` by the kernel. On several machines nothing of this is needed: the same
commands run under whatever supervises there.
"""

import secrets
import socket
import sys
import time
from collections.abc import Iterator
from typing import IO

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections

from domainsite.changes import changed_at
from domainsite.embedded import EmbeddedServer, EmbeddedServerError
from domainsite.preparing import prepare
from domainsite.supervisor import Service, Supervisor

STOP_MARGIN_S = 5  # beyond what a worker takes to give back its questions
SERVER_LOOK_EVERY_S = 2.0


class PortInUse(Exception):
    """Something else listens at the address of the web process."""


def manage(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a management command, run by this very Python."""
    return (sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments)


def worker_services(*, n_workers: int) -> list[Service]:
    """Return what asks: the workers of the drain queues, the `system` worker, the scheduler."""
    workers = [
        Service(f"worker-{number}", manage("rqworker", *settings.DRAIN_QUEUES))
        for number in range(1, n_workers + 1)
    ]
    return [
        *workers,
        Service("system", manage("rqworker", settings.SYSTEM_QUEUE)),
        Service("scheduler", manage("scheduler")),
    ]


def web_service(*, is_reloading: bool) -> Service:
    """Return the web process: gunicorn, or Django's own server where code is being changed."""
    if is_reloading:
        address = f"{settings.BIND_ADDRESS}:{settings.PORT}"
        return Service("web", manage("runserver", address), reloads_itself=True)
    gunicorn = (sys.executable, "-m", "gunicorn", "--config", str(settings.BASE_DIR / "gunicorn.conf.py"))
    return Service("web", (*gunicorn, "--chdir", str(settings.BASE_DIR), "domainsite.wsgi"))


def stack_run(*, is_reloading: bool, out: IO[str]) -> None:
    """Bring everything up and keep it up until told to stop.

    Raises:
        PortInUse: the web process could not listen.
        EmbeddedServerError: the Redis-compatible server does not start.
    """
    port_check(settings.BIND_ADDRESS, settings.PORT)
    supervisor = Supervisor(
        [web_service(is_reloading=is_reloading), *worker_services(n_workers=settings.QUEUE_CONCURRENCY)],
        grace_s=settings.SHUTDOWN_GRACE_S + STOP_MARGIN_S,
        out=out,
    )
    supervisor.take_signals()
    server = EmbeddedServer(settings.STATE_DIR) if settings.REDIS_IS_EMBEDDED else None
    try:
        if server:
            server.start()
        prepare(verbosity=0)
        for line in _greeting():
            out.write(f"{line}\n")
        connections.close_all()  # children fork from here
        _keep_up(supervisor, server, is_reloading=is_reloading)
    finally:
        out.write("Stopping …\n")
        supervisor.stop_all()
        if server:
            server.stop()
    out.write("Stopped.\n")


def port_check(host: str, port: int) -> None:
    """Find out whether the web process can listen, before anything is started.

    Raises:
        PortInUse: it cannot; the message says what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            reason = f"{host}:{port} cannot be listened at ({error.strerror})"
            raise PortInUse(
                f"{reason}: stop what uses it, or choose another port, as in PORT={port + 1}."
            ) from error


def first_login() -> tuple[str, str] | None:
    """Make the superuser `admin` when there is none and return the login; its password is kept nowhere in clear."""
    if User.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    user, _is_new = User.objects.get_or_create(username="admin")
    user.is_staff = user.is_superuser = user.is_active = True
    user.set_password(password)
    user.save()
    return user.username, password


def _greeting() -> Iterator[str]:
    address = f"http://{settings.BIND_ADDRESS}:{settings.PORT}"
    yield f"Domain Processor {settings.VERSION} ({settings.ENVIRONMENT})"
    yield f"Admin: {address}/admin/   API: {address}/api/v2"
    if login := first_login():
        yield f"Staff login, shown this once: user {login[0]}, password {login[1]}"
    yield f"{settings.QUEUE_CONCURRENCY} workers. Ctrl-C stops everything."


def _keep_up(supervisor: Supervisor, server: EmbeddedServer | None, *, is_reloading: bool) -> None:
    seen = changed_at(settings.BASE_DIR) if is_reloading else 0.0
    look_at_s = time.monotonic() + SERVER_LOOK_EVERY_S
    while supervisor.step():
        if time.monotonic() < look_at_s:
            continue
        look_at_s = time.monotonic() + SERVER_LOOK_EVERY_S
        if server and not server.answers():
            _server_restart(server, supervisor)
        if is_reloading and (newest := changed_at(settings.BASE_DIR)) > seen:
            seen = newest
            supervisor.restart()


def _server_restart(server: EmbeddedServer, supervisor: Supervisor) -> None:
    server.stop()
    try:
        server.start()
    except EmbeddedServerError as error:
        supervisor.say("server", f"{error} It is tried again.")
