import asyncio
import gc
import weakref

from llmplatform.garbage import look_now_and_then


class Circle:
    def __init__(self) -> None:
        self.itself = self


async def test_old_garbage_goes_by_the_clock() -> None:
    gc.collect()
    gc.disable()
    looking = asyncio.create_task(look_now_and_then(every_s=0.01))
    try:
        left = weakref.ref(Circle())
        async with asyncio.timeout(10):
            while left() is not None:
                await asyncio.sleep(0.01)
    finally:
        looking.cancel()
        gc.enable()
