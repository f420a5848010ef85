from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name='limit',
            name='counted_at',
            field=models.CharField(choices=[('admission', 'when the call arrives'), ('completion', 'when the answer is complete')], default='admission', help_text='When tokens are counted.', max_length=10),
        ),
        migrations.AddField(
            model_name='limit',
            name='reset_zone',
            field=models.CharField(default='UTC', help_text='Where midnight is, e.g. America/Los_Angeles.', max_length=40),
        ),
        migrations.AddField(
            model_name='limit',
            name='resets',
            field=models.CharField(choices=[('rolling', 'any such window'), ('day', 'at midnight'), ('month', 'at the start of the month')], default='rolling', max_length=10),
        ),
        migrations.AddConstraint(
            model_name='limit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('what', 'in_flight'), _negated=True), ('resets', 'rolling'), _connector='OR'), name='limit_at_once_never_resets'),
        ),
    ]
