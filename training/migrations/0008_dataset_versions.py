import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


def separate_families(apps, schema_editor):
    """What is there already: each dataset is the first version of a family of its own."""
    Dataset = apps.get_model('training', 'Dataset')
    for pk in list(Dataset.objects.values_list('pk', flat=True)):
        Dataset.objects.filter(pk=pk).update(family=uuid.uuid4())


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0007_labels_are_rows'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='dataset',
            name='family',
            field=models.UUIDField(default=uuid.uuid4, editable=False),
        ),
        migrations.RunPython(separate_families, migrations.RunPython.noop),
        migrations.CreateModel(
            name='DatasetStatistics',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('result', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name': 'statistics',
                'verbose_name_plural': 'statistics',
                'ordering': ['-created_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='DatasetUpload',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('file_name', models.CharField(max_length=200)),
                ('size_bytes', models.PositiveBigIntegerField()),
                ('received_bytes', models.PositiveBigIntegerField(default=0)),
                ('fingerprint', models.CharField(blank=True, max_length=64)),
                ('options', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                'verbose_name': 'upload',
                'verbose_name_plural': 'uploads',
                'ordering': ['-created_at'],
            },
        ),
        migrations.CreateModel(
            name='DatasetWork',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('import', 'Import'), ('edit', 'Edit'), ('exclude', 'Exclude records'), ('append', 'Add records'), ('split', 'Split'), ('mix', 'Mix'), ('statistics', 'Statistics')], max_length=12)),
                ('request', models.JSONField(default=dict)),
                ('status', models.CharField(choices=[('queued', 'Queued'), ('running', 'Running'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], db_index=True, default='queued', max_length=10)),
                ('phase', models.CharField(blank=True, max_length=20)),
                ('done', models.PositiveBigIntegerField(default=0)),
                ('total', models.PositiveBigIntegerField(default=0)),
                ('results', models.JSONField(default=list)),
                ('error', models.TextField(blank=True)),
                ('error_code', models.CharField(blank=True, max_length=40)),
                ('reasons', models.JSONField(default=list)),
                ('attempt', models.PositiveSmallIntegerField(default=0)),
                ('heartbeat_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name': 'work on a dataset',
                'verbose_name_plural': 'work on datasets',
                'ordering': ['-created_at'],
            },
        ),
        migrations.AddField(
            model_name='dataset',
            name='author',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='dataset',
            name='change',
            field=models.JSONField(default=dict, editable=False),
        ),
        migrations.AddField(
            model_name='dataset',
            name='duplicates',
            field=models.PositiveIntegerField(editable=False, null=True, verbose_name='duplicates'),
        ),
        migrations.AddField(
            model_name='dataset',
            name='parent',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='training.dataset'),
        ),
        migrations.AddField(
            model_name='dataset',
            name='version',
            field=models.PositiveIntegerField(default=1, editable=False, verbose_name='version'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.UniqueConstraint(fields=('family', 'version'), name='dataset_version'),
        ),
        migrations.AddField(
            model_name='datasetstatistics',
            name='base_model',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='training.basemodel'),
        ),
        migrations.AddField(
            model_name='datasetstatistics',
            name='dataset',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='statistics', to='training.dataset'),
        ),
        migrations.AddField(
            model_name='datasetupload',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='datasetwork',
            name='dataset',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='work', to='training.dataset'),
        ),
        migrations.AddField(
            model_name='datasetwork',
            name='owner',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='datasetwork',
            name='upload',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='work', to='training.datasetupload'),
        ),
        migrations.AddIndex(
            model_name='datasetstatistics',
            index=models.Index(fields=['dataset', 'base_model'], name='training_da_dataset_f3440a_idx'),
        ),
    ]
