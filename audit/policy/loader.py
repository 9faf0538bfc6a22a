"""Reads a policy, joins it with its data, and says everything that is wrong with both at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.errors import UserError, user_error
from audit.policy import extending, regulations, strict_yaml
from audit.policy import provider as providers
from audit.policy.annotations import keys
from audit.policy.checks import DraftCheck, drafted, hazard, planned, unique
from audit.policy.criteria import person
from audit.policy.data import dataset, restored
from audit.policy.decision import decision
from audit.policy.document import Document
from audit.policy.encoding import MAX_BYTES, TITLE
from audit.policy.explaining import explaining
from audit.policy.extending import Whole
from audit.policy.overrides import Given, applied
from audit.policy.paths import Files, Findable, Kept, declared, neighbour, variables
from audit.policy.problems import Problems
from audit.policy.reading import Reading
from audit.policy.schema import (
    MAX_CHECKS,
    MAX_DATASETS,
    MAX_HAZARDS,
    MAX_WAIVERS,
    Header,
    ModelEntry,
)
from audit.policy.schema_data import DataEntry
from audit.policy.validation import validated
from audit.policy.waivers import check_dates, waiver
from audit.registry import CheckType
from audit.types import Dataset, Decision, ExtendedPolicy, Hazard, Policy, ProviderFacts, Waiver


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A policy as far as it can be read without its data; None stands for what was wrong."""

    raw: bytes
    given: Given
    reading: Reading
    header: Header | None
    model: ModelEntry | None
    decision: Decision | None
    data: Mapping[str, DataEntry | None]
    hazards: tuple[Hazard, ...]
    checks: tuple[DraftCheck, ...]
    waivers: tuple[Waiver, ...]


def load(
    path: str | Path,
    *,
    check_types: Mapping[str, CheckType],
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    today: dt.date | None = None,
    kept: Kept | None = None,
    provider: Path | None = None,
) -> Policy:
    """Return a policy, checked and joined with its data.

    ``overrides`` are the ``key=value`` of ``--set``. The files that a policy may read are those in its
    own folder, and those in folders that the user named (see ``audit.policy.paths``). With ``kept``, the policy and
    its files are those that were kept of an audit, and nothing else is opened. ``today`` is the day on which tables of
    law must not be too old and waivers not expired; by default the present one, or that of ``SOURCE_DATE_EPOCH``.
    ``provider`` is a file of the provider's facts, in place of the one that the policy may name.

    Raises
    ------
    UserError
        With every problem of the policy and its data files, in the order of position. What keeps the
        file from being read at all (broken YAML) is told alone.
    """
    read = draft(path, check_types=check_types, overrides=overrides, environ=environ, kept=kept)
    reading, header = read.reading, read.header
    datasets = {name: _dataset(name, entry, reading, kept) for name, entry in read.data.items()}
    seed = header.seed if header else 0
    checks = [planned(check, reading, datasets, read.decision, seed) for check in read.checks]
    day = today or _today(environ)
    check_dates(read.waivers, reading, day)
    law = regulations.named(header.regulations, reading, day) if header else ()
    facts = _facts_or_problems(header, provider, reading)
    told = explaining(header.explain, reading, datasets) if header else None
    reading.problems.stop()
    assert header is not None
    assert read.model is not None
    assert read.decision is not None
    return Policy(
        id=header.id,
        version=header.version,
        title=header.title,
        purpose=header.purpose,
        path=str(path),
        source=reading.document.source,
        bases=tuple(
            ExtendedPolicy(name=base.name, sha256=base.sha256, source=base.source) for base in reading.document.bases
        ),
        sha256=hashlib.sha256(read.raw).hexdigest(),
        overrides=read.given.texts,
        files=dict(sorted(reading.digests.items())),
        read=reading.read,
        authors=tuple(person(author) for author in header.authors),
        task=read.model.task,
        decision=read.decision,
        decision_place=reading.document.place_of(("model", "decision")),
        datasets={name: data for name, data in datasets.items() if data is not None},
        hazards=read.hazards,
        checks=tuple(check for check in checks if check is not None),
        seed=header.seed,
        limits=tuple(header.limits),
        waivers=read.waivers,
        regulations=law,
        reaches=regulations.reaches() if law else {},
        provider=facts,
        explain=told,
    )


def _dataset(name: str, entry: DataEntry | None, reading: Reading, kept: Kept | None) -> Dataset | None:
    if entry is None or (kept is not None and name in kept.incomplete):
        return None
    if kept is not None and name in kept.datasets:
        return restored(name, entry, kept.datasets[name], reading)
    return dataset(name, entry, reading)


def provider_facts(path: Path) -> ProviderFacts:
    """Return the facts of a provider's file that the user named.

    Raises
    ------
    UserError
        When it cannot be read, or with everything that is wrong in it.
    """
    raw = file_bytes(path, title=providers.UNREADABLE, expected="the path of a file of facts")
    # Where the file lay on another machine helps no reader of a report.
    return replace(providers.read(raw, str(path)), path=path.name)


def _facts_or_problems(header: Header | None, given: Path | None, reading: Reading) -> ProviderFacts | None:
    """Return the provider's facts; what is wrong with them is told with the policy's own mistakes, if it has any."""
    try:
        return _facts(header, given, reading)
    except UserError as error:
        if not len(reading.problems):
            raise
        reading.problems.add(*error.problems)
        return None


