from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0008_practice"),
    ]

    operations = [
        migrations.AddField(
            model_name="stem",
            name="peaks_url",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What the mixer draws it from, relative to the media folder or bucket; empty where there is none.",
                max_length=1024,
            ),
        ),
    ]
