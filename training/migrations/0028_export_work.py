from django.db import migrations, models

KINDS = [
    ("import", "Import"),
    ("edit", "Edit"),
    ("exclude", "Exclude records"),
    ("append", "Add records"),
    ("split", "Split"),
    ("mix", "Mix"),
    ("statistics", "Statistics"),
    ("export", "Export"),
]


class Migration(migrations.Migration):
    dependencies = [("training", "0027_curve_block_steps")]

    operations = [
        migrations.AlterField(
            "datasetwork", "kind", models.CharField(choices=KINDS, max_length=12)
        ),
    ]
