"""Wrong variables are named, all of them at once; values may come from files; databases are set up to last."""

import base64
from pathlib import Path
from typing import Any

import pytest

from domainsite.environment import Environment, SettingsError, socket_path_for

KEY = "k1:" + base64.b64encode(bytes(range(32))).decode()
STRONG = "correct-horse-battery-staple-correct-horse-battery-0123456789"


def environment(tmp_path: Path, **variables: str) -> Environment:
    return Environment(base_dir=tmp_path, variables=variables)


def test_all_errors_are_raised_together(tmp_path: Path) -> None:
    env = environment(tmp_path, PORT="abc", DEBUG="ture", ENVIRONMENT="prod")
    env.integer("PORT", default=8000, minimum=1, maximum=65535, meaning="TCP port")
    env.boolean("DEBUG", default=False)
    env.choice("ENVIRONMENT", ["development", "production"], default="development")

    with pytest.raises(SettingsError) as raised:
        env.raise_for_errors()

    assert str(raised.value).splitlines() == [
        "The environment is not usable:",
        '  PORT: "abc" is not a whole number (TCP port, 1–65535)',
        '  DEBUG: "ture" is neither true nor false',
        '  ENVIRONMENT: "prod" is none of development, production',
    ]


@pytest.mark.parametrize("text", ["0", "65536", "-1", "1" * 5000])
def test_integer_out_of_range_is_refused(tmp_path: Path, text: str) -> None:
    env = environment(tmp_path, PORT=text)

    found = env.integer("PORT", default=8000, minimum=1, maximum=65535, meaning="TCP port")

    assert found == 8000
    assert env.errors[0].endswith("is out of range (TCP port, 1–65535)")


@pytest.mark.parametrize("text", ["1.5", "²", "0x10", "1e3", "1_000"])
def test_integer_in_another_form_is_refused(tmp_path: Path, text: str) -> None:
    env = environment(tmp_path, PORT=text)

    env.integer("PORT", default=8000, minimum=1, maximum=65535, meaning="TCP port")

    assert "is not a whole number" in env.errors[0]


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    env = environment(tmp_path, PORT=" ", REFRESH_AFTER_DAYS="")

    assert env.integer("PORT", default=8000, minimum=1, maximum=9000, meaning="TCP port") == 8000
    assert env.optional_integer("REFRESH_AFTER_DAYS", default=7, minimum=1, maximum=9, meaning="days") == 7
    assert env.errors == []


def test_optional_integer_takes_none(tmp_path: Path) -> None:
    env = environment(tmp_path, REFRESH_AFTER_DAYS="None")

    assert env.optional_integer("REFRESH_AFTER_DAYS", default=7, minimum=1, maximum=9, meaning="days") is None


