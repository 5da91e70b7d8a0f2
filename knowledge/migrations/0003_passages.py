"""Passages that somebody wrote otherwise, or switched off."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("knowledge", "0002_fences")]

    operations: ClassVar = [
        migrations.AddField("chunk", "original", models.TextField(blank=True, default="")),
        migrations.AddField(
            "chunk", "is_enabled", models.BooleanField(default=True, verbose_name="enabled")
        ),
    ]
