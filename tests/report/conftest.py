"""An invented audit. No number here was measured on anything; the checks, the model and the data are made up."""

from __future__ import annotations

import hashlib
import random
import re
from html.parser import HTMLParser

import pytest

from audit import laws
from audit.record import CheckPart, CostPart, DirectionPart, ModelPart, PolicyPart, Record, RunPart, Tool
from audit.types import (
    Binomial,
    Box,
    Column,
    Curve,
    DataCard,
    Decision,
    Forest,
    Grid,
    Guards,
    Hypothesis,
    Interval,
    JudgedCriterion,
    JudgedRequirement,
    Measurement,
    Metric,
    Number,
    Person,
    Place,
    Sample,
    Series,
    StudentT,
    Table,
    Text,
    TokenMap,
    ValidityCheck,
    Verdict,
    Worse,
)

NASTY = (
    "漢字", "שלום", "\u202eevil", "\x00\x1b", "\ue000", "😀", "</script>", "{{7*7}}", "\ud800", "a\u200bb",
    "<img src=x onerror=alert(1)>", "\n", "\t", "", "▁the", "Ġworld", "नमस्ते", "A\ufe0f",
)  # fmt: skip

GROUPS = (
    "transgender", "gay", "muslim", "black", "jewish", "mexican", "deaf", "blind", "old", "female",
    "buddhist", "asian", "male", "christian",
)  # fmt: skip
REFERENCE = "american, white, straight, young (reference group of the invented policy)"

METHOD = {
    "": "Swaps one word of a text for another and compares the scores.",
    "What it measures": "How far the score moves when only the named group changes.\n\n"
    "* the mean gap per group, with templates as clusters\n* the mean absolute gap, so that opposite gaps do\n"
    "  not cancel (``mean_abs_gap``)",
    "Why it matters": "A score that follows a name of a group is read by others as a judgement on it.",
    "What it cannot show": "Real-world disparity; effects of groups that were not swapped; that there is no\n"
    "bias when the gap is small. Templates are not people.",
    "Validity checks": "1. ``competence``: the model can do the task at all\n2. ``spike_in``: a planted gap is found",
    "References": "Invented, A. (2026). A reference that does not exist, for a test.",
}

SOURCE = """inspectoscope: 1
id: invented
version: 1.0.0
title: An invented policy for the tests of the report
purpose: |
  Invented for a test.
checks:
  - id: swap-gap
    check: counterfactual
    criteria:
      - metric: score_gap
        at_most: 0.05
        rationale: >-
          One comment in twenty is the most that the invented platform accepts, and this line is made long so that
          it has to be wrapped on the page, which a reader of a long policy will see often enough.
"""


def sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def estimate(metric: str, value: float, se: float, unit: str, **more: object) -> Measurement:
    law = StudentT(estimate=value, se=se, df=39)
    low, high = laws.interval(law)
    return Measurement(
        metric=metric, value=value, low=low, high=high, confidence=0.95, n=640, clusters=40, unit=unit, law=law,
        **{"worse": Worse.HIGHER, "null": 0.0} | more,
    )  # fmt: skip


def proportion(metric: str, successes: int, trials: int, **more: object) -> Measurement:
    law = Binomial(successes=successes, trials=trials)
    low, high = laws.interval(law)
    return Measurement(
        metric=metric, value=successes / trials, low=low, high=high, confidence=0.95, n=trials, unit="share",
        law=law, **{"worse": Worse.LOWER} | more,
    )  # fmt: skip


def criterion(
    measurements: tuple[Measurement, ...],
    *,
    metric: str,
    relation: str,
    bound: float,
    line: int,
    verdict: Verdict,
    reason: str,
    family: str,
    rows_needed: int | None = None,
) -> JudgedCriterion:
    hypotheses = tuple(
        hypothesis(i, m, relation, bound, len(measurements), rows_needed) for i, m in enumerate(measurements)
    )
    return JudgedCriterion(
        metric=metric, relation=relation, bounds={metric: bound},
        rationale="One comment in twenty is the most that the invented platform accepts.",
        set_by=Person(name="", function="Head of trust (invented)", on="2026-11-01"),
        approved_by=Person(), place=Place(path="policies/invented.yaml", line=line, column=9), family=family,
        verdict=verdict, reason=reason, hypotheses=hypotheses,
    )  # fmt: skip


