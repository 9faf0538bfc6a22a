"""Reads policies: strict YAML with positions, checked and joined with its data.

``load`` is the way in. The files of this folder follow the way of a policy: ``encoding`` (bytes to text),
``strict_yaml`` and ``document`` (text to data with positions), ``extending`` and ``merging`` (a policy laid over
another), ``overrides`` (``--set``), ``schema`` and ``validation`` (shape), ``paths`` and ``tables`` (files),
``sources``, ``extract``, ``labels``, ``roles`` and ``data`` (data sets), ``checks``, ``criteria``, ``decision`` and
``waivers`` (what is measured and judged), ``provider`` (what no measurement can know), ``loader``. ``freezing`` holds
a policy against what was fixed of it earlier; ``starting``, ``presets`` and ``drafting`` begin a new one.
``describe``, ``editors`` and ``reference`` show what a policy says and may say.
"""

from audit.policy.describe import show, title
from audit.policy.editors import json_schema, schema_text
from audit.policy.encoding import MAX_BYTES
from audit.policy.freezing import found as found_freeze
from audit.policy.freezing import freeze
from audit.policy.loader import draft, load, provider_facts
from audit.policy.paths import FoundFile, Kept, KeptData
from audit.policy.provider import blank as blank_provider
from audit.policy.reference import named_check
from audit.policy.reference import one as reference_of
from audit.policy.reference import page as reference

__all__ = [
    "MAX_BYTES",
    "FoundFile",
    "Kept",
    "KeptData",
    "blank_provider",
    "draft",
    "found_freeze",
    "freeze",
    "json_schema",
    "load",
    "named_check",
    "provider_facts",
    "reference",
    "reference_of",
    "schema_text",
    "show",
    "title",
]
