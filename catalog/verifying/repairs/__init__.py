"""Mending what verify_catalog finds, where that can be done safely. Each repair goes by the code of the finding.

recording.py   a recording as repairs see it: its rows, its folder, its audio
changes.py     what is to be written about one recording, and writing it: one transaction, files first
by_audio.py    repairs that read the audio
leftovers.py   repairs that clear up after killed processes
run.py         which findings there are, and one result after the other

Nothing that is there and not empty is ever overwritten, gains that people know stay, and what was mended already is
left alone.
"""
