"""`filled(chunks, url)`: a base of so many chunks with vectors, ready to be searched."""

import random
from array import array
from typing import Any

from accounts.models import User
from benchmarks._embeddings import DIMENSION, vector_of
from knowledge import bases, changes
from knowledge.models import Chunk, Document, DocumentStatus, Space, SpaceStatus, Vector
from providers.models import ProviderModel
from providers.services import create_provider

PER_DOCUMENT = 100
ROWS = 2000
WORDS = 20_000


def _text(numbers: random.Random, words: list[str]) -> str:
    """Some 120 words, a few of them in nearly every text."""
    return " ".join(words[int(len(words) * numbers.random() ** 3)] for _each in range(120))


def filled(chunks: int, url: str) -> dict[str, Any]:
    from django.db import transaction

    numbers = random.Random(1)
    words = [
        "".join(numbers.choices("abcdefghijklmnoprstuvw", k=numbers.randint(3, 9)))
        for _each in range(WORDS)
    ]
    owner = User.objects.get(email="admin@example.com")
    provider = create_provider(
        actor=owner, kind="openai", name="vectors", base_url=url, api_key="sk-none"
    )
    model = ProviderModel.objects.create(
        provider=provider,
        model_id="vectors",
        name="vectors",
        types=["embedding"],
        main_type="embedding",
    )
    base = bases.create_base(owner=owner, name="Large")
    space = Space.objects.create(
        base=base,
        embedding_model=model,
        model_name="vectors",
        dimension=DIMENSION,
        status=SpaceStatus.BUILDING,
    )
    for number in range(chunks // PER_DOCUMENT):
        with transaction.atomic():
            document = Document.objects.create(
                base=base,
                name=f"{number}.txt",
                sha256=f"{number:064d}",
                path="",
                status=DocumentStatus.READY,
                edition=1,
                chunk_count=PER_DOCUMENT,
                metadata={"group": f"g{number % 10}"},
            )
            texts = [_text(numbers, words) for _each in range(PER_DOCUMENT)]
            rows = Chunk.objects.bulk_create(
                Chunk(document=document, edition=1, position=n, text=text, start=0, end=1)
                for n, text in enumerate(texts)
            )
            Vector.objects.bulk_create(
                Vector(space=space, chunk=row, data=array("f", vector_of(row.text)).tobytes())
                for row in rows
            )
            changes.note(base.pk, [document.pk])
    with transaction.atomic():
        bases.make_live(changes.locked(base.pk), space)
    questions = [" ".join(numbers.choices(words[: WORDS // 4], k=4)) for _each in range(50)]
    return {"base": base.pk, "questions": questions}
