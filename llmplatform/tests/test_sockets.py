"""What all sockets share."""

from typing import Any

from llmplatform.sockets import NOT_FOUND, UNAUTHENTICATED, Listener


async def test_a_socket_ends_once() -> None:
    """A server refuses a second end, and whoever looks for many would stop looking."""
    sent = list[dict[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    listener = Listener()
    listener.base_send = send
    await listener.end(UNAUTHENTICATED)
    await listener.end(NOT_FOUND)
    assert sent == [{"type": "websocket.close", "code": UNAUTHENTICATED}]
