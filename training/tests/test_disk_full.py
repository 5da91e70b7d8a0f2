"""The disk is full in the middle of a run: the cause is named, and what was saved before is whole.

`/dev/full` stands in the place of a file of the checkpoint: the kernel refuses every byte of it as
it does on a full disk.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.advice import failure_of
from training.models import TrainingJob
from training.runner.checkpoints import newest_complete_checkpoint
from training.tests.test_shim import is_in, processes, reached, until
from training.tests.test_shim import train as train

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]


@pytest.mark.parametrize("name", ["optimizer.pt", "trainer_state.json"])
def test_a_checkpoint_that_finds_no_room(train: Callable[..., TrainingJob], name: str) -> None:
    job = train("no room", save_total_limit=20)  # else the oldest, which is ours, is removed
    until(job, reached(1))
    output = job.folder / "attempt-1" / "output"
    blocked = output / "checkpoint-60"
    blocked.mkdir()
    (blocked / name).symlink_to("/dev/full")
    until(job, is_in("failed", "success"))
    assert (job.state, job.reason) == ("failed", "disk_full"), job.detail
    newest = newest_complete_checkpoint(output)
    assert newest is not None and newest.name == "checkpoint-50"
    assert Path(job.checkpoint) == newest
    assert processes(job) == [] and not job.slots.exists()
    shown = failure_of(job)
    assert shown is not None and shown.repair is not None
    assert "space" in shown.proof or "unexpected pos" in shown.proof, shown.proof
