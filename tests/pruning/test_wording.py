"""What stands in a policy is shown on the page, and does nothing there."""

from __future__ import annotations

from audit.pruning import wording
from audit.pruning.outcome import Behaviour, Cut, Pruned, Value


def pruned(**changes):
    gap = Behaviour(
        metric="score_gap", group="<b>f|\x1b[2J", reference="m", unit="probability", n=10, clusters=10,
        before=Value(value=-0.1, low=-0.2, high=-0.05), after=Value(value=-0.01, low=-0.02, high=0.0),
        remaining=Value(value=0.1, low=-0.1, high=0.3),
    )  # fmt: skip
    return Pruned(
        made_on="2026-11-23", tool="0.1.0", seed=0, base_model="models/credit", base_digest="a", copy_digest="b",
        dtype="float32", policy="p", policy_sha256="c", overrides={}, check="swap", attribute="sex",
        rows={"all": 2, "fitted": 1, "held_out": 1}, cut=Cut(kind="leace", site="score", rank=1), at_least=0.8,
        margin=0.01, behaviours=(gap,), costs=(), changed_decisions=None, reference_cases=0, random=(),
        reduced="undecided", equivalence="not assessed", limits=(),
    ).model_copy(update=changes)  # fmt: skip


def test_outside_text_opens_no_tag_and_ends_no_cell():
    page = wording.markdown(pruned())

    assert "| &lt;b>f\\|⟨U+001B⟩[2J against m | -0.1000 | -0.0100 | 90 % (95 % interval 70 % to 100 %) | none |" in page
    assert page.startswith("# A copy of credit with a behaviour cut\n")


def test_what_is_undecided_and_not_assessed_is_no_success():
    assert wording.verdict(pruned()) == (
        "Whether the gap was reduced by 80 % is undecided on these cases, and what it cost elsewhere was not assessed."
    )


def test_a_gap_that_grew_is_said_to_have_grown():
    (gap,) = pruned().behaviours
    grown = gap.model_copy(update={"remaining": Value(value=-1.5, low=-1.6, high=-1.4)})

    assert wording.reduction(pruned(behaviours=(grown,)), 0) == (
        "-0.1000 before, -0.0100 after: reduced by nothing: it grew by 50 % "
        "(95 % interval of the reduction -60 % to -40 %) on these cases"
    )
