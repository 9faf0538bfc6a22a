"""Check types, one file each; shared parts start with an underscore.

A check measures and never judges: it yields requests, is handed answers and returns a ``Finding``.
"""
