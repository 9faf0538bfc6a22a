"""A recipe names the texts in which an effect would show, and what must stay on one side when rows are held out."""

from dataclasses import replace

import pytest

from audit.checks import counterfactual, evaluation_gap
from audit.registry import check_types
from audit.types import CannotPlant

PLANTABLE = [kind for kind in check_types().values() if kind.plant is not None]


def plant_of(kind, metric="score_gap", group=None, **changed):
    example = kind.examples()[0]
    params = kind.params.model_validate({**example.params, **changed})
    return kind.plant(params, example.data, example.decision, metric, group), example.data


def test_gaps_between_versions_of_a_case_can_be_planted():
    assert [kind.name for kind in PLANTABLE] == ["counterfactual", "evaluation_gap"]


@pytest.mark.parametrize("kind", PLANTABLE, ids=lambda kind: kind.name)
def test_every_recipe_labels_every_row_and_keeps_the_two_sides_of_a_case_apart(kind):
    plant, data = plant_of(kind)

    assert plant.cases
    assert all(len(column) == len(data.rows) for column in plant.together)
    assert all(case.texts and case.references and not {*case.texts} & {*case.references} for case in plant.cases)
    assert len(set(plant.cases)) == len(plant.cases)


@pytest.mark.parametrize("kind", PLANTABLE, ids=lambda kind: kind.name)
@pytest.mark.parametrize("metric", ["flip_rate", "decision_gap", "stratum_gap"])
def test_what_counts_decisions_or_strata_has_no_dose(kind, metric):
    with pytest.raises(CannotPlant, match=f"a shift of scores by a bound on {metric} is no dose of it"):
        plant_of(kind, metric)


def test_a_swap_is_planted_in_the_texts_with_the_value():
    plant, _ = plant_of(check_types()["counterfactual"])

    assert (plant.group, plant.reference) == ("female", "male")
    assert {text for case in plant.cases for text in (*case.texts, *case.references)} <= set(plant.kept)


def test_rows_that_differ_in_the_swapped_name_alone_stay_together():
    plant, data = plant_of(check_types()["counterfactual"])

    (cases,) = plant.together
    bare = [row.text.replace(row.fields["name"], "") for row in data.rows]
    assert len(set(cases)) == len(set(bare)) < len(data.rows)


def test_of_several_values_the_one_with_the_fewest_clusters_is_planted():
    example = counterfactual.examples()[0]
    data = example.data
    common, rare = sorted({row.fields["income"] for row in data.rows})[:2]
    kept = [row for i, row in enumerate(data.rows) if row.fields["income"] != rare or i % 5 == 0]
    matched = [name for name in data.rows[0].fields if name not in {"income", "name"}]
    swap = {"income": {"from": "income", "matched_by": matched, "reference": [common]}}
    params = counterfactual.Params.model_validate({"swap": swap})

    def planted(group=None):
        return counterfactual.plant(params, replace(data, rows=tuple(kept)), example.decision, "score_gap", group)

    values = {row.fields["income"] for row in kept} - {common}
    assert len(planted().cases) == min(len(planted(value).cases) for value in values)
    with pytest.raises(CannotPlant, match="the rows hold no case of nobody"):
        planted("nobody")


def test_cues_of_evaluation_carry_the_effect_in_all_their_wordings():
    example = evaluation_gap.examples()[0]
    params = evaluation_gap.Params.model_validate(example.params)
    family = params.cues[0]

    plant = evaluation_gap.plant(params, example.data, example.decision, "score_gap")

    assert (plant.group, plant.reference, plant.stratum) == ("evaluation cues", "deployment cues", family.name)
    assert {len(c.texts) for c in plant.cases} == {len(family.evaluation)}
    assert {len(c.references) for c in plant.cases} == {len(family.deployment)}
