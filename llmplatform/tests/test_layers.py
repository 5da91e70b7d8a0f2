"""The embedded channel layer takes messages from any thread, and drops rather than blocks."""

import asyncio
import threading

from llmplatform.layers import ProcessChannelLayer


async def test_a_message_from_another_loop_wakes_the_receiver() -> None:
    layer = ProcessChannelLayer()
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    waiting = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    send = layer.group_send("group", {"type": "x"})
    threading.Thread(target=lambda: asyncio.run(send)).start()
    assert await asyncio.wait_for(waiting, 5) == {"type": "x"}


async def test_every_channel_of_the_group_gets_it_and_nobody_else() -> None:
    layer = ProcessChannelLayer()
    channels = [await layer.new_channel() for _ in range(3)]
    await layer.group_add("group", channels[0])
    await layer.group_add("group", channels[1])
    await layer.group_add("other", channels[2])
    await layer.group_send("group", {"type": "x"})
    assert [await layer.receive(channel) for channel in channels[:2]] == [{"type": "x"}] * 2
    assert channels[2] not in layer.channels


async def test_a_full_queue_keeps_what_it_has() -> None:
    layer = ProcessChannelLayer(capacity=2)
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    for number in range(5):
        await layer.group_send("group", {"type": "x", "number": number})
    assert [(await layer.receive(channel))["number"] for _ in range(2)] == [0, 1]


async def test_without_a_listener_nothing_is_kept() -> None:
    layer = ProcessChannelLayer()
    await layer.group_send("group", {"type": "x"})
    assert layer.channels == {}
