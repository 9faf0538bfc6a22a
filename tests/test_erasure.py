"""What is erased cannot be read by a linear predictor, and states move no further than they must."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import erasure


def planted(seed=0, rows=400, width=8, classes=2):
    """States with unequal variances, and classes that differ in two of the directions."""
    rng = np.random.default_rng(seed)
    mix = rng.standard_normal((width, width)) * np.geomspace(3, 0.05, width)
    codes = rng.permutation(np.arange(rows) % classes)
    return rng.standard_normal((rows, width)) @ mix + np.outer(codes, rng.standard_normal(width)) + 2.0, codes


def class_means(states, codes):
    return np.stack([states[codes == code].mean(axis=0) for code in np.unique(codes)])


CUTS = {"mean_shift": erasure.mean_shift, "leace": erasure.leace}
constants = st.booleans()
seeds = st.integers(0, 10_000)


@given(seed=seeds, classes=st.integers(2, 4), constant=constants, name=st.sampled_from(sorted(CUTS)))
def test_afterwards_the_classes_have_equal_means(seed, classes, constant, name):
    states, codes = planted(seed, classes=classes)

    cut = CUTS[name](states, codes, constant=constant)

    means = class_means(cut(states), codes)
    assert np.ptp(means, axis=0).max() < 1e-8 * np.abs(states).max()
    assert cut.rank == classes - 1


def test_no_linear_predictor_then_beats_a_constant():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    states, codes = planted(classes=2)
    cut = erasure.leace(states, codes)

    before, after = (
        log_loss(codes, LogisticRegression(C=1e4, max_iter=2000).fit(x, codes).predict_proba(x))
        for x in (states, cut(states))
    )

    assert before < 0.4
    assert after == pytest.approx(np.log(2), abs=1e-6)


@given(seed=seeds, constant=constants)
def test_of_all_maps_that_make_the_means_equal_leace_moves_states_least(seed, constant):
    states, codes = planted(seed)
    leace = erasure.leace(states, codes, constant=constant)
    rng = np.random.default_rng(seed)
    gap = np.subtract(*class_means(states, codes))
    middle = states.mean(axis=0) if constant else np.zeros(states.shape[1])

    for reads in rng.standard_normal((5, states.shape[1])) + gap:
        matrix = np.eye(len(gap)) - np.outer(gap, reads) / (reads @ gap)
        other = erasure.AffineMap(matrix=matrix, constant=middle - matrix @ middle, rank=1)
        assert leace.distance(states) <= other.distance(states) * (1 + 1e-9)

    assert leace.distance(states) < erasure.mean_shift(states, codes, constant=constant).distance(states)


def test_leace_is_the_published_formula():
    states, codes = planted(rows=1000)
    covariance = np.cov(states.T, bias=True)
    gap = np.subtract(*class_means(states, codes))

    cut = erasure.leace(states, codes)

    # With one direction the formula is x - gap (gap' S^-1 (x - mean)) / (gap' S^-1 gap).
    reads = np.linalg.solve(covariance, gap)
    expected = np.eye(len(gap)) - np.outer(gap, reads) / (gap @ reads)
    assert cut.matrix == pytest.approx(expected, abs=1e-9)
    assert cut(states.mean(axis=0)) == pytest.approx(states.mean(axis=0))


def test_through_the_origin_there_is_no_constant():
    states, codes = planted()

    for cut in CUTS.values():
        assert not cut(states, codes, constant=False).constant.any()


def test_an_anchor_stays_where_it_is_and_the_means_meet_there():
    states, codes = planted()
    reference = states[codes == 0].mean(axis=0)

    cut = erasure.anchored(erasure.leace(states, codes), reference)

    assert class_means(cut(states), codes) == pytest.approx(np.stack([reference, reference]))


def test_without_two_classes_there_is_nothing_to_erase():
    with pytest.raises(ValueError, match="one class has nothing that tells it from another"):
        erasure.leace(planted()[0], np.zeros(400, dtype=int))


def test_few_states_in_many_dimensions_are_erased_too():
    states, codes = planted(rows=30, width=60)

    cut = erasure.leace(states, codes)

    assert np.ptp(class_means(cut(states), codes), axis=0).max() < 1e-8 * np.abs(states).max()


# ---- random cuts ---------------------------------------------------------------------------------


@given(seed=seeds, constant=constants)
def test_a_random_cut_has_as_large_an_effect_and_leaves_the_concept(seed, constant):
    states, codes = planted(seed, width=16)
    cut = erasure.leace(states, codes, constant=constant)

    other = erasure.random_like(cut, states, np.random.default_rng(seed), constant=constant)

    centred = states - states.mean(axis=0) * constant
    moment = centred.T @ centred / len(states)
    values, vectors = np.linalg.eigh(moment)
    whiten = (vectors / np.sqrt(values)) @ vectors.T
    effect, matched = (np.mean(np.square((c(states) - states) @ whiten.T).sum(axis=1)) for c in (cut, other))
    assert matched == pytest.approx(effect, rel=1e-6)
    before, after = (np.linalg.norm(whiten @ np.subtract(*class_means(x, codes))) for x in (states, other(states)))
    assert after > 0.05 * before


# ---- repair --------------------------------------------------------------------------------------


def pairs(rows=600, width=6):
    """A merit that two directions carry; the side hides in one of them, and takes more away where merit is high."""
    rng = np.random.default_rng(3)
    merit, side = rng.uniform(0, 1, rows), np.arange(rows) % 2
    noise = 0.01 * rng.standard_normal((rows, width))
    reference = np.outer(merit, [1, 1, 0, 0, 0, 0]) + noise
    own = reference - np.outer(side * merit, [1, 0, 0, 0, 0, 0]) + np.outer(side, [0, 0, 1, 0, 0, 0])
    return own, reference, side, np.array_split(np.arange(rows), 3)


def test_a_repair_brings_both_sides_to_the_reference_and_the_concept_does_not_come_back():
    own, reference, side, folds = pairs()
    cut = erasure.leace(own, side)

    whole = erasure.repaired(cut, own, reference, folds, reads=np.eye(6))

    assert np.ptp(class_means(whole(own), side), axis=0).max() < 1e-8
    assert np.abs(whole(own) - reference).mean() < 0.2 * np.abs(cut(own) - reference).mean()
    assert (whole.rank, cut.ridge) == (1, None)


def test_a_repair_that_does_not_hold_on_rows_left_out_is_not_made():
    rng = np.random.default_rng(0)
    states, codes = planted(rows=40, width=30)
    cut = erasure.leace(states, codes)
    noise = cut(states) + rng.standard_normal(states.shape)

    assert erasure.repaired(cut, states, noise, np.array_split(np.arange(40), 2), reads=np.eye(30)) is cut


def test_how_strong_a_repair_is_is_chosen_by_what_reads_the_states():
    own, reference, side, folds = pairs()
    rng = np.random.default_rng(1)
    noisy = reference + np.outer(rng.standard_normal(len(own)), [0, 0, 0, 0, 0, 50])
    cut = erasure.leace(own, side)

    blind, whole = (erasure.repaired(cut, own, noisy, folds, reads=np.diag([1, 1, 1, 1, 1, w])) for w in (0, 1))

    seen = [np.square((r(own) - reference)[:, :5]).sum() for r in (blind, whole)]
    assert seen[0] < seen[1]
