"""The house rules that no tool holds: variables are documented, files and functions stay small, errors narrow."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from providers.environment import catalogue_entries

BASE_DIR = Path(settings.BASE_DIR)
PACKAGES = ("domainsite", "monitoring", "processing", "providers")
MAX_FILE_LINES = 400
MAX_FUNCTION_STATEMENTS = 40
PROVIDER_ENDINGS = "API_KEY|API_KEY_2|MODEL|BASE_URL|RPM|TPM|MAX_IN_FLIGHT"

# Where any exception may be caught, since it is recorded there and the work goes on: the tops of jobs.
BROAD_CATCHES_ALLOWED = {"processing/drain.py": 1}


def source_files() -> list[Path]:
    """Return our Python files, without migrations."""
    files = [path for name in (*PACKAGES, "tests") for path in sorted((BASE_DIR / name).rglob("*.py"))]
    return [*files, BASE_DIR / "manage.py", BASE_DIR / "gunicorn.conf.py"] if files else []


def product_files() -> list[Path]:
    """Return the same without tests."""
    return [path for path in source_files() if "migrations" not in path.parts and "tests" not in path.parts]


def name_of(path: Path) -> str:
    return str(path.relative_to(BASE_DIR))


def settings_variables() -> set[str]:
    """Return the variables that the settings read."""
    tree = ast.parse((BASE_DIR / "domainsite" / "settings.py").read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    reads = (
        call for call in calls if isinstance(call.func, ast.Attribute) and is_environment(call.func.value)
    )
    first = (call.args[0] for call in reads if call.args)
    return {str(argument.value) for argument in first if isinstance(argument, ast.Constant)} | {"ENV_FILE"}


def is_environment(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "env"


def documented_variables() -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (BASE_DIR / ".env.example").read_text(), re.MULTILINE)


def test_every_variable_is_documented_once_and_none_is_made_up() -> None:
    prefixes = "|".join(sorted({entry["env_prefix"] for entry in catalogue_entries()}))
    provider_variable = re.compile(rf"({prefixes})_({PROVIDER_ENDINGS})")
    documented = [name for name in documented_variables() if not provider_variable.fullmatch(name)]

    assert sorted(documented) == sorted(settings_variables())


def test_every_provider_prefix_is_documented() -> None:
    text = (BASE_DIR / ".env.example").read_text()

    assert [entry["env_prefix"] for entry in catalogue_entries() if entry["env_prefix"] not in text] == []


def test_every_variable_explains_itself() -> None:
    lines = (BASE_DIR / ".env.example").read_text().splitlines()
    blocks = "\n".join(lines).split("\n\n")

    assert all(re.search(r"^# ", block, re.MULTILINE) for block in blocks)


@pytest.mark.parametrize("path", source_files(), ids=name_of)
def test_file_stays_below_the_wall(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", product_files(), ids=name_of)
def test_functions_stay_below_the_wall(path: Path) -> None:
    long = {
        function.name: n
        for function in functions(path)
        if (n := sum(isinstance(node, ast.stmt) for node in ast.walk(function)) - 1) > MAX_FUNCTION_STATEMENTS
    }

    assert long == {}


def test_any_exception_is_caught_only_at_the_tops_of_jobs() -> None:
    broad = re.compile(r"except( Exception| BaseException| \(.*\bException\b.*\))?( as \w+)?:")
    found = {name_of(path): len(broad.findall(path.read_text())) for path in product_files()}

    assert {name: n for name, n in found.items() if n} == BROAD_CATCHES_ALLOWED


def test_module_says_why_it_exists() -> None:
    silent = [
        name_of(path)
        for path in product_files()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []


def test_only_the_settings_read_the_environment() -> None:
    readers = re.compile(r"os\.environ|os\.getenv|getenv\(")
    allowed = {
        "domainsite/environment.py",
        "domainsite/wsgi.py",  # names the settings
        "domainsite/supervisor.py",  # hands it on to children
        "domainsite/demo.py",  # hands it on, with the local model's address
        "gunicorn.conf.py",  # sets the pool of the web process
        "manage.py",  # names the settings
    }

    assert {name_of(path) for path in product_files() if readers.search(path.read_text())} <= allowed


def test_templates_and_scripts_load_nothing_from_elsewhere() -> None:
    files = [path for path in BASE_DIR.glob("*/**/*") if path.suffix in (".html", ".js", ".css")]
    ours = [path for path in files if path.relative_to(BASE_DIR).parts[0] in (*PACKAGES, "templates")]

    foreign = {name_of(path): re.findall(r"""https?://[^\s"'<>)]+""", path.read_text()) for path in ours}

    assert ours
    assert {
        name: found for name, found in foreign.items() if [url for url in found if "w3.org" not in url]
    } == {}


def test_lock_files_name_no_address() -> None:
    for path in BASE_DIR.glob("requirements*.lock"):
        assert "://" not in path.read_text(), path
        assert "--hash=sha256:" in path.read_text()


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_nothing_is_left_for_later(word: str) -> None:
    left = [name_of(path) for path in product_files() if re.search(rf"\b{word}\b", path.read_text())]

    assert left == []
