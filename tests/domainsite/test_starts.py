"""Real starts: secrets made by racing processes agree, wrong settings stop every command without a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.processes import bare_environment

SHOW_SECRETS = "from domainsite import settings as s; print(s.SECRET_KEY, s.FIELD_ENCRYPTION_KEYS)"


def started(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env=bare_environment(tmp_path, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_secrets_made_by_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    processes = [started(tmp_path, "-c", SHOW_SECRETS) for _ in range(5)]

    shown = {process.communicate(timeout=60)[0] for process in processes}

    assert len(shown) == 1
    assert set(json.loads((tmp_path / "secrets.json").read_text())) == {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS"}


def test_secrets_file_is_private(tmp_path: Path) -> None:
    started(tmp_path, "-c", SHOW_SECRETS).communicate(timeout=60)

    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("variable", "variables"),
    [
        ("PORT", {"PORT": "abc"}),
        ("DEBUG", {"ENVIRONMENT": "production", "DEBUG": "true"}),
        ("ALLOWED_HOSTS", {"ENVIRONMENT": "staging"}),
        ("OPENAI_RPM", {"OPENAI_RPM": "many"}),
    ],
)
def test_wrong_variable_stops_the_start_and_is_named(
    tmp_path: Path, variable: str, variables: dict[str, str]
) -> None:
    process = started(tmp_path, "manage.py", "rqworker", "default", **variables)

    _output, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"\n  {variable}: " in errors
    assert "Traceback" not in errors


def test_gunicorn_names_a_wrong_variable(tmp_path: Path) -> None:
    process = started(tmp_path, "-m", "gunicorn", "domainsite.wsgi", PORT="99999999")

    _output, errors = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "PORT: 99999999 is out of range" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [("rqworker", "default"), ("scheduler",)])
def test_worker_and_scheduler_refuse_an_unprepared_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    process = started(tmp_path, "manage.py", *command)

    _output, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "migrations are not applied" in errors
    assert "manage.py prepare" in errors


def test_gunicorn_refuses_an_unprepared_database(tmp_path: Path) -> None:
    process = started(tmp_path, "-m", "gunicorn", "--bind", "127.0.0.1:0", "domainsite.wsgi")

    _output, errors = process.communicate(timeout=60)

    assert process.returncode != 0
    assert "migrations are not applied" in errors


def test_prepare_at_the_same_time_succeeds_twice(tmp_path: Path) -> None:
    processes = [started(tmp_path, "manage.py", "prepare", "-v", "0") for _ in range(2)]

    ends = [(process.communicate(timeout=120), process.returncode) for process in processes]

    assert [code for _output, code in ends] == [0, 0], ends