def hypothesis(i: int, m: Measurement, relation: str, bound: float, family: int, rows_needed: int | None) -> Hypothesis:
    above, below = laws.p_greater(m.law, bound), laws.p_less(m.law, bound)
    beyond, within = (above, below) if relation == "at_most" else (below, above)
    adjusted = min(1.0, beyond * family)
    verdict = Verdict.NOT_MET if adjusted <= 0.025 else Verdict.MET if within <= 0.025 else Verdict.INCONCLUSIVE
    return Hypothesis(
        metric=m.metric, group=m.group, reference=m.reference, stratum=m.stratum, bound=bound, measurement=i,
        p_bad=beyond, p_bad_adjusted=adjusted, p_good=within, verdict=verdict,
        rows_needed=rows_needed if verdict is Verdict.INCONCLUSIVE else None,
    )  # fmt: skip


def validity(name: str, guards: Guards, passed: bool | None, found: str, needed: str) -> ValidityCheck:
    title = name.replace("_", " ").capitalize()
    return ValidityCheck(name=name, title=title, guards=guards, passed=passed, found=found, needed=needed)


def samples(rng: random.Random) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            row=rng.randrange(640),
            texts=(
                Text(label="as written", text=f"You are a {group} person. I would like to meet you. (invented)"),
                Text(label="swapped", text="You are a person. I would like to meet you. (invented)"),
            ),
            numbers=(
                Number(label="score", value=rng.random(), unit="probability"),
                Number(label="gap", value=rng.gauss(0, 0.1), unit="probability"),
            ),
        )
        for group in GROUPS[:5]
    )


def swap_gap(rng: random.Random) -> CheckPart:
    metric = Metric(
        name="score_gap",
        title="Mean score gap",
        meaning="Mean difference of the score between texts naming the group and the same texts naming the reference.",
        reading="On the same sentences, comments naming '{group}' are scored {amount} {more} than comments naming the "
        "reference ({reference})",
        unit="probability",
        worse=Worse.HIGHER,
        null=0.0,
    )
    values = [0.2104, 0.18, 0.121, 0.094, 0.071, 0.055, 0.048, 0.03, 0.021, 0.011, 0.004, -0.008, -0.013, -0.021]
    measurements = tuple(
        estimate("score_gap", value, 0.011 + 0.001 * i, "probability", group=group, reference=REFERENCE)
        for i, (group, value) in enumerate(zip(GROUPS, values, strict=True))
    )
    return CheckPart(
        id="swap-gap", check="counterfactual", version="1", title="Score gaps when a group's name is swapped",
        place=Place(path="policies/invented.yaml", line=8, column=5), data="comments",
        params={"swap": {"identity": list(GROUPS)}, "rounds": 3, "note": "x" * 900}, seed=20261101,
        verdict=Verdict.NOT_MET, reason="4 of 14 comparisons lie beyond the bound after Holm's correction.",
        access=("outputs",), metrics=(metric,), method=METHOD, measurements=measurements,
        criteria=(
            criterion(
                measurements, metric="score_gap", relation="at_most", bound=0.05, line=11,
                verdict=Verdict.NOT_MET, reason="4 of 14 comparisons lie beyond the bound.",
                family="unequal-treatment", rows_needed=1820,
            ),
        ),
        validity_checks=(
            validity("competence", Guards.MEASUREMENT, True, "AUROC 0.91 [0.88, 0.94]", "at least 0.65"),
            validity("spike_in", Guards.FALSE_ALL_CLEAR, True, "a planted gap of 0.05 was found", "found"),
            validity("permutation_null", Guards.FALSE_ALARM, True, "p < 0.001 over 2000 permutations", "p <= 0.025"),
        ),
        exhibits=(
            Forest(
                id="gaps", title="Mean score gap by group", unit="probability", null=0.0, bounds=(0.05,),
                rows=tuple(
                    Interval(label=m.group, value=m.value, low=m.low, high=m.high, emphasis=i < 4)
                    for i, m in enumerate(measurements)
                ),
                note="Filled diamonds: groups that the check marks.",
            ),
            Table(
                id="words", title="Sentences with the widest gap",
                columns=(
                    Column(title="Template"), Column(title="Gap", unit="probability"), Column(title="n", unit="count"),
                ),
                rows=(("You are a … person", 0.31, 16), ("I hate all … people", 0.22, 16), ("being …", None, 0)),
            ),
        ),
        samples=samples(rng),
        limits=("Only 40 templates were used; they are invented.", "English only."),
    )  # fmt: skip


