"""Turns what people write for a web site into the one name under which we keep it.

The whole host name is kept, only `www.` goes: `aws.amazon.com` and `cloud.google.com` are brands of their
own, beside `amazon.com` and `google.com`. What is refused is what no registry could have given out.
Look-alike names are flagged, never refused: they are registered, and what a model knows of them may be the
very question. Words inside a name mean nothing: `create.com` and `select.io` are ordinary.

Not in here: looking up and storing names (`processing.services.intake`).
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

import idna
import tldextract

MAX_INPUT_CHARS = 1_000
MAX_NAME_CHARS = 253
MAX_LABEL_CHARS = 63

# The list of public suffixes that ships with the library: no network, no cache on disk. Private suffixes
# (`github.io`, `blogspot.com`) count as ordinary names, since they are brands too.
_public_suffixes = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)

_SCHEME = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//")
_END_OF_HOST = re.compile(r"[/?#\\]")
_PORT = re.compile(r":\d{0,5}$")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # surrogates too: neither database stores them

# Endings under which states keep their own sites: the ending itself is a name too (gov.uk, gob.mx, gouv.fr).
_STATE_ENDINGS = frozenset({"gov", "govt", "gouv", "gob", "gub"})
# Scripts that are written together in one word (Unicode UTS 39, "highly restrictive", 2026-11).
_WRITTEN_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
)
# Cyrillic letters that pass for Latin a, c, d, e, h, i, j, l, o, p, q, s, w, x, y, v: a part of nothing else
# is a look-alike although it is of one script, except under endings where people write Cyrillic. The address
# bar of Chromium has the same kind of rule (2026-11).
_LIKE_LATIN = frozenset(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d\u0445\u0443\u0475"
)
_CYRILLIC_ENDINGS = frozenset({"bg", "by", "kg", "kz", "mk", "mn", "rs", "ru", "su", "tj", "ua", "uz"})
# First words of Unicode names that are no script, or another word for one.
_SCRIPT_WORDS = {"IDEOGRAPHIC": "CJK", "MODIFIER": ""}


class NameRefused(ValueError):
    """The text names no web site; `reason` says why, and what to write instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DomainName:
    """A name as it is stored (`name`, ASCII, lower case) and as people read it (`unicode_name`)."""

    name: str
    unicode_name: str
    is_look_alike: bool


def parse_name(text: str) -> DomainName:
    """Read the domain out of a name or an address, e.g. `https://www.Nike.com:443/run` → `nike.com`.

    Drops white space, scheme, user name, port, path, query, trailing dot and `www.`; maps case, full-width
    letters and other dots as browsers do (UTS 46). The result, given in again, stays as it is.

    Raises `NameRefused`.
    """
    host = _host_of(text)
    name = _without_www(_ascii_form(host))
    if not _is_registrable(name):
        raise NameRefused(_why_not_registrable(name))
    unicode_name = idna.decode(name) if "xn--" in name else name
    return DomainName(name=name, unicode_name=unicode_name, is_look_alike=_is_look_alike(unicode_name))


def _host_of(text: str) -> str:
    if len(text) > MAX_INPUT_CHARS:
        raise NameRefused(f"Longer than {MAX_INPUT_CHARS:,} characters. Give a domain, e.g. nike.com.")
    text = text.strip()
    if not text:
        raise NameRefused("Empty. Give a domain, e.g. nike.com.")
    if _CONTROL.search(text):
        raise NameRefused("Holds control characters. Give one domain per row, as plain text.")
    scheme = _SCHEME.match(text)
    authority = _END_OF_HOST.split(text[scheme.end() :] if scheme else text, maxsplit=1)[0]
    if "@" in authority and not scheme:
        raise NameRefused("An e-mail address. Give the domain alone: the part after the @.")
    host = authority.rpartition("@")[2].strip()
    without_port = _PORT.sub("", host)
    if _is_ip_address(host) or _is_ip_address(without_port):
        raise NameRefused("An IP address. Give the domain name that stands for the brand.")
    return without_port


def _ascii_form(host: str) -> str:
    if re.search(r"\s", host):
        raise NameRefused("White space inside the name. Give one domain per row.")
    try:
        ascii_name = idna.encode(host, uts46=True, std3_rules=True).decode("ascii").removesuffix(".")
    except (idna.IDNAError, UnicodeError) as error:
        raise NameRefused(_why_not_a_name(host, error)) from error
    if _is_ip_address(ascii_name):
        raise NameRefused("An IP address. Give the domain name that stands for the brand.")
    return ascii_name


def _without_www(name: str) -> str:
    """`www.com` and `www.co.uk` are names themselves: `www.` goes only where a name is left."""
    while name.startswith("www.") and _is_registrable(name[4:]):
        name = name[4:]
    return name


def _is_registrable(name: str) -> bool:
    parts = _public_suffixes.extract_str(name)
    if parts.domain or not parts.suffix:
        return bool(parts.domain and parts.suffix)
    return name.partition(".")[0] in _STATE_ENDINGS and name.count(".") == 1


def _is_ip_address(host: str) -> bool:
    if not host[-1:].isdigit() and ":" not in host:
        return False
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _why_not_registrable(name: str) -> str:
    if "." not in name:
        return "Not a full domain name: it has no ending such as .com. Give e.g. nike.com."
    if _public_suffixes.extract_str(name).suffix:
        return f"Only an ending, no name before it: {name}. Give the whole domain, e.g. nike.{name}."
    return f"No registry gives out names that end in .{name.rpartition('.')[2]}. Check the spelling."


def _why_not_a_name(host: str, error: Exception) -> str:
    labels = host.removesuffix(".").split(".")
    causes = (
        (not all(labels), "Two dots in a row, or a dot at the start. Check the spelling."),
        (
            any(len(label) > MAX_LABEL_CHARS for label in labels),
            f"A part between two dots is longer than {MAX_LABEL_CHARS} characters.",
        ),
        (
            len(host) > MAX_NAME_CHARS,
            f"Longer than {MAX_NAME_CHARS} characters, the most that a name may have.",
        ),
        ("_" in host, "An underscore cannot stand in a web site's name. Check the spelling."),
        (":" in host, "Not an address that we can read. Give the domain alone, e.g. nike.com."),
        (
            any(label[:1] == "-" or label[-1:] == "-" for label in labels),
            "A part begins or ends with a hyphen. Check the spelling.",
        ),
    )
    return next(
        (words for holds, words in causes if holds), f"Not a valid internet name: {str(error)[:150]}."
    )


def _is_look_alike(unicode_name: str) -> bool:
    """True when a part mixes scripts that no language mixes, or all its letters pass for Latin ones."""
    if unicode_name.isascii():
        return False
    *labels, ending = unicode_name.split(".")
    may_pass = ending.isascii() and ending not in _CYRILLIC_ENDINGS
    return any(_mixes_scripts(label) or (may_pass and _passes_for_latin(label)) for label in labels)


def _mixes_scripts(label: str) -> bool:
    if label.isascii():
        return False
    scripts = {_script(character) for character in label if character.isalpha()} - {""}
    return len(scripts) > 1 and not any(scripts <= together for together in _WRITTEN_TOGETHER)


def _script(character: str) -> str:
    """The first word of a letter's Unicode name, e.g. `CYRILLIC`: there is no script property in Python."""
    word = unicodedata.name(character, "UNNAMED").split(maxsplit=1)[0].partition("-")[0]
    return _SCRIPT_WORDS.get(word, word)


def _passes_for_latin(label: str) -> bool:
    letters = {character for character in label if character.isalpha()}
    return bool(letters) and letters <= _LIKE_LATIN
