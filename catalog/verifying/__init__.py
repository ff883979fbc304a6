"""Whether the catalogue and the storage agree, and mending what can be mended safely.

findings.py    what can be found: codes with their severity and what to do
rows.py        what the catalogue has, in batches that go along with the storage's folders
checks.py      one folder against its rows; pure
folders.py     all folders of a profile, several files at a time
shadow.py      what an import would do: how the JSON store has changed since
database.py    what the database alone tells: the queries of the migration document, and beyond
sources.py     source files
registry.py    checks and repairs that other rooms add, which this one must not import
run.py         a verification from beginning to end; only reads
repairs/       one repair for each code that has one
"""
