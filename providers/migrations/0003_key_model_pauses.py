import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0002_limit_resets")]

    operations = [
        migrations.CreateModel(
            name='KeyModelPause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=300)),
                ('until', models.DateTimeField(help_text='Then one question is the probe.')),
                ('n_refusals', models.PositiveIntegerField(default=1, help_text='Each doubles the pause, up to a day.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pauses', to='providers.apikey')),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pauses', to='providers.languagemodel')),
            ],
            options={
                'ordering': ['key', 'model'],
            },
        ),
        migrations.AddConstraint(
            model_name='keymodelpause',
            constraint=models.UniqueConstraint(fields=('key', 'model'), name='keymodelpause_unique_pair'),
        ),
    ]
