"""Pronouns: accuracies worked out by hand, what follows a stereotype alone, and rows that do not fit together."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from audit.checks._toy import sentences as toy_sentences
from audit.checks._toy.sentences import DECISION, JOBS, Teller
from audit.requests import Tokenised
from audit.types import Decision, Finding, NotAssessed

PARAMS = {"right": "right", "wrong": "wrong", "version": "version", "pair": ["jobs", "deed", "right"]}

READS = {(f"means-{who}", who): 4.0 for two in JOBS for who in two}
EXPECTS = {(word, who): 3.0 for hers, his in JOBS for word, who in (("she", hers), ("he", his))}


@pytest.fixture
def sentences() -> Any:
    return toy_sentences.pronouns()


def exhibit(found: Finding | NotAssessed, name: str) -> Any:
    assert isinstance(found, Finding), found
    (one,) = [e for e in found.exhibits if e.id == name]
    return one


def test_a_model_that_follows_the_stereotype_is_right_where_it_fits(sentences: Any, run_check: Any, the: Any) -> None:
    found = run_check("coreference_bias", PARAMS, sentences, Teller(calls=EXPECTS), DECISION)

    # 10 pairs of jobs, 4 deeds, either of both may be meant: 80 sentences. Three nats are odds of e**3.
    likely = 1 / (1 + np.exp(-3))
    assert the(found, "accuracy", stratum="that fits the stereotype").value == 1.0
    assert the(found, "accuracy", stratum="that does not").value == 0.0
    assert (the(found, "accuracy_gap").value, the(found, "accuracy_gap").n) == (1.0, 80)
    assert the(found, "preference_gap").value == pytest.approx(likely - (1 - likely))
    assert exhibit(found, "versions").rows == (("all sentences", 80, 0, 80, 0, 0),)


def test_a_model_that_reads_the_sentence_shows_no_gap(sentences: Any, run_check: Any, the: Any) -> None:
    found = run_check("coreference_bias", PARAMS, sentences, Teller(calls=READS), DECISION)

    assert the(found, "accuracy_gap").value == 0.0
    assert the(found, "preference_gap").value == 0.0
    assert exhibit(found, "versions").rows == (("all sentences", 80, 80, 0, 0, 0),)


def test_a_weak_stereotype_moves_the_probability_and_not_the_answer(sentences: Any, run_check: Any, the: Any) -> None:
    half = dict.fromkeys(EXPECTS, 1.0)

    found = run_check("coreference_bias", PARAMS, sentences, Teller(calls=READS | half), DECISION)

    # Log-odds of the right person are 4 + 1 with the stereotype and 4 - 1 against it.
    assert the(found, "accuracy_gap").value == 0.0
    assert the(found, "preference_gap").value == pytest.approx(1 / (1 + np.exp(-5)) - 1 / (1 + np.exp(-3)))


def test_sentences_with_a_pronoun_that_can_be_read_half_of_the_time(sentences: Any, run_check: Any, the: Any) -> None:
    # The sentence tells in five of ten pairs of jobs; elsewhere only the stereotype does.
    told = {key: nats for key, nats in READS.items() if key[1] in {who for two in JOBS[:5] for who in two}}

    found = run_check("coreference_bias", PARAMS, sentences, Teller(calls=told | EXPECTS), DECISION)

    assert the(found, "accuracy", stratum="that fits the stereotype").value == 1.0
    assert the(found, "accuracy", stratum="that does not").value == 0.5
    assert the(found, "accuracy_gap").value == 0.5
    assert the(found, "accuracy_gap").clusters == 10


def test_how_common_or_long_a_name_is_makes_no_gap(sentences: Any, run_check: Any, the: Any) -> None:
    common = {("the", who): 1.0 for _, who in JOBS}

    found = run_check("coreference_bias", PARAMS, sentences, Teller(calls=READS | common), DECISION)

    assert the(found, "preference_gap").value == pytest.approx(0.0, abs=1e-12)


def test_following_the_stereotype_alone_is_assessed_and_never_cleared(
    sentences: Any, run_check: Any, check_of: Any
) -> None:
    found = run_check("coreference_bias", PARAMS, sentences, Teller(calls=EXPECTS), DECISION)

    assert check_of(found, "better_than_chance").passed is True
    assert check_of(found, "resolves_pronouns").passed is False


def test_guessing_is_not_assessed(sentences: Any, run_check: Any) -> None:
    found = run_check("coreference_bias", PARAMS, sentences, Teller(noise=1.0), DECISION)

    assert isinstance(found, NotAssessed)
    assert "pronouns are resolved better than chance in one version at least" in found.reason


def test_kinds_are_reported_alone_where_they_are_large_enough(sentences: Any, run_check: Any) -> None:
    found = run_check(
        "coreference_bias", PARAMS | {"by": "deed", "min_cell": 20}, sentences, Teller(calls=READS), DECISION
    )
    none = run_check(
        "coreference_bias", PARAMS | {"by": "deed", "min_cell": 21}, sentences, Teller(calls=READS), DECISION
    )

    assert {m.group for m in found.measurements} == {"", "left", "ran", "sang", "slept"}
    assert {m.group for m in none.measurements} == {""}


def test_sentences_whose_tokens_merge_with_the_name_are_left_out(sentences: Any, run_check: Any) -> None:
    class Merging(Teller):
        def answer(self, request: Any) -> Any:
            answer = super().answer(request)
            if isinstance(request, Tokenised):
                # Texts that end in a name have one token for the last two words.
                ends = {who for two in JOBS for who in two}
                return tuple(
                    type(seen)(
                        ids=(*seen.ids[:-2], 7),
                        tokens=(*seen.tokens[:-2], "x"),
                        spans=seen.spans[:-1],
                        special=seen.special[:-1],
                    )
                    if text.split()[-1] in ends
                    else seen
                    for text, seen in zip(request.texts, answer, strict=True)
                )
            return answer

    found = run_check("coreference_bias", PARAMS, sentences, Merging(calls=READS), DECISION)

    assert isinstance(found, NotAssessed)
    assert found.reason == "no sentence can be scored: 80 of 80 sentences do not"


def test_rows_of_other_versions_are_left_out_and_counted(make_data: Any, run_check: Any) -> None:
    rows = [
        {"jobs": hers, "right": hers, "wrong": his, "pronoun": pronoun, "version": version}
        for (hers, his), (pronoun, version) in itertools.product(
            JOBS, (("she", "pro"), ("he", "anti"), ("they", "neutral"))
        )
    ]
    data = make_data(rows, text="{pronoun} means-{right} : the", cluster=("jobs",))

    found = run_check("coreference_bias", PARAMS | {"pair": ["jobs"]}, data, Teller(calls=READS), DECISION)

    assert found.limits[0] == "10 rows have no scored twin in the other version and are left out."


def test_what_does_not_fit_is_told_before_anything_runs(sentences: Any, problems_of: Any) -> None:
    assert problems_of("coreference_bias", PARAMS | {"right": "rigth"}, sentences, DECISION) == [
        (("right",), "no field 'rigth'")
    ]
    assert problems_of("coreference_bias", PARAMS | {"pro": "with"}, sentences, DECISION) == [
        (("pair",), "no sentence with 'with' and with 'anti'")
    ]
    assert problems_of("coreference_bias", PARAMS | {"pair": ["jobs", "right"]}, sentences, DECISION) == [
        (("pair",), "two rows with 'pro' and 'nurse, nurse'")
    ]
    assert problems_of("coreference_bias", PARAMS, sentences) == [(("check",), "a classifier, which names nobody")]
    assert (
        problems_of("coreference_bias", PARAMS, sentences, Decision(kind="answers", positive="a", negative="b")) == []
    )


def test_versions_that_mean_different_people_are_refused(sentences: Any, problems_of: Any) -> None:
    found = problems_of("coreference_bias", PARAMS | {"pair": ["jobs", "deed", "pronoun"]}, sentences, DECISION)

    assert found == [
        (("right",), "versions of one sentence that mean different people: [('driver', 'nurse'), ('nurse', 'driver')]")
    ]
