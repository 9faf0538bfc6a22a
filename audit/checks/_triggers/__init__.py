"""How far insertions move a model's output, and what that shows: the parts of ``trigger_scan``."""
