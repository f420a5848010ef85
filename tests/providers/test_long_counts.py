"""What long limits have used, as the record of usage tells it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from providers.clock import database_now
from providers.facts import PoolLimit
from providers.long_counts import limit_used
from providers.models import ApiKey, LanguageModel
from providers.rules.periods import period_starts_ms
from providers.usage import UsageRow, usage_add
from tests.factories import make_key, make_model

pytestmark = pytest.mark.django_db
DAY_MS = 86_400_000


def use(model: LanguageModel, key: ApiKey, *, at: datetime, n: int) -> None:
    """Book `n` calls of 10 input and 20 output tokens each."""
    usage_add([
        UsageRow(
            at, uuid4(), model.provider_id, model.pk, key.pk, "answered",
            n_calls=n, input_tokens=10 * n, output_tokens=20 * n,
        )
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("what", "amount"), [("requests", 3), ("tokens", 90), ("input_tokens", 30), ("output_tokens", 60)]
)
def test_calendar_limit_counts_from_the_start_of_its_period(what: str, amount: int) -> None:
    model = make_model()
    key = make_key(provider=model.provider)
    start_ms, *_ = period_starts_ms("month", "UTC", now=database_now())
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    use(model, key, at=start - timedelta(minutes=1), n=50)
    use(model, key, at=start, n=3)

    limit = PoolLimit(what, 1000, None, f"{key.pool_id}", resets="month")

    assert limit_used(key.pool_id, limit) == [(start_ms, amount)]


def test_rolling_limit_counts_by_hours_and_only_its_own_model_and_pool() -> None:
    model = make_model()
    other, key = make_model(provider=model.provider), make_key(provider=model.provider)
    now = database_now()
    for hours in (1, 5, 30):
        use(model, key, at=now - timedelta(hours=hours), n=hours)
    use(other, key, at=now - timedelta(hours=1), n=100)
    use(model, make_key(), at=now - timedelta(hours=1), n=100)

    own = limit_used(key.pool_id, PoolLimit("requests", 9, DAY_MS, f"{key.pool_id}:{model.pk}"))
    whole = limit_used(key.pool_id, PoolLimit("requests", 9, DAY_MS, f"{key.pool_id}"))

    assert [n for _, n in own] == [5, 1]
    assert sum(n for _, n in whole) == 106
    assert all(at_ms / 1000 <= database_now().timestamp() for at_ms, _ in own)
