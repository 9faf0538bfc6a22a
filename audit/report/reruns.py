"""What change makes which results void: the identity of everything that the numbers rest on.

A number speaks of one model, one policy, one set of rows and one toolchain. Article 72 of Regulation (EU) 2024/1689
asks the provider for a plan of monitoring; this is an input to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit.record import Record
from audit.report import supplied
from audit.types import FACT_GROUPS

_NO_LIBRARIES = frozenset({"python", "platform", "device", "dtype", "attention"})
"""Entries of the environment that are told on their own."""


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Something that may change, as it was in this audit, and what is void when it does."""

    what: str
    value: str
    digest: bool
    void: str


def triggers(record: Record) -> tuple[Trigger, ...]:
    """Return every trigger, the widest first."""
    return (*_of_the_audit(record), *_of_its_data(record), *_of_its_tools(record), *_of_its_use(record))


def _of_the_audit(record: Record) -> list[Trigger]:
    policy = record.policy
    changed = "; ".join(f"{key} = {value}" for key, value in policy.overrides.items())
    out = [
        _digest("Any file of the model: weights, tokenizer, configuration", record.model.digest, "every result"),
        _digest(
            f"The policy {policy.id}, version {policy.version}",
            policy.sha256,
            "every verdict, and the measurements of each check that was changed",
        ),
    ]
    if changed:
        out.append(_value("Values given on the command line", changed, "the results of the checks they belong to"))
    return out


def _of_its_data(record: Record) -> list[Trigger]:
    out = []
    for card in record.data:
        users = ", ".join(check.id for check in record.checks if check.data == card.name)
        out.append(_digest(f"The data set {card.name}", card.sha256, f"the results of {users or 'no check'}"))
    own = {record.provider.path} if record.provider else set()
    bases = {base.name for base in record.policy.bases}
    out += [
        _digest(f"{base.name}, which the policy extends", base.sha256, "every verdict that rests on what is inherited")
        for base in record.policy.bases
    ]
    out += [
        _digest(f"The file {name}", digest, "the results of the checks whose parameters name it")
        for name, digest in record.policy.files.items()
        if name not in own | bases
    ]
    return out


def _of_its_tools(record: Record) -> list[Trigger]:
    libraries = ", ".join(f"{k} {v}" for k, v in record.environment.items() if k not in _NO_LIBRARIES)
    versions = dict.fromkeys(f"{check.check} {check.version}" for check in record.checks)
    model = record.model
    return [
        _value(
            "Version of inspectoscope, and of the method of a check",
            f"{record.tool.version}; {', '.join(versions)}",
            "comparisons with this audit: verdicts of different versions of a method do not compare",
        ),
        _value("Libraries that shape the numbers", libraries, "every result, until a repeated run gives the same"),
        _value(
            "Number format, device, attention",
            f"{model.dtype}, {model.device}, {model.attention}",
            "every result, until a repeated run gives the same",
        ),
    ]


def _of_its_use(record: Record) -> list[Trigger]:
    out = []
    for title, kinds in FACT_GROUPS.items():
        for kind in kinds if title.startswith("How it is deployed") else ():
            said = supplied.statement(record, kind.id)
            void = "carrying the results over to the system in use"
            out.append(_value(f"In use: {kind.title.lower()}", said.text if said else "", void))
    for regulation in record.regulations:
        void = "what is said of its clauses; no number"
        out.append(_value(f"The law: {regulation.title}", f"as checked on {regulation.checked_on}", void))
    return out


def _digest(what: str, value: str, void: str) -> Trigger:
    return Trigger(what=what, value=value, digest=True, void=void)


def _value(what: str, value: str, void: str) -> Trigger:
    return Trigger(what=what, value=value, digest=False, void=void)
