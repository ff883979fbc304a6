from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("processing", "0001_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="remote_folder",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Where the remote worker puts the stems.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="remote_token",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="SHA-256 of the token that it answers with.",
                max_length=64,
            ),
        ),
    ]
