"""The index of messages. It is made empty, which takes no time: what is there already goes into it in
the background (chat.search.filling).
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import chat.models.search
from chat.search import store


def make_index(apps, editor):
    store.create(editor.connection)
    sessions = apps.get_model("chat", "ChatSession").objects.count()
    if sessions:
        apps.get_model("chat", "SearchFill").objects.create(pk=1, sessions_total=sessions)


def drop_index(apps, editor):
    store.drop(editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0007_attachments"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("terms", chat.models.search.TermsField()),
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="search_entry",
                        to="chat.message",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="chat.chatsession",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["owner", "id"], name="chat_search_owner")],
            },
        ),
        migrations.CreateModel(
            name="SearchFill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session_at", models.DateTimeField(blank=True, null=True)),
                ("session_id", models.UUIDField(blank=True, null=True)),
                ("sessions_done", models.PositiveIntegerField(default=0)),
                ("sessions_total", models.PositiveIntegerField(default=0)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.RunPython(make_index, drop_index),
    ]
