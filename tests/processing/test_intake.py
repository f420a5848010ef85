"""Files of domains, the verdict of each row, and two imports at the same time."""

import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

from processing.errors import Invalid, TooLarge
from processing.models import Cohort, Domain
from processing.rules.import_rows import DomainRow, Format, cohort_name, rows_from_list
from processing.services.intake import MAX_ROWS, Verdict, VerdictKind, domains_import, parse_import
from tests.factories import make_cohort, make_domain

pytestmark = pytest.mark.django_db


def rows_of(text: str | bytes, kind: Format = Format.CSV) -> list[DomainRow]:
    return parse_import(text.encode() if isinstance(text, str) else text, kind=kind).rows


def imported(*items: object, **options: object) -> list[Verdict]:
    return domains_import(rows_from_list(items), actor="tests", **options)  # type: ignore[arg-type]


def kinds(verdicts: list[Verdict]) -> list[str]:
    return [str(verdict.verdict) for verdict in verdicts]


@pytest.mark.parametrize(
    "text",
    [
        "domain,cohort,display_name,category,priority,aliases\nnike.com,shoes|sport,Nike,Sport,7,Nike Inc|Swoosh",
        "Domain;Cohorts;Brand;Category;Priority;Alias\r\nnike.com;shoes|sport;Nike;Sport;7;Nike Inc|Swoosh\r\n",
        "domain\tcohort\tname\tcategory\tpriority\taliases\nnike.com\tshoes|sport\tNike\tSport\t7\tNike Inc|Swoosh",
        "\ufeffnike.com,shoes|sport,Nike,Sport,7,Nike Inc|Swoosh",
        'domain,cohort,display_name,category,priority,aliases\nnike.com,"shoes,sport",Nike,Sport,7,"Nike Inc,Swoosh"',
    ],
)
def test_csv_is_read_in_each_dialect(text: str) -> None:
    (row,) = rows_of(text)

    assert (row.name, row.cohorts, row.display_name) == ("nike.com", ("shoes", "sport"), "Nike")
    assert (row.category, row.priority, row.aliases) == ("Sport", 7, ("Nike Inc", "Swoosh"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_csv_is_read_in_each_encoding(encoding: str) -> None:
    (row,) = rows_of("domain,brand\nmünchen.de,München".encode(encoding))

    assert (row.name, row.display_name) == ("münchen.de", "München")


def test_csv_row_numbers_are_line_numbers() -> None:
    rows = rows_of('domain,brand\nnike.com,"Nike\n\nadidas.com,Adidas\npuma.com,a,b\n')

    assert [(row.row, row.input) for row in rows] == [
        (2, "nike.com"),
        (4, "adidas.com"),
        (5, "puma.com,a,b"),
    ]
    assert rows[2].problem.startswith("More cells than columns")


def test_csv_names_the_columns_that_it_ignores() -> None:
    result = parse_import(b"rank,domain\n1,nike.com\n", kind=Format.CSV)

    assert (result.ignored_columns, [row.name for row in result.rows]) == (["rank"], ["nike.com"])


def test_csv_without_a_domain_column_is_refused() -> None:
    with pytest.raises(Invalid, match="none is called domain"):
        rows_of("cohort,category\nshoes,sport\n")


def test_text_has_one_domain_per_line_and_comments() -> None:
    rows = rows_of("# shoes\nnike.com\n\nadidas.com # three stripes\n", Format.TEXT)

    assert [(row.row, row.name) for row in rows] == [(2, "nike.com"), (4, "adidas.com")]


@pytest.mark.parametrize("document", [["nike.com"], {"domains": ["nike.com"]}, [{"domain": "nike.com"}]])
def test_json_is_read_as_list_or_object(document: object) -> None:
    assert [row.name for row in rows_of(json.dumps(document), Format.JSON)] == ["nike.com"]


@pytest.mark.parametrize("text", ["", "{", '{"names": []}', "17", "[" * 100_000, "[" + "1" * 5000 + "]"])
def test_json_that_is_no_list_of_domains_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        rows_of(text, Format.JSON)


BAD_ITEMS = {
    "a number": 17,
    "null": None,
    "a list": ["nike.com"],
    "an unknown field": {"domain": "nike.com", "colour": "red"},
    "a field twice": {"domain": "nike.com", "cohort": "a", "cohorts": ["b"]},
    "no domain": {"category": "shoes"},
    "a domain of another kind": {"domain": 17},
    "a priority out of range": {"domain": "nike.com", "priority": 11},
    "a priority that is true": {"domain": "nike.com", "priority": True},
    "a priority that is half": {"domain": "nike.com", "priority": 1.5},
    "text that is none": {"domain": "nike.com", "display_name": 17},
    "text too long": {"domain": "nike.com", "category": "x" * 121},
    "NUL in text": {"domain": "nike.com", "display_name": "Ni\x00ke"},
    "half a surrogate pair": {"domain": "nike.com", "aliases": ["\ud800"]},
    "a cohort without a name": {"domain": "nike.com", "cohorts": ["!!!"]},
    "a surrogate in the domain": "\ud800.com",
}


@pytest.mark.parametrize("item", BAD_ITEMS.values(), ids=BAD_ITEMS.keys())
def test_import_says_why_a_row_is_invalid(item: object) -> None:
    bad, good = imported(item, "adidas.com")

    assert (bad.verdict, bad.id, good.verdict) == (VerdictKind.INVALID, None, VerdictKind.CREATED)
    assert bad.reason.endswith(".")
    json.dumps(bad.input, ensure_ascii=False).encode()


def test_import_loads_the_good_rows_and_names_the_ten_bad() -> None:
    lines = [f"brand{number}.com,shoes" for number in range(1, 1011)]
    bad = sorted(random.Random(7).sample(range(len(lines)), 10))
    for index in bad:
        lines[index] = "not a domain,shoes"

    verdicts = domains_import(rows_of("domain,cohort\n" + "\n".join(lines)), actor="tests")

    assert [verdict.row for verdict in verdicts if verdict.verdict == "invalid"] == [i + 2 for i in bad]
    assert Counter(kinds(verdicts)) == {"created": 1000, "invalid": 10}
    assert Domain.objects.filter(cohorts__name="shoes").count() == 1000


def test_import_gives_each_row_its_verdict() -> None:
    known = make_domain("known.com")

    verdicts = imported("new.com", "known.com", "https://www.NEW.com/", "nonsense")

    created = Domain.objects.get(name="new.com")
    assert kinds(verdicts) == ["created", "exists", "duplicate", "invalid"]
    assert [verdict.id for verdict in verdicts] == [created.id, known.id, created.id, None]
    assert verdicts[2].reason.startswith("The same name as in row 1")


def test_imported_domain_is_pending_at_once() -> None:
    imported({"domain": "nike.com", "name": "Nike", "priority": 9, "aliases": ["Swoosh"]})

    domain = Domain.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT due_at <= CURRENT_TIMESTAMP FROM processing_domain")
    assert (domain.display_name, domain.priority, domain.aliases) == ("Nike", 9, ["Swoosh"])
    assert domain.due_at is not None


def test_import_lets_a_known_domain_join_the_cohorts() -> None:
    domain = make_domain("nike.com", cohorts=(make_cohort(name="shoes"),), display_name="Nike")
    before = domain.updated_at

    (verdict,) = imported({"domain": "nike.com", "cohorts": ["shoes", "Sport & Fun"], "name": "Other"})

    domain.refresh_from_db()
    assert (verdict.verdict, verdict.reason) == (VerdictKind.UPDATED, "Joined: sport-fun.")
    assert {cohort.name for cohort in domain.cohorts.all()} == {"shoes", "sport-fun"}
    assert Cohort.objects.get(name="sport-fun").label == "Sport & Fun"
    assert domain.display_name == "Nike"
    assert domain.updated_at > before


def test_import_joins_the_cohorts_of_every_row_of_a_name() -> None:
    imported({"domain": "nike.com", "cohort": "shoes"}, {"domain": "www.nike.com", "cohort": "sport"})

    assert {cohort.name for cohort in Domain.objects.get().cohorts.all()} == {"shoes", "sport"}


def test_import_with_update_takes_over_what_the_row_says() -> None:
    make_domain("nike.com", display_name="Old", category="Sport", priority=3, is_archived=True)

    (verdict,) = imported({"domain": "nike.com", "display_name": "Nike", "priority": 8}, update=True)

    domain = Domain.objects.get()
    assert (verdict.verdict, verdict.reason) == (
        VerdictKind.UPDATED,
        "Changed: display_name, is_archived, priority.",
    )
    assert (domain.display_name, domain.category, domain.priority) == ("Nike", "Sport", 8)
    assert not domain.is_archived


def test_import_with_update_of_nothing_new_says_exists() -> None:
    make_domain("nike.com", display_name="Nike", priority=8)

    (verdict,) = imported({"domain": "nike.com", "display_name": "Nike", "priority": 8}, update=True)

    assert verdict.verdict is VerdictKind.EXISTS


@pytest.mark.parametrize("update", [True, False])
def test_dry_run_gives_the_same_verdicts_and_writes_nothing(update: bool) -> None:
    make_domain("known.com", display_name="Old")
    items = ["new.com", {"domain": "known.com", "display_name": "New", "cohort": "shoes"}, "new.com", "x"]

    promised = imported(*items, dry_run=True, update=update)

    assert Domain.objects.filter(name="new.com").count() == Cohort.objects.count() == 0
    assert Domain.objects.get().display_name == "Old"
    assert kinds(promised) == kinds(imported(*items, update=update))


def test_import_makes_no_statement_per_row() -> None:
    def statements(prefix: str, n: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            imported(*({"domain": f"{prefix}{i}.com", "cohort": f"c{i % 3}"} for i in range(n)))
        return len(captured)

    assert statements("few", 2) == statements("more", 40)


def test_import_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="10,001 rows"):
        imported(*(["nike.com"] * (MAX_ROWS + 1)))


def test_cohort_name_is_a_slug() -> None:
    assert [cohort_name(text) for text in ("AI & LLM leaders", "top_sites", "Café", "日本")] == [
        "ai-llm-leaders",
        "top_sites",
        "cafe",
        "",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("update", [True, False])
def test_imports_of_the_same_names_at_the_same_time_all_succeed(update: bool) -> None:
    make_domain("brand7.com")

    def import_shuffled(seed: int) -> list[Verdict]:
        items = [{"domain": f"brand{i}.com", "cohort": f"c{i % 3}", "name": f"B{seed}"} for i in range(300)]
        random.Random(seed).shuffle(items)
        try:
            return imported(*items, update=update)
        finally:
            close_old_connections()
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(import_shuffled, range(4)))

    counts = Counter(kind for verdicts in results for kind in kinds(verdicts))
    assert counts["created"] == 299
    assert counts["invalid"] == counts["duplicate"] == 0
    assert Domain.objects.count() == 300
    assert all(domain.cohorts.count() == 1 for domain in Domain.objects.prefetch_related("cohorts"))


@pytest.fixture
def domain_file(tmp_path: Path) -> Path:
    path = tmp_path / "domains.csv"
    path.write_text("domain,cohort\nnike.com,shoes\nnot a domain,shoes\n")
    return path


def test_import_domains_prints_the_summary_and_the_bad_rows(
    domain_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_domains", str(domain_file), cohort=["sport"])

    printed = capsys.readouterr().out
    assert "row 3" in printed
    assert "not a domain" in printed
    assert "1 created" in printed
    assert {cohort.name for cohort in Domain.objects.get().cohorts.all()} == {"shoes", "sport"}


def test_import_domains_dry_run_writes_nothing(domain_file: Path) -> None:
    call_command("import_domains", str(domain_file), dry_run=True)

    assert not Domain.objects.exists()


@pytest.mark.parametrize("content", ["", "not a domain\n", "cohort\nshoes\n"])
def test_import_domains_fails_when_nothing_is_usable(tmp_path: Path, content: str) -> None:
    path = tmp_path / "domains.csv"
    path.write_text(content)

    with pytest.raises(CommandError) as failed:
        call_command("import_domains", str(path))

    assert failed.value.returncode == 1


def test_import_domains_of_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_domains", str(tmp_path / "nowhere.csv"))