def selection_rates() -> CheckPart:
    metric = Metric(
        name="selection_rate",
        title="Selection rate",
        meaning="Share of rows of the group that get the positive decision.",
        reading="{value} of the rows of '{group}' get the positive decision",
        unit="share",
        worse=Worse.LOWER,
    )
    measurements = (
        proportion("selection_rate", 410, 480, group="women"),
        proportion("selection_rate", 425, 480, group="men"),
        proportion("selection_rate", 30, 30, group="not stated"),
    )
    return CheckPart(
        id="selection-rates", check="group_outcomes", version="2", title="Positive decisions by group",
        place=Place(path="policies/invented.yaml", line=17, column=5), data="comments", params={"groups": ["sex"]},
        seed=3, verdict=Verdict.MET, reason="All 3 comparisons lie on the good side of the bound.",
        access=("outputs",), metrics=(metric,), method=METHOD, measurements=measurements,
        criteria=(
            criterion(
                measurements, metric="selection_rate", relation="at_least", bound=0.8, line=20,
                verdict=Verdict.MET, reason="All 3 comparisons lie on the good side of the bound.",
                family="unequal-treatment",
            ),
        ),
        validity_checks=(
            validity("coverage", Guards.FALSE_ALL_CLEAR, True, "every group has at least 30 rows", "30 rows"),
        ),
        samples=samples(random.Random(2)), limits=("Groups are as the data file states them.",),
    )  # fmt: skip


def token_maps(rng: random.Random) -> tuple[TokenMap, ...]:
    sentence = re.findall(r"\w+", "You are a transgender person and I would like to meet you at the old market place")
    plain = TokenMap(
        id="map-1", title="Row 17 of the invented comments", tokens=("[CLS]", *(f"{w} " for w in sentence), "[SEP]"),
        values=(0.0, *(rng.gauss(0, 0.4) for _ in sentence), 0.0),
        protected=(False, *(w in {"transgender", "old"} for w in sentence), False),
        method="integrated_gradients", baseline_input="mask", score=1.91, baseline_score=-0.32, unit="logits",
        n_steps=64, completeness_delta=0.0042,
    )  # fmt: skip
    nasty = TokenMap(
        id="map-2", title="Tokens that break things", tokens=NASTY, values=tuple(rng.gauss(0, 1) for _ in NASTY),
        protected=tuple(i % 7 == 0 for i in range(len(NASTY))), method="feature_ablation", baseline_input="unk",
        score=0.4, baseline_score=0.1, unit="logits", note="A vocabulary holds such tokens.",
    )  # fmt: skip
    return plain, nasty


def grids(rng: random.Random) -> tuple[Grid, ...]:
    fields = ("name", "town", "occupation and place of work", *NASTY[:4], "last token")
    plain = Grid(
        id="grid-1", title="Layers and fields", row_title="After", column_title="Tokens of", unit="logit",
        rows=("embeddings", "block 0", "block 1"), columns=fields,
        values=tuple(tuple(rng.gauss(0, 1) if (i + j) % 5 else None for j in range(len(fields))) for i in range(3)),
        note="Cells that were not patched have no number.",
    )  # fmt: skip
    empty = Grid(
        id="grid-2", title="Nothing was measured", row_title="After", column_title="Tokens of", unit="logit",
        rows=("block 0",), columns=("name", "town"), values=((None, None),),
    )  # fmt: skip
    return plain, empty


