"""Explains single decisions: asks the model what moved them, tests every reason, and writes the explanation down.

``frame`` is what is fixed before the model is asked, ``cases`` reads what is to be explained, ``asking`` asks about one
case through the same requests, scheduler and store as a run, and ``run`` does so for many. What comes out is an
``audit.explanation.Explanation``; pages are made of it by ``audit.report.explanation``.
"""
