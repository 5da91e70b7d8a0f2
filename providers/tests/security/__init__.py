"""Vulnerabilities of products like this one, tried on this one: docs/security.md lists them."""