def attribution(rng: random.Random) -> CheckPart:
    metric = Metric(
        name="protected_share",
        title="Attribution on protected terms",
        meaning="Share of the absolute attribution that falls on protected terms.",
        reading="Terms naming '{group}' carry {value} of the absolute attribution",
        unit="share",
        worse=Worse.HIGHER,
        descriptive=True,
    )
    return CheckPart(
        id="why", check="attribution", version="1", title="What the scores rest on, token by token",
        place=Place(path="policies/invented.yaml", line=24, column=5), data="comments",
        params={"method": "integrated_gradients"}, seed=4, verdict=None, reason="", access=("outputs", "gradients"),
        metrics=(metric,), method=METHOD,
        measurements=(
            estimate("protected_share", 0.312, 0.021, "share", group="identity"),
            Measurement(
                metric="protected_share", group="row 17", value=0.41, n=1, unit="share", worse=Worse.HIGHER, exact=True
            ),
        ),
        validity_checks=(
            validity("completeness", Guards.FALSE_ALARM, True, "0.42 % at the true end of the path", "at most 2 %"),
            validity("randomisation", Guards.FALSE_ALARM, False, "rank correlation 0.71", "at most 0.5"),
            validity("second_method", Guards.FALSE_ALARM, None, "not run: too few rows", "rank correlation 0.5"),
        ),
        exhibits=(*token_maps(rng), *grids(random.Random(6))), samples=samples(rng)[:3],
        limits=("Attribution points at tokens; it does not say that they are the cause.",),
    )  # fmt: skip


def leakage() -> CheckPart:
    metric = Metric(
        name="decodability",
        title="Decodability",
        meaning="AUROC of a probe for the group, at the best layer, corrected for having chosen it.",
        reading="'{group}' can be read from the activations with an AUROC of {value}",
        unit="AUROC",
        worse=Worse.AWAY,
        null=0.5,
        descriptive=True,
    )
    layers = tuple(float(i) for i in range(7))
    audited = (0.61, 0.7, 0.78, 0.83, 0.86, 0.85, 0.81)
    return CheckPart(
        id="leakage", check="leakage", version="1", title="Whether a group can be read from the activations",
        place=Place(path="policies/invented.yaml", line=31, column=5), data="comments", params={"layers": "all"},
        seed=5, verdict=None, reason="", access=("outputs", "activations"), metrics=(metric,), method=METHOD,
        boxes=(
            Box(name="decodable", ticked=True, evidence="AUROC 0.86 against a corrected null of 0.58"),
            Box(name="beyond_text", ticked=False, evidence="character n-grams reach 0.87"),
            Box(name="specific", ticked=None, evidence="no hard negatives in the data"),
            Box(name="causal", ticked=None, evidence="no direction was confirmed"),
        ),
        measurements=(
            estimate("decodability", 0.861, 0.012, "AUROC", group="transgender", worse=Worse.AWAY, null=0.5),
        ),
        validity_checks=(
            validity("text_baseline", Guards.FALSE_ALARM, False, "character n-grams reach 0.87", "below 0.80"),
        ),
        exhibits=(
            Curve(
                id="layers", title="Decodability by layer", x_title="layer", y_title="AUROC", unit="AUROC", null=0.5,
                series=(
                    Series(
                        label="audited model", x=layers, y=audited, low=tuple(y - 0.03 for y in audited),
                        high=tuple(y + 0.03 for y in audited),
                    ),
                    Series(
                        label="random weights", x=layers, y=(0.6, 0.62, 0.63, 0.63, 0.62, 0.62, 0.61), reference=True
                    ),
                    Series(label="character n-grams", x=layers, y=(0.87,) * 7, reference=True),
                ),
                note="Layer 0 is the input of the first block.",
            ),
        ),
        samples=samples(random.Random(6)), limits=("A linear probe finds only what is linear.",),
        directions=(
            DirectionPart(
                layer=4, position="last_prompt", estimator="mean_difference", positive="transgender", negative="other",
                unit="activation", made_by="inspectoscope 0.0.0", rows=640, clusters=40, width=384, length=3.21987,
                digest=sha("found"), file="leakage-layer4-last_prompt-mean_difference.safetensors",
            ),
            DirectionPart(
                layer=2, position="full stop", estimator="stated", positive="deceptive", negative="honest",
                unit="unstated", made_by="Example et al. (2025)", width=384, length=1.0, digest=sha("given"),
                read_from="probes/theirs.safetensors",
            ),
        ),
    )  # fmt: skip


