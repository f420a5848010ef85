"""Where a provider is asked: its base URL as people write it, and a path below it."""

from typing import Any
from urllib.parse import urlsplit


def base_url_for(base_url: str, quirks: dict[str, Any]) -> str:
    """Return the base URL without trailing slash; a bare host gets the provider's `default_version_path`.

    Worked example: `http://localhost:8080/` with `/v1` → `http://localhost:8080/v1`.
    """
    plain = base_url.strip().rstrip("/")
    version_path = quirks.get("default_version_path", "")
    return plain if urlsplit(plain).path else plain + version_path


def url_below(base_url: str, path: str) -> str:
    """Return `path` below `base_url`; a version that ends the one and begins the other is not repeated.

    Worked example: `http://proxy/v1` and `/v1/messages` → `http://proxy/v1/messages`.
    """
    base, rest = base_url.rstrip("/"), path.lstrip("/")
    first, _, below = rest.partition("/")
    if below and urlsplit(base).path.rpartition("/")[2] == first:
        rest = below
    return f"{base}/{rest}"
