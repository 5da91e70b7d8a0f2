"""`manage.py rotate_keys`: every stored secret under the first key, and none forgotten."""

import ast
from collections import Counter
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.tokens import open_session, rotate
from llmplatform import rotation
from llmplatform.encryption import decrypt, is_current
from llmplatform.rotation import Outcome, encrypted_fields, rotated
from providers.models import Provider
from tests.sources import APPS, ROOT, sources

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _key in range(3))
# What is encrypted but kept by whoever it was given to, in no table.
NOT_STORED = {"providers/gateway/sealed_state.py"}


@pytest.fixture
def old(alice: User, settings: Any) -> list[Provider]:
    """Written under an older key; today there is a newer one before it."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    rows = [Provider(owner=alice, name=f"p{number}") for number in range(5)]
    for number, row in enumerate(rows):
        row.set_key(f"sk-secret-{number}")
        row.save()
    Provider.objects.create(owner=alice, name="without a key")
    rotate(secret=open_session(user=alice, request=None).refresh)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    return rows


def run(**options: Any) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, **options)
    return out.getvalue()


def test_everything_is_encrypted_anew(old: list[Provider], settings: Any) -> None:
    said = run()
    assert "providers.Provider.credential: 5 encrypted anew, 0 under the first key before" in said
    assert "accounts.RefreshToken.successor_secret: 1 encrypted anew" in said
    assert "6 encrypted anew" in said.splitlines()[-1]
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    for number, row in enumerate(Provider.objects.filter(name__startswith="p").order_by("name")):
        assert decrypt(row.credential) == f"sk-secret-{number}"
    assert "0 encrypted anew, 6 under the first key before" in run().splitlines()[-1]


def test_an_interrupted_one_goes_on(old: list[Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    done, real = 0, rotation.rotate

    def breaks(token: str) -> str:
        nonlocal done
        done += 1
        if done == 4:
            raise KeyboardInterrupt
        return real(token)

    monkeypatch.setattr(rotation, "AT_ONCE", 2)
    monkeypatch.setattr(rotation, "rotate", breaks)
    with pytest.raises(KeyboardInterrupt):
        rotated(Provider, "credential")
    monkeypatch.setattr(rotation, "rotate", real)
    found = rotated(Provider, "credential")
    assert found == Counter({Outcome.CURRENT: 3, Outcome.ROTATED: 2})


def test_a_rehearsal_changes_nothing_and_fails(old: list[Provider]) -> None:
    before = list(Provider.objects.order_by("pk").values_list("credential", flat=True))
    with pytest.raises(CommandError, match="6 values are under an older key"):
        run(check=True)
    assert list(Provider.objects.order_by("pk").values_list("credential", flat=True)) == before
    run()
    run(check=True)


def test_what_no_key_reads_is_counted_and_left(old: list[Provider], settings: Any) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OTHER]
    lost = Provider.objects.get(name="p0")
    lost.set_key("x")
    lost.save()
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="1 values belong to a key"):
        run()
    assert Provider.objects.get(name="p0").credential == lost.credential
    assert is_current(Provider.objects.get(name="p1").credential)


def test_a_key_that_is_entered_meanwhile_stays(
    old: list[Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rotation.rotate

    def slowly(token: str) -> str:
        row = Provider.objects.get(pk=old[0].pk)
        if row.credential == token:
            row.set_key("sk-entered-now")
            row.save()
        return real(token)

    monkeypatch.setattr(rotation, "rotate", slowly)
    rotated(Provider, "credential")
    row = Provider.objects.get(pk=old[0].pk)
    assert decrypt(row.credential) == "sk-entered-now"


def test_no_encrypted_field_is_forgotten() -> None:
    """Whoever writes what `encrypt` makes into a field names that field in its model."""
    known = {name for _model, name in encrypted_fields()}
    written: set[str] = set()
    for path in sources(*APPS):
        if path.relative_to(ROOT).as_posix() in NOT_STORED:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        written |= {name for node in ast.walk(tree) for name in _fields_of(node)}
    assert written and written <= known, f"name them in `encrypted`: {written - known}"


def _fields_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Assign) and _is_encrypted(node.value):
        return [t.attr if isinstance(t, ast.Attribute) else ast.unparse(t) for t in node.targets]
    if isinstance(node, ast.keyword) and _is_encrypted(node.value):
        return [str(node.arg)]
    return []


def _is_encrypted(value: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "encrypt"
        for each in ast.walk(value)
    )
