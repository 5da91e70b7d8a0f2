"""When the garbage collector looks in a web process: briefly, and at everything only by the clock.

Everything stands still while it looks, for half a millisecond a thousand objects, and a thousand
streams are more than a hundred thousand of them. What a request leaves is nearly always gone
without it.
"""

import asyncio
import gc

# New objects are looked at twice, then they count as old.
NEW = 1_000
NEW_ROUNDS = 5
# At old ones: once a minute, earlier where there may be much to find, and at once where too much.
OLD_EVERY_S = 60.0
LOOKS_A_MINUTE = 6
ROUNDS_OF_MUCH = 100
ROUNDS_OF_TOO_MUCH = 300


def settle() -> None:
    """What was imported stays: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(NEW, NEW_ROUNDS, ROUNDS_OF_TOO_MUCH)


async def look_now_and_then(every_s: float = OLD_EVERY_S) -> None:
    """For as long as the process lives."""
    while True:
        for _each in range(LOOKS_A_MINUTE):
            await asyncio.sleep(every_s / LOOKS_A_MINUTE)
            if gc.get_count()[2] >= ROUNDS_OF_MUCH:
                break
        gc.collect()
