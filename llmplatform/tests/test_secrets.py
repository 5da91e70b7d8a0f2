"""Generated secrets: made once, private, never half written."""

from pathlib import Path

from cryptography.fernet import Fernet

from llmplatform.secrets import _keep, kept_encryption_key, kept_secret_key


def test_they_are_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert kept_secret_key(folder) == kept_secret_key(folder)
    assert kept_encryption_key(folder) == kept_encryption_key(folder)
    assert len(kept_secret_key(folder)) >= 50
    Fernet(kept_encryption_key(folder))


def test_only_their_owner_reads_them(tmp_path: Path) -> None:
    kept_secret_key(tmp_path)
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret-key"]


def test_whoever_is_first_decides_for_all(tmp_path: Path) -> None:
    """Two processes may start at once: the second uses what the first has kept."""
    path = tmp_path / "secret-key"
    assert _keep(path, "first") == "first"
    assert _keep(path, "second") == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["secret-key"]
