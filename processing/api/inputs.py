"""What each endpoint takes: names, kinds and ranges. Whether a named thing exists is decided by the services."""

from django.conf import settings
from rest_framework import serializers

from processing.api.fields import MAX_REFERENCES, AnyList, BatchSize, Names, WholeNumber
from providers.api.inputs import Parameters


class Priority(WholeNumber):
    """1 to 10; 10 is most urgent."""

    def __init__(self) -> None:
        super().__init__(min_value=1, max_value=10, required=False)


class Selection(Parameters):
    """Which prompts and models are asked; nothing means the defaults."""

    prompts = Names(required=False)
    models = Names(required=False)
    # The old clients' count of tries per question: it is the service's own setting now (RETRY_LIMIT).
    retry_count = WholeNumber(min_value=0, max_value=100, required=False)


class ProcessPending(Selection):
    """`POST /process-pending-domains`."""

    batch_size = BatchSize(min_value=1, max_value=1000, required=False)
    priority = Priority()
    providers = Names(required=False)
    cohorts = Names(required=False)


class UltraFast(Selection):
    """`POST /ultra-fast-process`."""

    batch_size = WholeNumber(min_value=1, max_value=100, required=False)
    domains = Names(max_length=100, required=False)
    timeout_s = WholeNumber(min_value=1, max_value=120, required=False)
    on_timeout = serializers.ChoiceField(["queue", "cancel"], required=False)
    skip_fresh_days = WholeNumber(min_value=0, max_value=3650, required=False)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        if "domains" in attrs and "batch_size" in attrs:
            raise serializers.ValidationError(
                {"batch_size": "Goes with pending domains, not with named ones."}
            )
        if "skip_fresh_days" in attrs and "domains" not in attrs:
            raise serializers.ValidationError({"skip_fresh_days": "Goes with domains that are named."})
        return attrs


class ImportOptions(Parameters):
    """The options of `POST /domains/import`, for every format of the rows."""

    cohorts = Names(required=False)
    dry_run = serializers.BooleanField(required=False)
    update = serializers.BooleanField(required=False)  # type: ignore[assignment]  # a field, not the method


class ImportDomains(ImportOptions):
    """`POST /domains/import` in JSON: a name or an object for each row."""

    domains = AnyList()


class ChosenDomains(Parameters):
    """Domains by id or name, or by the filters of `GET /domains`; one of the two."""

    domains = Names(max_length=MAX_REFERENCES, required=False)
    filter = serializers.DictField(
        child=serializers.CharField(max_length=300), allow_empty=False, required=False
    )

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        if ("domains" in attrs) == ("filter" in attrs):
            raise serializers.ValidationError("Give either domains (ids or names) or filter.")
        return attrs


class CreateRun(ChosenDomains):
    """`POST /runs`."""

    prompts = Names(required=False)
    models = Names(required=False)
    providers = Names(required=False)
    priority = Priority()


class RetryDomain(Parameters):
    """`POST /domains/:id/retry`."""

    only = serializers.ChoiceField(["failed", "all"], required=False)
    priority = Priority()


class PauseRun(Parameters):
    """`POST /runs/:id/pause`."""

    reason = serializers.CharField(max_length=200, required=False)


def default_batch_size() -> int:
    """Return how many domains one call takes unless it says otherwise."""
    return int(settings.QUEUE_BATCH_SIZE)
