"""Notices of a need are found through its patient: one index less for each to be written to."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notices", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="notice", name="notice_by_need"),
    ]
