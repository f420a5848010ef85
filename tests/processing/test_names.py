"""What counts as a domain, and under which name it is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processing.rules.names import DomainName, NameRefused, parse_name

READABLE = {
    "nike.com": "nike.com",
    " Nike.COM \n": "nike.com",
    "nike.com.": "nike.com",
    "www.nike.com": "nike.com",
    "https://user:secret@www.Nike.com:443/run?x=1#top": "nike.com",
    "//nike.com/run": "nike.com",
    "http://nike.com\\run": "nike.com",
    "nike.com:8080": "nike.com",
    "nike\u200b.com": "nike.com",
    "nike\u3002com\u3002": "nike.com",
    "\uff2e\uff29\uff2b\uff25.com": "nike.com",
    "create.com": "create.com",
    "select.io": "select.io",
    "drop.table.com": "drop.table.com",
    "aws.amazon.com": "aws.amazon.com",
    "bbc.co.uk": "bbc.co.uk",
    "www.gov.uk": "gov.uk",
    "gov.br": "gov.br",
    "www.com": "www.com",
    "www.co.uk": "www.co.uk",
    "www.www.com": "www.com",
    "blogspot.com": "blogspot.com",
    "shop.myshopify.com": "shop.myshopify.com",
    "München.de": "xn--mnchen-3ya.de",
    "xn--mnchen-3ya.de": "xn--mnchen-3ya.de",
    "straße.de": "xn--strae-oqa.de",
    "пример.рф": "xn--e1afmkfd.xn--p1ai",
    "食狮.公司.cn": "xn--85x722f.xn--55qx5d.cn",
}
REFUSED = {
    "": "Empty",
    "   ": "Empty",
    "nike": "no ending",
    "localhost": "no ending",
    "co.uk": "Only an ending",
    "gov": "no ending",
    "nike.notatld": "No registry",
    "printer.local": "No registry",
    "127.0.0.1": "IP address",
    "\uff11\uff12\uff17.0.0.1": "IP address",
    "http://[::1]:8000/": "IP address",
    "2001:db8::1": "IP address",
    "bob@nike.com": "e-mail",
    "nike..com": "Two dots",
    ".nike.com": "Two dots",
    "a" * 64 + ".com": "63 characters",
    ".".join(["a" * 60] * 5) + ".com": "253 characters",
    "a" * 1001: "1,000 characters",
    "ni ke.com": "White space",
    "nike\x00.com": "control characters",
    "nike\ud800.com": "control characters",
    "nike_run.com": "underscore",
    "-nike.com": "hyphen",
    "nike.com:abc": "Give the domain alone",
    "javascript:alert(1)": "Give the domain alone",
    "=cmd|'/c calc'!A1": "Not a valid",
    "😀.com": "Not a valid",
    "xn--zzzz.com": "Not a valid",
    "%6eike.com": "Not a valid",
}
LOOK_ALIKES = {
    "xn--pple-43d.com": True,  # Cyrillic a, then Latin
    "xn--80ak6aa92e.com": True,  # all Cyrillic, reads as "apple"
    "яндекс.ru": False,
    "\u043e\u0441\u0430.ru": False,  # passes for Latin, where Cyrillic is at home
    "ελλάδα.gr": False,
    "アマゾン.co.jp": False,
    "トヨタの車.jp": False,
    "münchen.de": False,
}


@pytest.mark.parametrize(("text", "name"), READABLE.items())
def test_parse_name_reads_the_domain_out(text: str, name: str) -> None:
    assert parse_name(text).name == name


@pytest.mark.parametrize(("text", "reason"), REFUSED.items())
def test_parse_name_refuses_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(NameRefused) as refused:
        parse_name(text)

    assert reason in refused.value.reason
    assert refused.value.reason.endswith(".")


@pytest.mark.parametrize(("text", "is_look_alike"), LOOK_ALIKES.items())
def test_parse_name_flags_look_alikes(text: str, is_look_alike: bool) -> None:
    assert parse_name(text).is_look_alike is is_look_alike


def test_parse_name_keeps_the_form_that_people_read() -> None:
    assert parse_name("MÜNCHEN.de") == DomainName(
        name="xn--mnchen-3ya.de", unicode_name="münchen.de", is_look_alike=False
    )


labels = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
likely_names = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "www.", "http://", "//u:p@"]),
    labels,
    st.sampled_from([".com", ".co.uk", ".рф", ""]),
)


@given(st.one_of(st.text(), likely_names))
def test_parse_name_is_stable_or_refuses(text: str) -> None:
    try:
        parsed = parse_name(text)
    except NameRefused:
        return

    assert parsed.name.isascii()
    assert parse_name(parsed.name) == parsed
    assert parse_name(parsed.unicode_name) == parsed
