import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0004_learned_limits")]

    operations = [
        migrations.CreateModel(
            name='ModelPrice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('valid_from', models.DateField(help_text='First day of this price, UTC.')),
                ('input_usd_per_mtok', models.DecimalField(decimal_places=6, max_digits=12)),
                ('output_usd_per_mtok', models.DecimalField(decimal_places=6, max_digits=12)),
                ('cached_usd_per_mtok', models.DecimalField(blank=True, decimal_places=6, help_text='Cached input; empty: as other input.', max_digits=12, null=True)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='prices', to='providers.languagemodel')),
            ],
            options={
                'ordering': ['model', '-valid_from'],
            },
        ),
        migrations.AddConstraint(
            model_name='modelprice',
            constraint=models.UniqueConstraint(fields=('model', 'valid_from'), name='modelprice_unique_day'),
        ),
    ]
