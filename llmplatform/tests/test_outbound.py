"""Requests to addresses that people give: where they may lead."""

import httpcore
import pytest

from llmplatform import outbound
from llmplatform.outbound import AddressRefused, GuardedBackend

PUBLIC, OTHER = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


def connected(addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where a connection went to, when the name has these addresses."""
    went: list[str] = []

    class Inner:
        def connect_tcp(self, host: str, *args: object) -> None:
            went.append(host)

    monkeypatch.setattr(httpcore, "SyncBackend", Inner)
    backend = GuardedBackend(allow_private=False, resolve=lambda host, port: addresses)
    backend.connect_tcp("hooks.example.org", 443)
    return went


def test_it_connects_to_an_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connected([PUBLIC, OTHER], monkeypatch) == [PUBLIC]


@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
@pytest.mark.parametrize("is_first", [True, False])
def test_one_bad_address_among_good_ones_is_refused(
    bad: str, is_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AddressRefused):
        connected([bad, PUBLIC] if is_first else [PUBLIC, OTHER, bad], monkeypatch)


def test_a_name_without_addresses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AddressRefused):
        connected([], monkeypatch)


def test_there_is_no_way_to_a_socket_of_this_machine() -> None:
    with pytest.raises(AddressRefused):
        GuardedBackend(allow_private=True, resolve=outbound.resolve).connect_unix_socket("/run/x")
