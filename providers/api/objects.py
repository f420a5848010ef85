"""The objects of this app as they are sent. What is not known is null; money is text; names stand for rows."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from providers.limit_use import LimitUse
from providers.models import ApiKey, LanguageModel, LearnedLimit, Limit
from providers.overview import ModelView, PoolView, ProviderView
from providers.selectors import blocked_reasons
from providers.services import KeyTestResult
from providers.usage_figures import UsageFigures

Data = dict[str, Any]
Instant = serializers.DateTimeField(allow_null=True)


def instant(value: Any) -> str | None:
    """Return an instant in ISO 8601 with `Z`."""
    return None if value is None else Instant.to_representation(value)


def money(value: Decimal | None) -> str | None:
    """Return USD as text: `Decimal("0.5")` → `"0.50000000"`."""
    return None if value is None else f"{value:.8f}"


def key_data(key: ApiKey) -> Data:
    """Return a key by its last four characters."""
    return {
        "id": key.pk,
        "label": key.label,
        "last4": key.last4,
        "pool": key.pool.name,
        "source": key.source,
        "state": key.state,
        "state_reason": key.state_reason,
        "state_until": instant(key.state_until),
        "last_ok_at": instant(key.last_ok_at),
        "last_error_at": instant(key.last_error_at),
    }


def test_data(key: ApiKey, result: KeyTestResult) -> Data:
    """Return what a test call found; `is_ok` null: it proved nothing."""
    return {
        "key": key_data(key),
        "is_ok": result.is_ok,
        "message": result.message,
        "http_status": result.http_status,
        "latency_ms": result.latency_ms,
    }


def models_data(models: Iterable[LanguageModel]) -> list[Data]:
    """Return models whose provider is joined, with why they cannot be asked now (null: they can)."""
    models = list(models)
    blocked = blocked_reasons([model.pk for model in models])
    return [model_data(ModelView(model, blocked.get(model.pk, ""))) for model in models]


def model_data(view: ModelView) -> Data:
    """Return one model."""
    model = view.model
    return {
        "id": model.pk,
        "provider": model.provider.name,
        "model": model.name,
        "tier": model.tier,
        "is_default": model.is_default,
        "state": model.lane,
        "state_reason": model.lane_reason,
        "blocked_by": view.blocked or None,
        "paused_until": instant(model.lane_until),
        "max_output_tokens": model.max_output_tokens,
        "context_tokens": model.context_tokens,
    }


def provider_data(view: ProviderView, *, with_models: bool = False, with_keys: bool = False) -> Data:
    """Return a provider; its models, and its pools with their keys and limits, on its own page."""
    provider = view.provider
    data: Data = {
        "name": provider.name,
        "label": provider.label,
        "state": view.state,
        "is_enabled": provider.is_enabled,
        "is_simulated": provider.is_simulated,
        "protocol": provider.protocol,
        "service": provider.service,
        "keys": view.n_keys,
        "usable_keys": view.n_usable if provider.is_enabled else 0,
        "pools": len([pool for pool in view.pools if pool.keys]),
        "models_askable": sum(not model.blocked for model in view.models),
        "models_total": len(view.models),
        "last_ok_at": instant(view.last_ok_at),
    }
    if with_models:
        data["models"] = [model_data(model) for model in view.models]
    if with_keys:
        data["limit_pools"] = [_pool_data(pool) for pool in view.pools]
    return data


def usage_data(row: UsageFigures) -> Data:
    """Return a row of usage; `latency_…` within 5 %, of calls that got a reply."""
    return {
        "provider": row.provider.name,
        "model": row.model.name if row.model else None,
        "key": {"id": row.key.pk, "label": row.key.label, "last4": row.key.last4} if row.key else None,
        "calls": row.calls,
        "answered": row.answered,
        "declined": row.declined,
        "failed": row.failed,
        "error_share": row.error_share,
        "input_tokens": row.tokens("input_tokens"),
        "output_tokens": row.tokens("output_tokens"),
        "reasoning_tokens": row.tokens("reasoning_tokens"),
        "cached_tokens": row.tokens("cached_tokens"),
        "cost_usd": money(row.cost_usd),
        "unpriced_answers": row.unpriced_calls,
        "latency_p50_ms": row.latency_ms(50),
        "latency_p95_ms": row.latency_ms(95),
        "latency_p99_ms": row.latency_ms(99),
        "tier": row.model.tier if row.model else None,
        "state": row.state,
        "limits": [_use_data(use) for use in row.limits],
        "last_ok_at": instant(row.last_ok_at),
    }


def _pool_data(view: PoolView) -> Data:
    return {
        "name": view.pool.name,
        "resting_until": instant(view.pool.resting_until),
        "resting_reason": view.pool.resting_reason or None,
        "keys": [key_data(key) for key in view.keys],
        "limits": [_limit_data(limit) for limit in view.limits],
        "learned_limits": [_learned_data(limit) for limit in view.learned],
    }


def _limit_data(limit: Limit) -> Data:
    return {
        "model": limit.model.name if limit.model else None,
        "what": limit.what,
        "amount": limit.amount,
        "per_s": limit.per_s or None,
        "resets": limit.resets,
        "source": limit.source,
    }


def _learned_data(limit: LearnedLimit) -> Data:
    return {
        "model": limit.model.name,
        "what": limit.what,
        "amount": limit.amount,
        "per_s": limit.per_s,
        "remaining": limit.remaining,
        "seen_at": instant(limit.seen_at),
    }


def _use_data(use: LimitUse) -> Data:
    return {"pool": use.limit.pool.name, **_limit_data(use.limit), "used": use.used, "share": use.share}
