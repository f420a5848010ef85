"""The provider variables: which names are read, and that a wrong value is named and never shown."""

from pathlib import Path

import pytest

from providers.environment import ProviderSettings, catalogue_entries, provider_settings
from providers.rules.secret import Secret


def test_nothing_set() -> None:
    found = provider_settings({})

    assert set(found) == {entry["env_prefix"] for entry in catalogue_entries()}
    assert set(map(repr, found.values())) == {repr(ProviderSettings())}


def test_all_names_of_a_key() -> None:
    names = ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "OPENAI_API_KEY_20", "OPENAI_API_KEY3"]

    found = provider_settings({name: f"key-of-{name}" for name in names})

    assert found["OPENAI"].keys == {name: Secret(f"key-of-{name}") for name in names}


@pytest.mark.parametrize(
    ("variable", "prefix"),
    [
        ("GOOGLE_API_KEY", "GEMINI"),
        ("COHERE_API_KEY", "CO"),
        ("CO_API_KEY", "CO"),
        ("PPLX_API_KEY", "PERPLEXITY"),
    ],
)
def test_names_that_providers_themselves_use(variable: str, prefix: str) -> None:
    assert provider_settings({variable: "abcdef"})[prefix].keys == {variable: Secret("abcdef")}


def test_overrides() -> None:
    found = provider_settings(
        {
            "OPENAI_MODEL": "gpt-6-sol", "OPENAI_BASE_URL": "http://127.0.0.1:8080/v1/", "OPENAI_RPM": "30",
            "OPENAI_TPM": "9000", "OPENAI_MAX_IN_FLIGHT": "4",
        }
    )["OPENAI"]  # fmt: skip

    assert found == ProviderSettings(
        keys={}, model="gpt-6-sol", base_url="http://127.0.0.1:8080/v1", rpm=30, tpm=9000, max_in_flight=4
    )


def test_prefixes_do_not_mix() -> None:
    found = provider_settings({"OPENAI_COMPATIBLE_API_KEY": "one", "OPENAI_COMPATIBLE_MODEL": "m"})

    assert found["OPENAI"] == ProviderSettings()
    assert found["OPENAI_COMPATIBLE"].model == "m"


def test_key_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("sk-file\n")

    found = provider_settings({"GROQ_API_KEY_FILE": str(path), "GROQ_API_KEY_2_FILE": str(path)})

    assert found["GROQ"].keys == {"GROQ_API_KEY": Secret("sk-file"), "GROQ_API_KEY_2": Secret("sk-file")}


def test_empty_counts_as_not_set() -> None:
    assert provider_settings({"OPENAI_API_KEY": " ", "OPENAI_RPM": ""})["OPENAI"] == ProviderSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "two words"),
        ("OPENAI_API_KEY_2", "line\nbreak"),
        ("OPENAI_API_KEY", "schlüssel"),
        ("OPENAI_API_KEY_21", "sk-1"),
        ("OPENAI_API_KEY_0", "sk-1"),
        ("OPENAI_RPM", "0"),
        ("OPENAI_RPM", "abc"),
        ("OPENAI_TPM", "-3"),
        ("OPENAI_MAX_IN_FLIGHT", "1.5"),
        ("OPENAI_BASE_URL", "ftp://host"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("OPENAI_BASE_URL", "https://user:pass@host/v1"),
        ("OPENAI_BASE_URL", "https://host/v1?key=1"),
        ("OPENAI_BASE_URL", "https://host:port/v1"),
        ("OPENAI_MODEL", "m" * 121),
        ("OPENAI_API_KEY_FILE", "/does/not/exist"),
    ],
)
def test_wrong_value_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name) as raised:
        provider_settings({name: value})

    assert value not in str(raised.value).replace(name, "")


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"OPENAI_RPM.*\n.*XAI_TPM"):
        provider_settings({"OPENAI_RPM": "x", "XAI_TPM": "y"})


def test_key_and_file_at_once_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-file")

    with pytest.raises(ValueError, match="OPENAI_API_KEY_FILE is set too"):
        provider_settings({"OPENAI_API_KEY": "sk-1", "OPENAI_API_KEY_FILE": str(tmp_path / "key")})
