"""Which addresses may be connected to: the rules of the whole platform, by the name used here."""

from llmplatform.addresses import embedded, is_address, is_allowed, problem_with_url

__all__ = ["embedded", "is_address", "is_allowed", "problem_with_url"]
