from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0009_peaks"),
    ]

    operations = [
        migrations.AddField(
            model_name="deletedrecording",
            name="files",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                help_text="Keys of its files, until they are gone from storage.",
            ),
        ),
    ]
