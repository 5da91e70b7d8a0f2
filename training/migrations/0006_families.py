from django.db import migrations


def give_families(apps, schema_editor):
    """Each version becomes the next of the model that has its name; its labels become rows."""
    Family = apps.get_model("training", "ModelFamily")
    Label = apps.get_model("training", "Label")
    Version = apps.get_model("training", "ModelVersion")
    last: dict[int, int] = {}
    for version in Version.objects.order_by("created_at", "pk"):
        family, _created = Family.objects.get_or_create(
            owner_id=version.owner_id, name=version.name
        )
        last[family.pk] = last.get(family.pk, 0) + 1
        Version.objects.filter(pk=version.pk).update(family=family, number=last[family.pk])
        for name in version.labels or []:
            Label.objects.update_or_create(
                family=family, name=str(name)[:40], defaults={"version_id": version.pk}
            )


def wait_for_files(apps, schema_editor):
    """A hub's model is ready once its files are here, which they are not yet."""
    apps.get_model("training", "BaseModel").objects.filter(path="").update(is_ready=False)


class Migration(migrations.Migration):
    dependencies = [("training", "0005_registry")]

    operations = [
        migrations.RunPython(give_families, migrations.RunPython.noop),
        migrations.RunPython(wait_for_files, migrations.RunPython.noop),
    ]
