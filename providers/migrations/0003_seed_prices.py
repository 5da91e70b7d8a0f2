from django.db import migrations

from providers.price_import import import_prices, read_seed


def seed(apps, schema_editor):
    import_prices(read_seed(), apps.get_model("providers", "ModelPrice"))


class Migration(migrations.Migration):
    dependencies = [("providers", "0002_catalog")]

    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
