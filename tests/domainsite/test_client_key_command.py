"""`manage.py client_key`: the key stands alone on the last line, once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("client_key", *arguments, stdout=out)
    return out.getvalue()


def test_created_key_is_the_last_line_and_works() -> None:
    text = run("create", "shop", "--scopes", "read,operate").splitlines()[-1]

    answer = APIClient().get("/api/v2/health", headers={"authorization": f"Api-Key {text}"})

    assert answer.json()["checks"][0]["message"] is not None


def test_listed_keys_show_no_secret() -> None:
    text = run("create", "shop").splitlines()[-1]
    run("revoke", "shop")

    assert run("list") == f"shop  {text.split('.')[0]}…  read  revoked\n"


@pytest.mark.parametrize("arguments", [("create", "shop", "--scopes", "all"), ("revoke", "nobody")])
def test_what_cannot_be_done_is_said(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
