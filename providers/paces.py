"""How fast the limits let a model be asked in the long run: for the time left that pages show, not for asking."""

from collections.abc import Iterable

from django.db.models import Prefetch

from providers.models import LanguageModel, Limit, LimitPool


def requests_per_minute_for(models: Iterable[LanguageModel]) -> dict[int, float]:
    """Return model id → requests a minute that the pools of its provider allow together; not limited: left out.

    The tightest limit on requests of each pool counts; one that several models share counts for each as a whole, so
    this is the best case. Example: pools of 30 per minute and of 1,440 a day allow 31 a minute.
    """
    models = list(models)
    if not models:
        return {}
    limits = Prefetch("limits", queryset=Limit.objects.filter(what=Limit.What.REQUESTS))
    pools = list(
        LimitPool.objects.filter(provider__in={model.provider_id for model in models}, keys__isnull=False)
        .distinct()
        .prefetch_related(limits)
    )
    paces = {
        model.pk: [_pace(model, pool) for pool in pools if pool.provider_id == model.provider_id]
        for model in models
    }
    return {
        model_id: sum(pace for pace in own if pace is not None)
        for model_id, own in paces.items()
        if own and None not in own
    }


def _pace(model: LanguageModel, pool: LimitPool) -> float | None:
    binding = [limit for limit in pool.limits.all() if limit.model_id in (None, model.pk)]
    return min((limit.amount / limit.per_s * 60 for limit in binding), default=None)