def _facts(header: Header | None, given: Path | None, reading: Reading) -> ProviderFacts | None:
    if given is not None:
        return provider_facts(given)
    if header is None or header.provider is None:
        return None
    file = reading.file_at(("provider",))
    return None if file is None else providers.read(file.body, header.provider)


def draft(
    path: str | Path,
    *,
    check_types: Mapping[str, CheckType],
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    kept: Kept | None = None,
) -> Draft:
    """Return a policy as far as it can be read without its data; its problems are not raised yet.

    Parts are read one by one, so that a mistake in one of them hides none in another.

    Raises
    ------
    UserError
        When the file cannot be read, is not the YAML accepted here, or an override cannot be applied.
    """
    path = Path(path)
    raw = file_bytes(path) if kept is None else kept.policy
    whole = _whole(strict_yaml.read(raw, str(path)), overrides, environ, kept)
    given = applied(whole.document, overrides)
    document = given.document
    problems = Problems(document)
    problems.add(*whole.problems)
    header = validated(Header, document.data, at=(), problems=problems)
    _check_variable_names(document.data, problems)
    files = kept or _files(whole, given, environ)
    reading = Reading(document, problems, files)
    reading.read.update(whole.read)
    reading.digests.update({base.name: base.sha256 for base in document.bases})
    model, decided = _model(document.data, problems)
    data = {
        name: validated(DataEntry, entry, at=("data", name), problems=problems)
        for name, entry in _entries(document.data.get("data"), dict, MAX_DATASETS)
    }
    checks = tuple(
        drafted(index, reading, check_types) for index, _ in _entries(document.data.get("checks"), list, MAX_CHECKS)
    )
    unique(("checks",), [check.id for check in checks], reading)
    return Draft(
        raw=raw,
        given=given,
        reading=reading,
        header=header,
        model=model,
        decision=decided,
        data=data,
        hazards=_hazards(document.data, checks, reading),
        checks=checks,
        waivers=_waivers(document.data, checks, reading),
    )


def _today(environ: Mapping[str, str]) -> dt.date:
    """Return the present day, or that of ``SOURCE_DATE_EPOCH`` where a build is to be repeated."""
    epoch = environ.get("SOURCE_DATE_EPOCH", "")
    return (dt.datetime.fromtimestamp(int(epoch), dt.UTC) if epoch.isdigit() else dt.datetime.now(dt.UTC)).date()


def file_bytes(path: Path, *, title: str = TITLE, expected: str = "the path of a policy") -> bytes:
    """Return the bytes of a policy file, and one more than allowed where it is too large.

    Raises
    ------
    UserError
        When it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        found = (getattr(error, "strerror", "") or str(error)).lower()
        near = "" if os.path.exists(path) else neighbour(path)  # noqa: PTH110 - of a name that cannot be, too
        raise user_error(title, where=str(path), found=found, expected=expected, do=near) from error


def _entries(value: Any, kind: type[dict[str, Any] | list[Any]], most: int) -> list[tuple[Any, Any]]:
    """Return keys or positions with their entries; none where the header already has a problem with all."""
    if not isinstance(value, kind):
        return []
    return list(value.items() if isinstance(value, dict) else enumerate(value))[:most]


def _whole(document: Document, overrides: Sequence[str], environ: Mapping[str, str], kept: Kept | None) -> Whole:
    """Return a policy with what it extends."""
    if kept is not None:
        return extending.whole_of_kept(document, kept)
    return extending.whole(document, given=extending.given_folders(overrides), environ=environ)


def _files(whole: Whole, given: Given, environ: Mapping[str, str]) -> Findable:
    document = given.document
    entries = declared(document.data)
    right = {name: entry for name, entry in entries.items() if entry is not None}
    folders = {name: whole.folders[document.home_of(("variables", name))] for name in right}
    return Files(
        folder=whole.folders[""],
        variables=variables(right, given.variables, environ, folders),
        unusable=entries.keys() - right.keys(),
        homes=whole.folders,
    )


def _check_variable_names(data: Mapping[str, Any], problems: Problems) -> None:
    named = data.get("variables")
    for name in named if isinstance(named, dict) else ():
        if name in keys(Header):
            problems.at(
                ("variables", name),
                key=True,
                found=f"a variable named `{name}`, like a key of the policy",
                expected="a name that --set cannot take for something else",
            )


def _model(data: Mapping[str, Any], problems: Problems) -> tuple[ModelEntry | None, Decision | None]:
    if "model" not in data:
        return None, None
    model = validated(ModelEntry, data["model"], at=("model",), problems=problems)
    return model, decision(model, problems) if model else None


def _hazards(data: Mapping[str, Any], checks: Sequence[DraftCheck], reading: Reading) -> tuple[Hazard, ...]:
    entries = _entries(data.get("hazards"), list, MAX_HAZARDS)
    ids = [entry.get("id") if isinstance(entry, dict) else None for _, entry in entries]
    unique(("hazards",), [name if isinstance(name, str) else "" for name in ids], reading)
    watched: dict[str, str] = {}
    found = [hazard(index, reading, checks, watched) for index, _ in entries]
    return tuple(entry for entry in found if entry is not None)


def _waivers(data: Mapping[str, Any], checks: Sequence[DraftCheck], reading: Reading) -> tuple[Waiver, ...]:
    found = [waiver(index, reading, checks) for index, _ in _entries(data.get("waivers"), list, MAX_WAIVERS)]
    return tuple(entry for entry in found if entry is not None)
