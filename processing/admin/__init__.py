"""The admin pages of processing; importing the package registers them."""

from processing.admin import domains, drains, prompts, questions, runs

__all__ = ["domains", "drains", "prompts", "questions", "runs"]
