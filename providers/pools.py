"""The pools of a provider: each has a default one, and no pool is without limits by mistake."""

from providers.models import Limit, LimitPool, Provider

DEFAULT_POOL = "default"


def pool_default(provider: Provider) -> LimitPool:
    """Return the provider's default pool; it is made when missing."""
    pool, _ = LimitPool.objects.get_or_create(provider=provider, name=DEFAULT_POOL)
    return pool


def pool_limits_copy(*, pool: LimitPool) -> int:
    """Give a pool without limits those of the provider's default pool, so that no pool is without any by mistake."""
    if pool.name == DEFAULT_POOL or pool.limits.exists():
        return 0
    source = Limit.objects.filter(pool__provider=pool.provider, pool__name=DEFAULT_POOL)
    copies = [
        Limit(
            pool=pool, model=one.model, what=one.what, amount=one.amount, per_s=one.per_s,
            resets=one.resets, reset_zone=one.reset_zone, counted_at=one.counted_at,
        )
        for one in source
    ]  # fmt: skip
    return len(Limit.objects.bulk_create(copies))
