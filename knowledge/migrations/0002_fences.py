"""A number for each claim that only ever rises, apart from the count of tries."""

from typing import Any, ClassVar

from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Greatest


def begin_above(apps: Any, _editor: Any) -> None:
    """A claim's fence is the edition of the chunks that it writes: no edition that exists again,
    nor one that is being written in this moment."""
    apps.get_model("knowledge", "Document").objects.update(
        fence=Greatest(F("edition") + 1, F("attempt"))
    )


class Migration(migrations.Migration):
    dependencies: ClassVar = [("knowledge", "0001_initial")]

    operations: ClassVar = [
        migrations.AddField(
            "document", "fence", models.PositiveIntegerField(default=0, editable=False)
        ),
        migrations.AddField(
            "document", "waits", models.PositiveSmallIntegerField(default=0, editable=False)
        ),
        migrations.AddField(
            "assessment", "fence", models.PositiveIntegerField(default=0, editable=False)
        ),
        migrations.RunPython(begin_above, migrations.RunPython.noop, elidable=False),
    ]
