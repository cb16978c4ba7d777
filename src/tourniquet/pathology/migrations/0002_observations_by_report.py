"""Result lines lose their index by patient; they are found through their reports."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("pathology", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="observation", name="observation_by_patient"),
    ]
