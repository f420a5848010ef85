"""Latencies in bands: percentiles are within 5 % of the exact ones, and counts of many writers add up."""

import math
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.latencies import Latency, bucket_start, latencies_add
from providers.models import LatencyCount
from providers.rules.latency import ERROR_SHARE, band_of, middle_ms, percentile_ms
from tests.factories import make_key, make_model

AT = datetime(2026, 11, 24, 12, 37, 5, tzinfo=UTC)


def test_band_of_a_second() -> None:
    assert (band_of(1000), middle_ms(72), band_of(0), middle_ms(0)) == (72, 955.6, 0, 1.0)


def test_percentile_by_nearest_rank() -> None:
    counts = {10: 9, 30: 1}

    assert [percentile_ms(counts, percent) for percent in (50, 90, 95)] == [2.6, 2.6, 17.4]
    assert percentile_ms({}, 50) is None


@given(st.lists(st.integers(1, 600_000), min_size=1, max_size=60), st.sampled_from([50, 95, 99]))
def test_percentile_is_within_five_percent(latencies: list[int], percent: int) -> None:
    counts: dict[int, int] = {}
    for one in latencies:
        counts[band_of(one)] = counts.get(band_of(one), 0) + 1
    exact = sorted(latencies)[math.ceil(len(latencies) * percent / 100) - 1]

    found = percentile_ms(counts, percent)

    assert found is not None
    assert abs(found - exact) <= exact * ERROR_SHARE + 0.05


def test_ten_minutes() -> None:
    assert bucket_start(AT) == datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.mark.django_db
def test_counts_add_up() -> None:
    model = make_model()
    key = make_key(provider=model.provider)
    one = Latency(model.provider_id, model.pk, key.pk, 1000)
    drain = uuid.uuid4()

    latencies_add(drain, [one, one], at=AT)
    latencies_add(drain, [one], at=AT)
    latencies_add(uuid.uuid4(), [one], at=AT)
    latencies_add(drain, [], at=AT)

    assert sorted(LatencyCount.objects.values_list("band", "n_calls")) == [(72, 1), (72, 3)]
