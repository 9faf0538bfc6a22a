"""Explains one case or many: opens the model once, shares passes between cases, and loses none to another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import audit
from audit import pipeline, recording
from audit.errors import UserError, user_error
from audit.explaining.asking import Found, explained
from audit.explaining.cases import Case, Lost
from audit.explaining.frame import TITLE, Frame, Wish, frame
from audit.explanation import CasePart, Explanation, PolicyNamed
from audit.progress import Progress, Silent
from audit.record import ModelPart, Tool
from audit.requests import CheckRun
from audit.types import Finding, NotAssessed, Policy, rows_digest

if TYPE_CHECKING:
    from datetime import datetime

    from audit.capture.model import LoadedModel

AT_ONCE = 32
"""Cases that share passes. More would fill batches no better, and a run that is killed would have delivered less."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to explain, beside what."""

    overrides: tuple[str, ...] = ()
    provider: Path | None = None
    store: Path | None = None
    wish: Wish = field(default_factory=Wish)


Deliver = Callable[[Explanation | Lost], None]
"""Is handed every explanation as soon as it is there."""


def explain(
    policy_path: Path,
    load: Callable[[Policy], LoadedModel],
    cases: Callable[[Frame], Sequence[Case | Lost]],
    options: Options,
    deliver: Deliver,
    *,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
) -> None:
    """Explain decisions, one after the other, and deliver each.

    ``cases`` says what is to be explained, once the policy and its data are read.

    Raises
    ------
    UserError
        When the policy, the data, the model or what is asked for cannot be used; of a single case also when it
        cannot be explained at all.
    """
    from audit.capture import gradients, runs, store
    from audit.capture.model import check_decision

    progress = progress or Silent()
    policy = pipeline.read_policy(policy_path, options.overrides, options.provider)
    early = frame(policy, options.wish, longest=1)  # what is wrong with the wish is told before a model is opened
    chosen = cases(early)
    loaded = load(policy)
    check_decision(loaded, policy.decision, policy.decision_place)
    if why := gradients.why_none(loaded):
        raise _no_gradients(loaded.name, why)
    fixed = frame(policy, options.wish, longest=loaded.max_length)
    root = options.store or store.default_root()
    tried = runs.Tried(
        key=_key(policy, loaded, chosen, options),
        policy=f"explain:{policy.id}",  # explaining a case is no further run of the audit
        model=loaded.identity.digest,
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        changed=tuple(policy.overrides),
    )
    begun = runs.begin(root, tried, clock=clock or runs.utc_now)
    if begun.interruptions:
        progress.note(f"going on with the explanations that were broken off; begun {begun.created}")
    made = Making(policy=policy, loaded=loaded, frame=fixed, root=root, created=begun.created, progress=progress)
    for outcome in made.each(chosen):
        if isinstance(outcome, Lost) and len(chosen) == 1:
            raise _lost(outcome)
        deliver(outcome)
    pipeline.check_unchanged(loaded, root)
    runs.finish(root, begun, clock=clock or runs.utc_now)


def _lost(lost: Lost) -> UserError:
    return user_error(
        TITLE,
        where=lost.source,
        found=lost.reason,
        expected="a case that this model can read whole, score and attribute",
        do="docs/explaining.md says what an explanation needs of a model and of a case",
    )


def _no_gradients(name: str, why: str) -> UserError:
    return user_error(
        TITLE,
        where=name,
        found=f"the model gives no gradients ({why})",
        expected="a model whose gradients are available: weights in float32, bfloat16 or float16",
        do="explain the decision with the model as it was before it was quantised, and say so where you show it",
    )


