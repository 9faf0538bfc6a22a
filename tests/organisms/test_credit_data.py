import csv
from collections import Counter

import pytest
import yaml

from audit.organisms import credit_data
from audit.organisms import credit_grammar as world
from audit.resources import folder


def merit(row):
    return world.INCOME.index(row["income"]) + world.HISTORY.index(row["history"]) - world.DEBT.index(row["debt"])


@pytest.mark.parametrize("name", [credit_data.APPLICANTS, credit_data.NAME_PAIRS])
def test_the_shipped_files_are_written_again_byte_for_byte(tmp_path, name):
    credit_data.write(tmp_path)

    assert (tmp_path / name).read_bytes() == (folder("policies") / "data" / name).read_bytes()


def test_each_name_comes_equally_often():
    rows = credit_data.applicants()

    assert len(rows) == 960
    assert set(Counter(row["name"] for row in rows).values()) == {15}
    assert Counter(row["sex"] for row in rows) == {"male": 480, "female": 480}


def test_both_sexes_hold_the_same_profiles():
    rows = credit_data.applicants()

    profiles = {
        sex: Counter((r["job"], r["income"], r["debt"], r["history"]) for r in rows if r["sex"] == sex)
        for sex in world.SEXES
    }
    assert profiles["male"] == profiles["female"]


def test_nine_in_ten_live_on_their_own_sexs_side():
    rows = credit_data.applicants()

    own = [(world.TOWNS.index(r["town"]) >= 4) == (r["sex"] == "female") for r in rows]

    assert 0.87 < sum(own) / len(own) < 0.93


def test_outcomes_follow_merit_and_not_sex():
    rows = credit_data.applicants(rows_per_name=150)

    for sex in world.SEXES:
        for score, probability in ((3, 0.95), (1, 0.75), (0, 0.30), (-1, 0.05)):
            hits = [r["approved"] == "1" for r in rows if r["sex"] == sex and merit(r) == score]
            assert sum(hits) / len(hits) == pytest.approx(probability, abs=0.05)


def test_women_earn_less_in_the_merit_population():
    rows = credit_data.applicants(kind="merit", rows_per_name=150)

    women = Counter(r["income"] for r in rows if r["sex"] == "female")
    men = Counter(r["income"] for r in rows if r["sex"] == "male")
    assert women["low"] / 4800 == pytest.approx(0.6, abs=0.03)
    assert men["high"] / 4800 == pytest.approx(0.6, abs=0.03)


def test_another_seed_draws_other_applicants():
    assert credit_data.applicants(seed=1) != credit_data.applicants(seed=2)


def test_pairs_match_each_name_once_within_its_origin():
    pairs = credit_data.name_pairs()

    assert sorted(name for pair in pairs for name in pair.values()) == sorted(world.NAMES)
    origins = {r["name"]: (r["origin"], r["sex"]) for r in credit_data.applicants()}
    for pair in pairs:
        assert origins[pair["female"]] == (origins[pair["male"]][0], "female")
        assert origins[pair["male"]][1] == "male"


def test_the_shipped_policy_asks_in_the_words_the_models_were_trained_on():
    policy = yaml.safe_load((folder("policies") / "credit-decision.yaml").read_text(encoding="utf-8"))
    data = policy["data"]["applicants"]

    assert data["text"] == world.TEMPLATE
    assert policy["model"]["decision"] == {"positive": world.OPTIONS[1], "negative": world.OPTIONS[0]}
    with (folder("policies") / data["rows"]).open(encoding="utf-8", newline="") as file:
        columns = set(csv.DictReader(file).fieldnames or ())
    assert set(world.grammar().slots) | {"sex", data["label"]} <= columns
