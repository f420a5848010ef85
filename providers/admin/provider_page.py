"""The page of one provider: whether it answers, its models and keys with buttons, its pools with what limits them.

What the buttons do is done by the services, by staff who may change the model or key in question.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.utils.safestring import SafeString

from providers.admin.base import actor_name, error_show
from providers.admin.pools import limit_words
from providers.admin.show import DASH, ago, badge, plural
from providers.clock import database_now
from providers.errors import ApplicationError
from providers.limit_use import LimitUse, limit_uses
from providers.models import ApiKey, KeyEvent, KeyModelPause, LanguageModel, LearnedLimit, Provider
from providers.overview import ModelView, PoolView, provider_views
from providers.services import key_disable, key_enable, key_test, lane_activate, lane_pause
from providers.usage_figures import GroupBy, UsageFigures, usage_for

EVENTS_SHOWN = 12
USAGE_WINDOW = timedelta(hours=24)
KEY_PERMISSION = "providers.change_apikey"
MODEL_PERMISSION = "providers.change_languagemodel"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model with what its calls of the last day came to; None: there were none."""

    view: ModelView
    usage: UsageFigures | None

    @property
    def badge(self) -> SafeString:
        """Whether staff paused it, or something else keeps it from being asked."""
        lane = self.view.model.lane
        return badge("no" if lane == LanguageModel.Lane.ACTIVE else lane)

    @property
    def median_s(self) -> str:
        """The median of the time that replies took."""
        return _seconds(self.usage, 50)

    @property
    def p95_s(self) -> str:
        """What 95 % of the replies took at most."""
        return _seconds(self.usage, 95)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key with the models that it is paused for."""

    key: ApiKey
    pool_name: str
    pauses: list[KeyModelPause] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A pool; `uses` are its configured limits with what was used of them."""

    view: PoolView
    uses: list[LimitUse]
    now: datetime

    @property
    def is_resting(self) -> bool:
        """Whether its keys wait for credit or a reset."""
        until = self.view.pool.resting_until
        return until is not None and until > self.now

    @property
    def configured(self) -> list[tuple[str, str]]:
        """Limits in words, each with what was used of it."""
        return [(limit_words(use.limit), _use_words(use)) for use in self.uses]

    @property
    def learned(self) -> list[tuple[str, SafeString]]:
        """Limits as answers stated them, with what was left and when that was."""
        return [(limit_words(one), _learned_words(one)) for one in self.view.learned]

    @property
    def keys_words(self) -> str:
        """How many keys share the limits."""
        return plural(len(self.view.keys), "key")


def page_context(provider: Provider, *, request: HttpRequest) -> dict[str, Any]:
    """Return what the page of one provider shows, by a fixed number of queries."""
    (view,) = provider_views([provider.pk])
    now = database_now()
    figures = usage_for(since=now - USAGE_WINDOW, until=now, group_by=GroupBy.MODEL, provider=provider)
    usage = {row.model.pk: row for row in figures if row.model and row.calls}
    uses = limit_uses(at=now)
    pauses = list(KeyModelPause.objects.filter(key__provider=provider, until__gt=now).select_related("model"))
    keys = [(key, pool.pool.name) for pool in view.pools for key in pool.keys]
    calls = sum(row.calls for row in usage.values())
    costs = [row.cost_usd for row in usage.values() if row.cost_usd is not None]
    return {
        "view": view,
        "title": provider.label,
        "subtitle": None,
        "model_rows": [ModelRow(model, usage.get(model.model.pk)) for model in view.models],
        "calls": calls,
        "error_share": sum(sum(row.failed.values()) for row in usage.values()) / calls if calls else None,
        "cost": sum(costs, Decimal(0)) if costs else None,
        "pool_rows": [PoolRow(pool, uses.get(pool.pool.pk, []), now) for pool in view.pools],
        "key_rows": [
            KeyRow(key, pool_name, [pause for pause in pauses if pause.key_id == key.pk])
            for key, pool_name in keys
        ],
        "keys_words": f"{plural(len(keys), 'key')}, {plural(len({key.pool_id for key, _ in keys}), 'pool')}",
        "events": list(
            KeyEvent.objects.filter(key__provider=provider).select_related("key__provider")[:EVENTS_SHOWN]
        ),
        "may_steer_keys": request.user.has_perm(KEY_PERMISSION),
        "may_add_key": request.user.has_perm("providers.add_apikey"),
        "may_steer_models": request.user.has_perm(MODEL_PERMISSION),
    }


def verb_do(request: HttpRequest, provider: Provider, *, kind: str, pk: int, verb: str) -> None:
    """Do one verb to a key or model of the provider and say what became of it.

    Raises `PermissionDenied` for staff who may not change it, and `Http404` when it is not the provider's.
    """
    permission, rows, verbs = _KINDS.get(kind, ("", None, {}))
    if verb not in verbs or rows is None or not request.user.has_perm(permission):
        raise PermissionDenied
    row: Any = get_object_or_404(rows.select_related("provider"), pk=pk, provider=provider)
    try:
        verbs[verb](request, row)
    except ApplicationError as error:
        error_show(request, error, about=row)


def key_test_show(request: HttpRequest, key: ApiKey) -> None:
    """Test a key and say what was found."""
    result = key_test(key=key, actor=actor_name(request))
    level = {True: messages.SUCCESS, False: messages.ERROR, None: messages.WARNING}[result.is_ok]
    messages.add_message(request, level, f"{key}: {result.message}")


def _seconds(usage: UsageFigures | None, percent: float) -> str:
    took_ms = usage.latency_ms(percent) if usage else None
    return DASH if took_ms is None else f"{took_ms / 1000:.1f} s"


def _use_words(use: LimitUse) -> str:
    if use.share is None:
        return "use not recorded"
    return f"{use.used:,} used, {use.share:.0%}"


def _learned_words(limit: LearnedLimit) -> SafeString:
    left = "" if limit.remaining is None else f"{limit.remaining:,} left, "
    return format_html("{}seen {}", left, ago(limit.seen_at))


def _key_drain(request: HttpRequest, key: ApiKey) -> None:
    if key_disable(key=key, actor=actor_name(request), reason=f"drained by {actor_name(request)}"):
        messages.success(request, f"{key} gets no new calls; those in flight finish.")
    else:
        messages.info(request, f"{key} was out of service already.")


def _key_enable(request: HttpRequest, key: ApiKey) -> None:
    if key_enable(key=key, actor=actor_name(request)):
        messages.success(request, f"{key} is in service.")
    else:
        messages.info(request, f"{key} was in service already.")


def _lane_pause(request: HttpRequest, model: LanguageModel) -> None:
    lane_pause(model_id=model.pk, reason="paused by staff", actor=actor_name(request))
    messages.success(request, f"{model} is asked nothing until it is activated.")


def _lane_activate(request: HttpRequest, model: LanguageModel) -> None:
    lane_activate(model_id=model.pk)
    messages.success(request, f"{model} is asked again.")


_KINDS: dict[str, tuple[str, Any, dict[str, Callable[[HttpRequest, Any], None]]]] = {
    "key": (
        KEY_PERMISSION,
        ApiKey.objects,
        {"test": key_test_show, "drain": _key_drain, "enable": _key_enable},
    ),
    "model": (MODEL_PERMISSION, LanguageModel.objects, {"pause": _lane_pause, "activate": _lane_activate}),
}
