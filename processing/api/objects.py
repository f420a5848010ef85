"""The objects of API.md as they are sent. What is not known is null; money is text; names stand for rows.

Each function takes a whole page and a fixed number of queries; figures come from the selectors.
"""

from collections.abc import Iterable, Sequence

from processing.models import Attempt, Domain, Prompt, PromptVersion, Question, Run
from processing.rules.status import Coverage, RunStatus
from processing.selectors.domains import CellError, coverages_for_domains, latest_answers, open_errors
from processing.selectors.runs import coverages_for, eta_s, figures_for, lane_name, lanes_for, status_for
from providers.api.objects import Data, instant, money


def domains_data(domains: Iterable[Domain]) -> list[Data]:
    """Return domains of a queryset that has their status annotated and their cohorts prefetched."""
    domains = list(domains)
    coverages = coverages_for_domains(domains)
    return [
        {
            "id": domain.pk,
            "name": domain.name,
            "unicode_name": domain.unicode_name,
            "display_name": domain.display_name,
            "aliases": domain.aliases,
            "category": domain.category,
            "cohorts": [cohort.name for cohort in domain.cohorts.all()],
            "priority": domain.priority,
            "is_look_alike": domain.is_look_alike,
            "status": domain.status_name,  # type: ignore[attr-defined]  # annotated by the selector
            "coverage": coverage_data(coverages[domain.pk]),
            "due_at": instant(domain.due_at),
            "last_answered_at": instant(domain.last_answered_at),
            "open_run": domain.open_run_id,
            "created_at": instant(domain.created_at),
            "updated_at": instant(domain.updated_at),
        }
        for domain in domains
    ]


def domain_detail_data(domain: Domain, *, with_text: bool) -> Data:
    """Return a domain with what was found out about it."""
    (data,) = domains_data([domain])
    answers = latest_answers(domain, with_text=with_text)
    data["latest_answers"] = [answer_data(answer, with_text=with_text) for answer in answers]
    data["errors"] = [error_data(error) for error in open_errors(domain)]
    return data


def runs_data(runs: Sequence[Run]) -> list[Data]:
    """Return runs as lists show them: without lanes and the time left, which only a run's own page has."""
    coverages, figures = coverages_for(runs), figures_for(runs)
    rows = []
    for run in runs:
        coverage, figure = coverages[run.pk], figures[run.pk]
        status = status_for(run, coverage)
        has_no_price = not figure.cost_usd and figure.n_unpriced > 0
        rows.append(
            {
                "id": run.pk,
                "kind": run.kind,
                "parent_run": run.parent_run_id,
                "status": status.value,
                "status_reason": _status_reason(run, status),
                "pause_reason": run.pause_reason or None,
                "priority": run.priority,
                "strategy": run.strategy,
                "selection": run.selection,
                "excluded": run.excluded,
                "coverage": coverage_data(coverage),
                "cost_usd": None if has_no_price else money(figure.cost_usd),
                "cost_at_risk_usd": money(figure.cost_at_risk_usd),
                "unpriced_answers": figure.n_unpriced,
                "budget_usd": None,
                "created_by": run.created_by,
                "created_at": instant(run.created_at),
                "started_at": instant(run.started_at),
                "finished_at": instant(run.finished_at),
                "deadline_at": instant(run.deadline_at),
            }
        )
    return rows


def run_data(run: Run) -> Data:
    """Return one run with its lanes and the time left."""
    lanes = lanes_for(run)
    (data,) = runs_data([run])
    data["lanes"] = [
        {
            "model": lane_name(lane),
            "coverage": coverage_data(lane.coverage),
            "per_minute": None if lane.per_minute is None else round(lane.per_minute, 2),
            "waiting_for": lane.waiting_for or None,
            "until": instant(lane.until),
        }
        for lane in lanes
    ]
    left_s = 0.0 if run.finished_at else eta_s(lanes)
    data["eta_s"] = None if left_s is None else round(left_s)
    return data


def coverage_data(coverage: Coverage) -> Data:
    """Return how many questions ended how."""
    return {
        "questions": coverage.questions,
        "answered": coverage.answered,
        "failed": coverage.failed,
        "declined": coverage.declined,
        "skipped": coverage.skipped,
        "cancelled": coverage.cancelled,
        "open": coverage.open,
    }


def question_data(question: Question) -> Data:
    """Return a question whose domain, prompt and model are joined."""
    return {
        "id": question.pk,
        "run": question.run_id,
        "domain": question.domain.name,
        "domain_id": question.domain_id,
        **_cell_data(question),
        "status": question.status,
        "reason": question.reason or None,
        "attempts": question.n_calls,
        "due_at": instant(question.due_at),
        "finished_at": instant(question.finished_at),
        "answer": question.answer_id,
    }


def answer_data(attempt: Attempt, *, with_text: bool = False) -> Data:
    """Return an attempt, with its text only when that was fetched."""
    data = {
        "id": attempt.pk,
        "question": attempt.question_id,
        "run": attempt.question.run_id,
        "domain": attempt.question.domain.name,
        "domain_id": attempt.question.domain_id,
        **_cell_data(attempt.question),
        "outcome": attempt.outcome,
        "text_pruned_at": instant(attempt.text_pruned_at),
        "served_model": attempt.served_model or None,
        "key_last4": attempt.key_last4 or None,
        "finish_reason": attempt.finish_reason or None,
        "http_status": attempt.http_status,
        "error_code": attempt.error_code or None,
        "error_message": attempt.error_message or None,
        "input_tokens": attempt.input_tokens,
        "output_tokens": attempt.output_tokens,
        "reasoning_tokens": attempt.reasoning_tokens,
        "cached_tokens": attempt.cached_tokens,
        "cost_usd": money(attempt.cost_usd),
        "latency_ms": attempt.latency_ms,
        "citations": attempt.citations,
        "provider_request_id": attempt.provider_request_id or None,
        "simulated": attempt.simulated,
        "created_at": instant(attempt.created_at),
    }
    return data | {"text": attempt.text} if with_text else data


def error_data(error: CellError) -> Data:
    """Return a cell without an answer, with its newest bad attempt; null when it was never called."""
    attempt = answer_data(error.attempt) if error.attempt else None
    return question_data(error.question) | {"newest_attempt": attempt}


def prompt_data(prompt: Prompt, current: PromptVersion | None) -> Data:
    """Return a prompt with its current version; null when it has none yet."""
    return {
        "id": prompt.pk,
        "name": prompt.name,
        "label": prompt.label,
        "is_default": prompt.is_default,
        "is_archived": prompt.is_archived,
        "created_at": instant(prompt.created_at),
        "current_version": None
        if current is None
        else {
            "number": current.number,
            "text": current.text,
            "system_text": current.system_text,
            "max_output_tokens": current.max_output_tokens,
            "temperature": current.temperature,
            "created_by": current.created_by,
            "created_at": instant(current.created_at),
        },
    }


def _cell_data(question: Question) -> Data:
    return {
        "prompt": question.prompt_version.prompt.name,
        "prompt_version": question.prompt_version.number,
        "provider": question.model.provider.name,
        "model": question.model.name,
    }


def _status_reason(run: Run, status: RunStatus) -> str | None:
    if status is RunStatus.CANCELLED:
        return f"cancelled by {run.cancelled_by}"
    return run.pause_reason or None if status is RunStatus.PAUSED else None
