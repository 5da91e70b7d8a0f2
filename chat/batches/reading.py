"""The prompts that a program asks a batch comparison for."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.access import owned_or_404
from accounts.models import User
from chat.batches import files, sources
from chat.batches import services as batches
from chat.batches.questions import Reading
from chat.batches.schemas import BatchIn
from chat.models import Batch, BatchSource
from prompts.models import Prompt
from training.models import Dataset


@dataclass(frozen=True)
class Found:
    reading: Reading
    source: BatchSource
    label: str = ""
    origin: Batch | None = None


def reading_of(user: User, body: BatchIn) -> Found:
    """ValidationError keyed by field, Http404 for what `user` cannot see."""
    chosen = ("prompts", "file", "dataset_id", "prompt_id", "repeat_of")
    given = [name for name in chosen if getattr(body, name) is not None]
    if len(given) != 1:
        text = _("Send exactly one of prompts, file, dataset_id, prompt_id and repeat_of.")
        raise ValidationError({"prompts": [text]})
    if body.file is not None:
        reading = files.from_file(body.file.name, body.file.text.encode())
        return Found(reading, BatchSource.FILE, body.file.name)
    if body.dataset_id is not None:
        dataset = owned_or_404(Dataset.objects.for_user(user), pk=body.dataset_id)
        reading = sources.from_dataset(dataset, limit=body.limit)
        return Found(reading, BatchSource.DATASET, dataset.name)
    if body.prompt_id is not None:
        prompt = owned_or_404(Prompt.objects.for_user(user), pk=body.prompt_id)
        reading = sources.from_rows(prompt, list(enumerate(body.values or [], 1)))
        return Found(reading, BatchSource.PROMPT, prompt.title)
    if body.repeat_of is not None:
        origin = owned_or_404(Batch.objects.for_user(user), pk=body.repeat_of)
        return Found(batches.reading_of(origin), BatchSource.BATCH, origin.name, origin)
    reading = Reading()
    for number, row in enumerate(body.prompts or [], 1):
        reading.take(number, row.model_dump())
    return Found(reading, BatchSource.TYPED)
