"""Secrets of an installation that has not been given any: made once, kept beside its data."""

import os
import secrets
from pathlib import Path


def _keep(path: Path, value: str) -> str:
    """Write `value` with mode 0600 unless another process was first; return what is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written elsewhere first and linked into place, so that no process ever reads half a secret.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


def kept_secret_key(folder: Path) -> str:
    path = folder / "secret-key"
    return path.read_text().strip() if path.exists() else _keep(path, secrets.token_urlsafe(64))


def kept_encryption_key(folder: Path) -> str:
    path = folder / "encryption-key"
    if path.exists():
        return path.read_text().strip()
    from cryptography.fernet import Fernet

    return _keep(path, Fernet.generate_key().decode())
