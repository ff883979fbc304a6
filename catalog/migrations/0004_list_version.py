"""A profile's list_version changes in the transaction that changes its list, whoever writes: a service, COPY or psql.

Triggers once per statement, not once per row, so that an import of thousands costs a handful of updates.
"""

from django.db import migrations

LISTED = {
    "recordings": "profile_id, id, output_name, display_name, created_at",
    "stems": (
        "recording_id, id, stem_type, measured_lufs, peak_amplitude, stem_gain_adjustment_db, audio_url, waveform_url, "
        "file_size_bytes, duration_seconds"
    ),
}
PROFILES_OF = {
    "recordings": "SELECT profile_id FROM ({rows}) AS changed",
    "stems": "SELECT profile_id FROM recordings WHERE id IN (SELECT recording_id FROM ({rows}) AS changed)",
}


def bump(profiles: str) -> str:
    # In one order, so that two transactions over the same profiles wait for each other instead of for ever.
    return f"""
        UPDATE profiles SET list_version = gen_random_uuid() WHERE id IN (
            SELECT id FROM profiles WHERE id IN ({profiles}) ORDER BY id FOR NO KEY UPDATE);"""  # noqa: S608


def functions(table: str) -> str:
    columns = LISTED[table]
    rows = {
        "insert": "SELECT * FROM new_rows",
        "delete": "SELECT * FROM old_rows",
        "update": f"""
            (SELECT {columns} FROM old_rows EXCEPT ALL SELECT {columns} FROM new_rows)
            UNION ALL (SELECT {columns} FROM new_rows EXCEPT ALL SELECT {columns} FROM old_rows)""",  # noqa: S608
    }
    tables = {
        "insert": "REFERENCING NEW TABLE AS new_rows",
        "delete": "REFERENCING OLD TABLE AS old_rows",
        "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    }
    statements = [
        f"""
        CREATE FUNCTION list_version_{table}_{event}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            {bump(PROFILES_OF[table].format(rows=rows[event]))}
            RETURN NULL;
        END $$;
        CREATE TRIGGER list_version_{event} AFTER {event} ON {table} {tables[event]}
            FOR EACH STATEMENT EXECUTE FUNCTION list_version_{table}_{event}();
        """
        for event in rows
    ]
    return "".join(statements)


TRUNCATED = """
    CREATE FUNCTION list_version_truncated() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE profiles SET list_version = gen_random_uuid();
        RETURN NULL;
    END $$;
    CREATE TRIGGER list_version_truncate AFTER TRUNCATE ON recordings
        FOR EACH STATEMENT EXECUTE FUNCTION list_version_truncated();
    CREATE TRIGGER list_version_truncate AFTER TRUNCATE ON stems
        FOR EACH STATEMENT EXECUTE FUNCTION list_version_truncated();
"""
REVERSE = """
    DROP FUNCTION list_version_truncated CASCADE;
    DROP FUNCTION list_version_recordings_insert, list_version_recordings_update, list_version_recordings_delete CASCADE;
    DROP FUNCTION list_version_stems_insert, list_version_stems_update, list_version_stems_delete CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_sign_in_and_api")]

    operations = [
        migrations.RunSQL(functions("recordings") + functions("stems") + TRUNCATED, REVERSE),
    ]
