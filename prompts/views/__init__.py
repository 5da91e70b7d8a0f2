"""Prompt pages: the library, using a prompt, its history, moving prompts in and out."""
