"""Bringing the JSON store into the catalogue.

`plan.build_plan` only reads, and gives one item per folder; `writing.apply` writes what the items say. The command,
the admin page and verify_catalog render the same items.
"""
