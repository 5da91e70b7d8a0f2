from typing import Any

from django.db import migrations, models

from training.step_runs import runs_of


def look_again(apps: Any, schema_editor: Any) -> None:
    """Blocks from before: once each of their points is looked at."""
    blocks = apps.get_model("training", "CurveBlock").objects
    points = apps.get_model("training", "Metric").objects
    known = blocks.order_by("pk").values_list("pk", "workload_id", "first_id", "last_id")
    for pk, workload_id, first_id, last_id in list(known):
        rows = points.filter(workload_id=workload_id, pk__range=(first_id, last_id))
        told = rows.order_by().values_list("step", "values")
        steps = sorted({step for step, values in told if "loss" in values})
        blocks.filter(pk=pk).update(steps=runs_of(steps))


class Migration(migrations.Migration):
    dependencies = [("training", "0026_withdrawn_records")]

    operations = [
        migrations.AddField("curveblock", "steps", models.JSONField(default=list)),
        migrations.RunPython(look_again, migrations.RunPython.noop),
    ]
