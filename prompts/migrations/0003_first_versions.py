"""What was written before there were versions is the first version of each prompt."""

from django.db import migrations


def give_first_versions(apps, schema_editor):
    Prompt = apps.get_model('prompts', 'Prompt')
    PromptVersion = apps.get_model('prompts', 'PromptVersion')
    for pk in list(Prompt.objects.filter(versions=None).values_list('pk', flat=True)):
        prompt = Prompt.objects.get(pk=pk)
        PromptVersion.objects.create(
            prompt=prompt, number=1, text=prompt.text, author_id=prompt.owner_id, created_at=prompt.updated_at
        )


class Migration(migrations.Migration):

    dependencies = [
        ('prompts', '0002_versions'),
    ]

    operations = [
        migrations.RunPython(give_first_versions, migrations.RunPython.noop),
    ]
