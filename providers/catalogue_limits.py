"""Loads the limits of a provider's default pool: catalogue first, variables over it, staff's own left alone.

`catalogue_values["limits"]` of the provider remembers what was loaded, so that a limit that staff removed stays
removed and one that they changed stays changed.
"""

from dataclasses import dataclass

from providers.environment import ProviderSettings
from providers.models import Limit, LimitPool, Provider
from providers.pools import pool_default

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class _Wanted:
    what: str
    per_s: int
    amount: int
    source: str

    @property
    def name(self) -> str:
        return f"{self.what}/{self.per_s}"


def limits_load(provider: Provider, amounts: dict[str, int], overrides: ProviderSettings) -> None:
    """Bring the default pool to `amounts` (`requests` and `tokens` per minute, `in_flight`) and the overrides."""
    pool = pool_default(provider)
    loaded_before: dict[str, int] = provider.catalogue_values.get("limits", {})
    wanted = _wanted(amounts, overrides)
    rows = {f"{limit.what}/{limit.per_s}": limit for limit in pool.limits.filter(model=None)}
    for name, one in wanted.items():
        _limit_load(pool, one, row=rows.get(name), loaded_before=loaded_before.get(name))
    for name, row in rows.items():
        if name not in wanted and row.source != Limit.Source.STAFF and row.amount == loaded_before.get(name):
            row.delete()
    provider.catalogue_values = {
        **provider.catalogue_values,
        "limits": {name: one.amount for name, one in wanted.items()},
    }
    provider.save(update_fields=["catalogue_values"])


def _wanted(amounts: dict[str, int], overrides: ProviderSettings) -> dict[str, _Wanted]:
    variables = {"requests": overrides.rpm, "tokens": overrides.tpm, "in_flight": overrides.max_in_flight}
    found = {}
    for what in (Limit.What.REQUESTS, Limit.What.TOKENS, Limit.What.IN_FLIGHT):
        per_s = 0 if what == Limit.What.IN_FLIGHT else MINUTE_S
        if amount := variables[what]:
            one = _Wanted(what, per_s, amount, Limit.Source.ENVIRONMENT)
        elif amount := amounts.get(what):
            one = _Wanted(what, per_s, amount, Limit.Source.CATALOGUE)
        else:
            continue
        found[one.name] = one
    return found


def _limit_load(pool: LimitPool, wanted: _Wanted, *, row: Limit | None, loaded_before: int | None) -> None:
    is_forced = wanted.source == Limit.Source.ENVIRONMENT
    if row is None:
        if is_forced or loaded_before is None:
            Limit.objects.create(
                pool=pool, what=wanted.what, per_s=wanted.per_s, amount=wanted.amount, source=wanted.source
            )
        return
    is_untouched = row.source != Limit.Source.STAFF and row.amount == loaded_before
    if is_forced or is_untouched:
        row.amount, row.source = wanted.amount, wanted.source
        row.save(update_fields=["amount", "source"])
