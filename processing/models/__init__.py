"""The record of all asking: domains, prompts, runs, questions, attempts, and who is alive."""

from processing.models.domains import Cohort, Domain
from processing.models.drains import Drain, Leader
from processing.models.prompts import Prompt, PromptVersion
from processing.models.runs import Attempt, Question, Run, RunUsage

__all__ = [
    "Attempt", "Cohort", "Domain", "Drain", "Leader", "Prompt", "PromptVersion", "Question", "Run", "RunUsage",
]  # fmt: skip