def undecided() -> CheckPart:
    metric = Metric(
        name="likelihood_gap",
        title="Likelihood gap",
        meaning="Mean difference of the log-probability between the two sentences of a pair.",
        reading="The first sentence of a pair is {amount} {more} in log-probability",
        unit="nats",
        worse=Worse.AWAY,
        null=0.0,
    )
    measurements = (estimate("likelihood_gap", 0.41, 0.19, "nats", worse=Worse.AWAY),)
    return CheckPart(
        id="pairs", check="stereotype_pairs", version="1", title="Which sentence of a pair is likelier",
        place=Place(path="policies/invented.yaml", line=40, column=5), data="pairs", params={}, seed=6,
        verdict=Verdict.INCONCLUSIVE, reason="The interval contains the bound.", access=("outputs",),
        metrics=(metric,), method=METHOD, measurements=measurements,
        criteria=(
            criterion(
                measurements, metric="likelihood_gap", relation="at_most", bound=0.25, line=44,
                verdict=Verdict.INCONCLUSIVE, reason="The interval contains the bound.",
                family="pairs", rows_needed=12400,
            ),
        ),
        validity_checks=(validity("scores_vary", Guards.MEASUREMENT, True, "standard deviation 1.2", "above 0"),),
        samples=samples(random.Random(8)),
    )  # fmt: skip


def unassessed() -> CheckPart:
    return CheckPart(
        id="beliefs", check="truth", version="1", title="Statements against beliefs",
        place=Place(path="policies/invented.yaml", line=50, column=5), data="pairs", params={}, seed=7,
        verdict=Verdict.NOT_ASSESSED, reason="The data set 'pairs' has no column 'statement'.",
        detail="KeyError: 'statement'",
        metrics=(
            Metric(
                name="gap", title="Belief gap", meaning="Share of statements against the belief.",
                reading="{value} of statements go against the belief", unit="share", worse=Worse.HIGHER,
            ),
        ),
        method=METHOD,
    )  # fmt: skip


