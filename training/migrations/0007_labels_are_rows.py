from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('training', '0006_families'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='modelversion',
            name='labels',
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.UniqueConstraint(fields=('family', 'number'), name='a_number_once_in_a_family'),
        ),
    ]