def _key(policy: Policy, loaded: LoadedModel, cases: Sequence[Case | Lost], options: Options) -> str:
    parts = {
        "run": pipeline.run_key(policy, loaded, pipeline.Options()),
        "cases": [case.sha256 if isinstance(case, Case) else case.reason for case in cases],
        "wish": asdict(options.wish),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(kw_only=True)
class Making:
    """Makes explanations with one model and one store."""

    policy: Policy
    loaded: LoadedModel
    frame: Frame
    root: Path
    created: str
    progress: Progress
    self_test: str = recording.NOTHING_ASKED

    def each(self, cases: Sequence[Case | Lost]) -> Iterator[Explanation | Lost]:
        """Yield the explanation of every case, or why there is none, in the order given."""
        if len(cases) == 1:
            yield from self._several(cases, self.progress)
            return
        with self.progress.task("explaining", len(cases), "cases") as task:
            for at in range(0, len(cases), AT_ONCE):
                for outcome in self._several(cases[at : at + AT_ONCE], Silent()):
                    yield outcome
                    task.advance()

    def _several(self, cases: Sequence[Case | Lost], progress: Progress) -> Iterator[Explanation | Lost]:
        """Explain some cases with shared passes; where an error would end all of them, each by itself."""
        try:
            found = self._asked([case for case in cases if isinstance(case, Case)], progress)
        except UserError:
            if len(cases) == 1:
                raise
            for case in cases:
                yield from self._alone(case, progress)
            return
        for case in cases:
            yield case if isinstance(case, Lost) else self._told(case, found[case.id])

    def _alone(self, case: Case | Lost, progress: Progress) -> Iterator[Explanation | Lost]:
        try:
            yield from self._several([case], progress)
        except UserError as error:
            reason = "; ".join(problem.found for problem in error.problems)
            yield Lost(id=case.id, source=case.source, reason=reason)

    def _asked(self, cases: Sequence[Case], progress: Progress) -> dict[str, Found | str]:
        """Return what was found of each case, or why nothing was."""
        from audit.capture.cost import Cost
        from audit.capture.executors.local import LocalExecutor
        from audit.capture.scheduler import Scheduler
        from audit.capture.store import Store

        found: dict[str, Found | str] = {}
        opened = Store(self.root, self.loaded.context)
        try:
            scheduler = Scheduler(executor=LocalExecutor(self.loaded), store=opened, progress=progress, cost=Cost())
            ended = scheduler.run({case.id: self._run(case, found) for case in cases})
            self.self_test = scheduler.self_test or self.self_test
        finally:
            opened.close()
        found |= {name: end.reason for name, end in ended.items() if isinstance(end, NotAssessed)}
        return found

    def _run(self, case: Case, found: dict[str, Found | str]) -> CheckRun:
        found[case.id] = yield from explained(case, self.frame)
        return Finding()

    def _told(self, case: Case, found: Found | str) -> Explanation | Lost:
        if isinstance(found, str):
            return Lost(id=case.id, source=case.source, reason=found)
        return explanation(case, found, self.frame, self.policy, self._model(), self.created, self.loaded)

    def _model(self) -> ModelPart:
        return recording.model_part(self.policy, self.loaded, self.self_test)


def explanation(
    case: Case,
    found: Found,
    fixed: Frame,
    policy: Policy,
    model: ModelPart,
    created: str,
    loaded: LoadedModel,
) -> Explanation:
    """Put the record of one explanation together."""
    data = fixed.data
    stated = policy.provider.statements if policy.provider else {}
    return Explanation(
        tool=Tool(version=audit.__version__),
        created=created,
        template=fixed.template,
        policy=PolicyNamed(
            id=policy.id,
            version=policy.version,
            title=policy.title,
            purpose=policy.purpose,
            path=policy.path,
            sha256=policy.sha256,
            overrides=policy.overrides,
            data=data.name if data else "",
            data_sha256=rows_digest(data.rows) if data else "",
        ),
        model=model,
        environment=recording.environment(loaded),
        case=CasePart(
            id=case.id, kind=case.kind, source=case.source, text=case.text, sha256=case.sha256, fields=case.fields
        ),
        rules=fixed.rules,
        refused=any(check.passed is False for check in found.checks),
        contact=stated.get("provider_contact"),
        provider=stated.get("provider_name"),
        **{name: getattr(found, name) for name in Found.__dataclass_fields__},
    )