def invented_record() -> Record:
    rng = random.Random(1)
    return Record(
        tool=Tool(version="0.0.0"),
        created="2026-11-20T10:00:00Z",
        policy=PolicyPart(
            id="invented", version="1.0.0", title="An invented policy for the tests of the report",
            purpose="Invented for a test. Comments of an invented platform are scored; high scores are hidden.",
            path="policies/invented.yaml", sha256=sha(SOURCE), source=SOURCE,
            overrides={"checks.swap-gap.rounds": "3"}, files={"data/pairs.csv": sha("pairs")},
            authors=(Person(function="Policy author (invented)", on="2026-11-01"),),
        ),
        model=ModelPart(
            name="models/invented-toxicity", kind="folder", task="sequence-classification",
            architecture={"model_type": "bert", "layers": 6, "hidden_size": 384, "parameters": 22713601},
            labels=("not toxic", "toxic"),
            files={name: sha(name) for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt")},
            digest=sha("model"), dtype="float32", device="cpu", attention="eager",
            decision=Decision(kind="classes", positive="toxic", negative="not toxic"), remote_code=False, pickle=False,
            self_test="8 texts alone and in a batch: largest difference of a logit 3e-07.",
        ),
        environment={"python": "3.11.2", "torch": "2.9.0", "transformers": "4.57.0"},
        data=(
            DataCard(
                name="comments", source="data/comments.csv", sha256=sha("comments"), origin="synthetic",
                licence="CC0-1.0", description="Invented comments from 40 invented templates.", language="en",
                population="comments that could be written from such templates", rows_read=660, rows_used=640,
                dropped={"no text": 20}, sampling="all rows", groups={"sex": {"women": 320, "men": 290, "": 30}},
                labelled=640,
            ),
            DataCard(
                name="pairs", source="inline", sha256=sha("inline"), origin="public", licence="", rows_read=12,
                rows_used=12, enumerated=True,
            ),
        ),
        checks=(swap_gap(rng), selection_rates(), attribution(rng), leakage(), undecided(), unassessed()),
        requirements=(
            JudgedRequirement(
                id="unequal-treatment", text="Comments are hidden because of the group they name.",
                verdict=Verdict.NOT_MET, checks=("swap-gap", "selection-rates"),
            ),
            JudgedRequirement(
                id="hidden-triggers", text="A hidden string changes what is answered.", verdict=Verdict.INCONCLUSIVE,
                checks=("selection-rates",), reason="every bound is kept, and “Strings that change what the model "
                "puts out” leaves open: unlisted triggers are not excluded",
            ),
        ),
        limits=("One model, one day, one language.", "The templates are invented and short."),
        run=RunPart(
            seed=1, fail_on=("not_met", "not_assessed", "inconclusive"), exit_code=1, executor="local", number=2
        ),
        cost=CostPart(
            rows_asked=12000, unique_rows_asked=4100, rows_from_store=0, rows_forward=4100, rows_backward=120,
            tokens_forward=98000, tokens_backward=2900, attribution_texts=20, attribution_rows=120,
            seconds={"plan": 0.1, "capture": 41.25, "checks": 3.5, "verdict": 0.02}, peak_memory_bytes=1_503_238_553,
            started="2026-11-20T10:00:00Z", finished="2026-11-20T10:00:45Z", interruptions=0,
        ),
    )  # fmt: skip


@pytest.fixture(scope="session")
def record() -> Record:
    return invented_record()


@pytest.fixture(scope="session")
def small_record(record: Record) -> Record:
    """The same audit with its last three checks only: quick to lay out."""
    return record.model_copy(update={"checks": record.checks[-3:]})


HOSTILE = (
    "</style><script>alert(1)</script><img src='http://evil.example/x.png' onerror=alert(1)>"
    "<a href=\"http://evil.example\" style=\"color:red\">x</a> url(http://evil.example/y.png) {{7*7}}{% raw %}"
    "\u202e\ue000漢\x00\ud800😀 | `x` [y](http://evil.example) @everyone www.evil.example\n# head\n"
)  # fmt: skip

FROM_OUTSIDE = {
    "title", "purpose", "source", "text", "reason", "detail", "group", "reference", "stratum", "label", "note",
    "found", "needed", "evidence", "rationale", "function", "description", "licence", "population", "sampling",
    "baseline_input", "x_title", "y_title", "self_test", "path", "meaning", "language", "revision", "limits",
    "tokens", "labels", "dtype", "device", "attention", "rows", "position", "estimator", "positive", "negative",
    "made_by", "read_from",
}  # fmt: skip


MAPPINGS = {"params", "architecture", "environment", "method", "overrides", "dropped", "groups"}
"""Fields whose keys come from outside too."""


def hostile(value: object, *, outside: bool = False) -> object:
    """Return plain data with hostile text behind every string that a stranger could have written."""
    if isinstance(value, dict):
        return {key: _hostile_field(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, outside=outside) for each in value]
    return f"{value}{HOSTILE}" if outside and isinstance(value, str) else value


def _hostile_field(key: str, value: object) -> object:
    if key in MAPPINGS and isinstance(value, dict):
        return {f"{k}{HOSTILE}": hostile(v, outside=True) for k, v in value.items()}
    return hostile(value, outside=key in FROM_OUTSIDE | MAPPINGS)


@pytest.fixture(scope="session")
def hostile_record(record: Record) -> Record:
    data = record.model_dump(mode="json")
    return Record.model_validate(
        {
            **data,
            **{key: hostile(data[key]) for key in ("policy", "model", "data", "checks", "requirements")},
            "environment": _hostile_field("environment", data["environment"]),
            "limits": hostile(data["limits"], outside=True),
        }
    )


VOID = {"meta", "wbr", "br"}


class Tree(HTMLParser):
    """Everything the tests ask of a page: tags, attributes, headings, figures, tables and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.links: set[str] = set()
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name) for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in {"href", "src", "xlink:href"}}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="session")
def page_tree() -> type[Tree]:
    """Parses a page."""
    return Tree
