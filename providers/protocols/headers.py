"""The headers of a request, the one place where a key is put into it: never into the address or the body."""

from providers.rules.secret import Secret

USER_AGENT = "domain-processor/1"
_HEADER_OF_STYLE = {"x-api-key": "x-api-key", "x-goog-api-key": "x-goog-api-key"}


def request_headers(*, auth_style: str, secret: Secret | None, extra: dict[str, str]) -> dict[str, str]:
    """Return the headers that authenticate with `secret` in the provider's style, with its extra ones."""
    headers = {"Accept": "application/json", "User-Agent": USER_AGENT, **extra}
    if secret is None:
        return headers
    if name := _HEADER_OF_STYLE.get(auth_style):
        headers[name] = secret.reveal()
    else:
        headers["Authorization"] = f"Bearer {secret.reveal()}"
    return headers
