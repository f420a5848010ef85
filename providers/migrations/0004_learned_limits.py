import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0003_key_model_pauses")]

    operations = [
        migrations.CreateModel(
            name='LearnedLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('what', models.CharField(choices=[('requests', 'requests'), ('input_tokens', 'input tokens'), ('output_tokens', 'output tokens'), ('tokens', 'tokens'), ('in_flight', 'calls at once')], max_length=20)),
                ('per_s', models.PositiveIntegerField(help_text='Window in seconds.')),
                ('amount', models.PositiveBigIntegerField()),
                ('remaining', models.PositiveBigIntegerField(blank=True, help_text='When last seen.', null=True)),
                ('seen_at', models.DateTimeField(help_text='Noted at most once a minute.')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='learned_limits', to='providers.languagemodel')),
                ('pool', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='learned_limits', to='providers.limitpool')),
            ],
            options={
                'ordering': ['pool', 'model', 'what'],
            },
        ),
        migrations.AddConstraint(
            model_name='learnedlimit',
            constraint=models.UniqueConstraint(fields=('pool', 'model', 'what', 'per_s'), name='learnedlimit_unique'),
        ),
    ]
