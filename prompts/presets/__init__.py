"""The platform's own prompts, in both languages: what they say, and how they get into the library.

After every `migrate` each preset that was never put in is put in. Where nobody touched it, a newer
text of the platform becomes its next version; what people edited or deleted stays so.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps as current_apps
from django.conf import settings
from django.db import transaction

from prompts.variables import clean_specs

LANGUAGES = ("en", "zh-hans")
NOTE = "Updated with the platform"


@dataclass(frozen=True)
class Preset:
    slug: str
    language: str
    title: str
    description: str
    tags: tuple[str, ...]
    text: str
    specs: tuple[dict[str, Any], ...]

    @property
    def sha256(self) -> str:
        return digest(self.title, self.text, self.specs)


def digest(title: str, text: str, specs: Any) -> str:
    """Of what people can edit and would mind losing."""
    whole = json.dumps([title, text, list(specs)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


@cache
def presets() -> tuple[Preset, ...]:
    return tuple(_read())


def _read() -> Iterator[Preset]:
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        for entry in tomllib.loads(file.read_text("utf-8"))["presets"]:
            for language in LANGUAGES:
                said = entry[language]
                yield Preset(
                    slug=entry["slug"],
                    language=language,
                    title=said["title"],
                    description=said["description"],
                    tags=tuple(said["tags"]),
                    text=said["text"].strip(),
                    specs=tuple(clean_specs(said["text"], said["variables"])),
                )


def seed(apps: Any) -> int:
    """How many were put in or renewed. `apps` are those of the state of the database, which may be
    older than the code."""
    models = {name: apps.get_model("prompts", name) for name in ("PresetSeed", "Prompt")}
    known = {(row.slug, row.language): row for row in models["PresetSeed"].objects.all()}
    count = 0
    for preset in presets():
        row = known.get((preset.slug, preset.language))
        if row is None or (row.prompt_id and row.sha256 != preset.sha256):
            with transaction.atomic():
                count += _put_in(apps, preset) if row is None else _renew(apps, row, preset)
    return count


def _put_in(apps: Any, preset: Preset) -> int:
    prompt = apps.get_model("prompts", "Prompt").objects.create(
        owner=None,
        title=preset.title,
        description=preset.description,
        preset=preset.slug,
        language=preset.language,
        text=preset.text,
        variable_specs=list(preset.specs),
    )
    _append(apps, prompt, preset, 1, "")
    tag = apps.get_model("prompts", "PromptTag")
    tag.objects.bulk_create(tag(prompt=prompt, name=name) for name in preset.tags)
    apps.get_model("prompts", "PresetSeed").objects.create(
        slug=preset.slug, language=preset.language, sha256=preset.sha256, prompt=prompt
    )
    return 1


def _append(apps: Any, prompt: Any, preset: Preset, number: int, note: str) -> None:
    apps.get_model("prompts", "PromptVersion").objects.create(
        prompt=prompt,
        number=number,
        text=preset.text,
        variable_specs=list(preset.specs),
        note=note,
    )


def _renew(apps: Any, row: Any, preset: Preset) -> int:
    """Only what still says what the platform put in."""
    rows = apps.get_model("prompts", "Prompt").objects.select_for_update()
    prompt = rows.get(pk=row.prompt_id)
    if digest(prompt.title, prompt.text, prompt.variable_specs) != row.sha256:
        return 0
    _append(apps, prompt, preset, prompt.number + 1, NOTE)
    prompt.title, prompt.description = preset.title, preset.description
    prompt.text, prompt.variable_specs = preset.text, list(preset.specs)
    prompt.number += 1
    prompt.save()
    row.sha256 = preset.sha256
    row.save()
    return 1


def seed_after_migrate(apps: Any = current_apps, **_rest: Any) -> None:
    """Receiver of `post_migrate`; `apps` are not given after a flush."""
    is_ready = ("prompts", "presetseed") in {
        (model._meta.app_label, model._meta.model_name) for model in apps.get_models()
    }
    if settings.PROMPT_PRESETS and is_ready:
        seed(apps)
