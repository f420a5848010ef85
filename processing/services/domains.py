"""What staff and clients decide about domains that are known: due, archived, back in service. Intake is in `intake`."""

import logging

from django.db.models import QuerySet
from django.db.models.functions import Now

from processing.models import Domain

logger = logging.getLogger(__name__)


def domains_mark_due(domains: QuerySet[Domain], *, actor: str) -> int:
    """Make these domains due now and return how many; archived ones and those in an open run stay as they are."""
    n = domains.filter(is_archived=False, open_run__isnull=True).update(due_at=Now(), updated_at=Now())
    logger.info("%s marked %d domains as due", actor, n)
    return n


def domains_archive(domains: QuerySet[Domain], *, actor: str) -> int:
    """Take these domains out of every selection and return how many were not archived yet; answers are kept."""
    n = domains.filter(is_archived=False).update(is_archived=True, updated_at=Now())
    logger.info("%s archived %d domains", actor, n)
    return n


def domains_unarchive(domains: QuerySet[Domain], *, actor: str) -> int:
    """Put archived domains back into service and return how many; their due date is what it was."""
    n = domains.filter(is_archived=True).update(is_archived=False, updated_at=Now())
    logger.info("%s unarchived %d domains", actor, n)
    return n
