"""The same tasks under cues of two kinds: the parts of ``evaluation_gap``."""
