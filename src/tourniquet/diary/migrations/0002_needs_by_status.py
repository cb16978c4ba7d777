"""Whose review day has come is found among those who wait; one index less a deferral."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("diary", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="need", name="need_review"),
    ]