def test_env_file_fills_in_what_the_environment_lacks(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nLOG_LEVEL=ERROR\n")
    env = environment(tmp_path, PORT="9001")

    assert (env.given("PORT"), env.given("LOG_LEVEL")) == ("9001", "ERROR")


def test_env_file_that_is_missing_is_named(tmp_path: Path) -> None:
    env = environment(tmp_path, ENV_FILE=str(tmp_path / "nowhere"))

    assert env.errors == [f'ENV_FILE: "{tmp_path}/nowhere" is not a file']


def test_secret_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{STRONG}\n")
    env = environment(tmp_path, SECRET_KEY_FILE=str(tmp_path / "secret"))

    assert env.secret("SECRET_KEY", min_length=50, made_in=None) == STRONG
    assert env.errors == []


@pytest.mark.parametrize("content", [None, "", "both"])
def test_secret_file_that_cannot_be_used_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    others = {"SECRET_KEY": STRONG} if content == "both" else {}
    env = environment(tmp_path, SECRET_KEY_FILE=str(tmp_path / "secret"), **others)

    env.secret("SECRET_KEY", min_length=50, made_in=None)

    assert env.errors[0].startswith("SECRET_KEY_FILE: ")


@pytest.mark.parametrize("weak", ["changeme", "a" * 60, f"django-insecure-{STRONG}"])
def test_secret_that_is_weak_stops_production_without_being_quoted(tmp_path: Path, weak: str) -> None:
    env = environment(tmp_path, SECRET_KEY=weak)

    env.secret("SECRET_KEY", min_length=50, made_in=None)

    assert env.errors == ["SECRET_KEY: is weak: 50 random characters or more are needed"]


def test_secret_that_is_missing_stops_production(tmp_path: Path) -> None:
    env = environment(tmp_path)

    env.secret("SECRET_KEY", min_length=50, made_in=None)
    env.encryption_keys("FIELD_ENCRYPTION_KEYS", made_in=None)

    assert [error.partition(":")[0] for error in env.errors] == ["SECRET_KEY", "FIELD_ENCRYPTION_KEYS"]
    assert not list(tmp_path.iterdir())


def test_encryption_keys_keep_their_order(tmp_path: Path) -> None:
    newer = "k2:" + base64.b64encode(bytes(range(100, 132))).decode()
    env = environment(tmp_path, FIELD_ENCRYPTION_KEYS=f"{newer}, {KEY}")

    keys = env.encryption_keys("FIELD_ENCRYPTION_KEYS", made_in=None)

    assert list(keys.items()) == [("k2", bytes(range(100, 132))), ("k1", bytes(range(32)))]


@pytest.mark.parametrize(
    "text", ["nonsense", "k1:short", "k1:" + "A" * 43 + "=", f"{KEY},{KEY}", "k-1" + KEY[2:]]
)
def test_encryption_keys_that_are_wrong_are_named(tmp_path: Path, text: str) -> None:
    env = environment(tmp_path, FIELD_ENCRYPTION_KEYS=text)

    assert env.encryption_keys("FIELD_ENCRYPTION_KEYS", made_in=None) == {}
    assert env.errors[0].startswith("FIELD_ENCRYPTION_KEYS: is not `id:base64` pairs")


@pytest.mark.parametrize(
    ("hosts", "n_errors"), [({}, 1), ({"ALLOWED_HOSTS": "*"}, 1), ({"ALLOWED_HOSTS": "a.com"}, 0)]
)
def test_host_names_are_required_in_production(tmp_path: Path, hosts: dict[str, str], n_errors: int) -> None:
    env = environment(tmp_path, **hosts)

    env.host_names("ALLOWED_HOSTS", default=["localhost"], is_required=True)

    assert len(env.errors) == n_errors


@pytest.mark.parametrize("text", ["example.com", "ftp://example.com", "https://example.com/path", "https://"])
def test_url_that_is_no_address_is_refused(tmp_path: Path, text: str) -> None:
    env = environment(tmp_path, PUBLIC_URL=text)

    assert env.url("PUBLIC_URL", default="http://127.0.0.1:8000") == "http://127.0.0.1:8000"
    assert env.errors


def test_path_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    env = environment(tmp_path, STATE_DIR="taken")

    env.path("STATE_DIR", default=tmp_path)

    assert env.errors[0].startswith("STATE_DIR: ")


def database(tmp_path: Path, address: str, *, pool_size: int = 0) -> dict[str, Any]:
    env = environment(tmp_path, DATABASE_URL=address)
    found = env.database("DATABASE_URL", default_path=tmp_path / "db.sqlite3", pool_size=pool_size)
    assert env.errors == []
    return found


@pytest.mark.parametrize("address", ["", "sqlite:////elsewhere/db.sqlite3"])
def test_sqlite_takes_its_write_lock_at_once_and_waits(tmp_path: Path, address: str) -> None:
    found = database(tmp_path, address)

    assert found["NAME"] == ("/elsewhere/db.sqlite3" if address else str(tmp_path / "db.sqlite3"))
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["OPTIONS"]["timeout"] >= 30
    assert "journal_mode=WAL" in found["OPTIONS"]["init_command"]


def test_postgresql_has_a_pool_only_when_asked(tmp_path: Path) -> None:
    address = "postgres://user:p%40ss@db.example.com:5433/questions?sslmode=require"

    worker, web = database(tmp_path, address), database(tmp_path, address, pool_size=16)

    assert (worker["HOST"], worker["PORT"], worker["NAME"]) == ("db.example.com", 5433, "questions")
    assert (worker["USER"], worker["PASSWORD"]) == ("user", "p@ss")
    assert (worker["CONN_HEALTH_CHECKS"], worker["OPTIONS"]["sslmode"]) == (True, "require")
    assert "pool" not in worker["OPTIONS"]
    assert web["OPTIONS"]["pool"]["max_size"] == 16


@pytest.mark.parametrize(
    "address", ["mysql://localhost/x", "postgres://localhost", "nonsense", "postgres://h:port/x"]
)
def test_database_address_that_cannot_be_used_is_named(tmp_path: Path, address: str) -> None:
    env = environment(tmp_path, DATABASE_URL=address)

    env.database("DATABASE_URL", default_path=tmp_path / "db.sqlite3", pool_size=0)

    assert [error.partition(":")[0] for error in env.errors] == ["DATABASE_URL"]


def test_redis_without_an_address_is_the_embedded_socket(tmp_path: Path) -> None:
    env = environment(tmp_path)

    assert env.redis("REDIS_URL", state_dir=tmp_path) == f"unix://{socket_path_for(tmp_path)}?db=0"
    assert env.redis_is_embedded("REDIS_URL")


def test_redis_address_of_another_kind_is_named(tmp_path: Path) -> None:
    env = environment(tmp_path, REDIS_URL="http://localhost:6379")

    env.redis("REDIS_URL", state_dir=tmp_path)

    assert env.errors == ["REDIS_URL: is no redis://, rediss:// or unix:// address"]


def test_socket_path_is_short_however_deep_the_state_is(tmp_path: Path) -> None:
    path = socket_path_for(tmp_path / ("deep/" * 60))

    assert len(str(path).encode()) < 100
    assert path == socket_path_for(tmp_path / ("deep/" * 60)) != socket_path_for(tmp_path)
