"""Jobs that a worker elsewhere does, which knows our object store but not our database (docs/remote-worker.md).

handing_over   the job is POSTed there, with the key of its source and a token to answer with
returning      what the answer, or its absence, makes of the job
collecting     a worker of ours makes the recording from what then lies in the store
clearing       what lies there for a job that came to nothing goes
worker         such a worker, for a machine with a graphics card: python -m processing.remote.worker
"""
