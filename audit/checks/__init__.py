"""Check types, one file each; what they share stands in packages and modules that start with an underscore.

A check measures and never judges: it yields requests, is handed answers and returns a ``Finding``. The shared parts
build on each other one way:

    _beliefs, _cues, _directions, _localising, _triggers    the parts of one large check each
    _attributions, _groups, _probing                        what several checks measure
    _rewriting                                              the texts that they ask about
    _stats                                                  estimates that know their own error

``_toy`` holds models that are small enough to be worked out by hand, for the examples of the checks.
"""
