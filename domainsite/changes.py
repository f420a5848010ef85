"""Sees that code was changed, by the files' times: for the reloading stack and for `make watch`."""

from pathlib import Path

WATCHED = ("domainsite", "monitoring", "processing", "providers", "templates", "tests")
WATCHED_SUFFIXES = {".py", ".lua", ".toml", ".html"}


def changed_at(base_dir: Path) -> float:
    """Return when a file of the project was changed last, in seconds since the epoch; 0 without any."""
    files = (
        path for name in WATCHED for path in (base_dir / name).rglob("*") if path.suffix in WATCHED_SUFFIXES
    )
    return max((path.stat().st_mtime for path in files if path.is_file()), default=0.0)
