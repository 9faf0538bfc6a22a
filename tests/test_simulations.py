"""Small versions of ``benchmarks/simulations.py``: enumerated where possible, else seeded with room for chance."""

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from audit import laws, verdict
from audit.types import ALPHA, Binomial, Verdict

RUNS = 300


@pytest.fixture(scope="module")
def simulations() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "simulations.py"
    spec = importlib.util.spec_from_file_location("simulations", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def room(share: float, runs: int) -> float:
    """Three standard deviations of a share drawn so often."""
    return 3 * math.sqrt(share * (1 - share) / runs)


@pytest.mark.parametrize("n", [30, 100, 1000])
@pytest.mark.parametrize("p", [0.0, 0.01, 0.1, 0.5])
def test_exact_intervals_cover_as_often_as_they_say(simulations: ModuleType, n: int, p: float) -> None:
    covered, narrowest = simulations.exact_coverage(n, p)

    assert covered >= 0.95
    assert narrowest > 0


@pytest.mark.parametrize("n", [1, 2, 30, 1000, 100_000])
def test_no_event_never_gives_an_interval_without_width(n: int) -> None:
    low, high = laws.interval(Binomial(successes=0, trials=n))

    assert low == 0
    assert high == pytest.approx(1 - ALPHA ** (1 / n))


@pytest.mark.parametrize("layout", [(3, 40), (10, 60), (20, 300), (30, 30)])
@pytest.mark.parametrize("level", [ALPHA, ALPHA / 182])
def test_the_corrected_score_keeps_its_level_at_every_table(
    simulations: ModuleType, layout: tuple[int, int], level: float
) -> None:
    for contrast, nulls in simulations.NULLS.items():
        for null in nulls:
            for n1, n0 in (layout, layout[::-1]):
                assert simulations.size_over_level(n1, n0, contrast, null, level, corrected=True) <= 1


def test_the_plain_score_does_not(simulations: ModuleType) -> None:
    assert simulations.size_over_level(20, 300, "difference", 0.0, ALPHA / 182, corrected=False) > 100


def test_fourteen_equal_groups_are_hardly_ever_accused(simulations: ModuleType) -> None:
    audits = [audit for audit in simulations.audits() if audit.case.startswith("14 groups of 100, rate 0.3")]

    for audit in audits:
        alarms, cleared = simulations.verdict_rates(audit, 1000)
        assert alarms <= ALPHA + room(ALPHA, 1000), audit.case
        assert cleared <= ALPHA + room(ALPHA, 1000), audit.case
    assert len(audits) == 5


def test_two_groups_at_the_bound_are_not_accused_more_often_than_promised(simulations: ModuleType) -> None:
    for audit in simulations.audits():
        if audit.case.startswith("2 groups"):
            alarms, cleared = simulations.verdict_rates(audit, 4000)
            assert alarms <= ALPHA + room(ALPHA, 4000), audit.case
            assert cleared <= ALPHA + room(ALPHA, 4000), audit.case


def test_the_simulated_audits_are_judged_as_records_are(simulations: ModuleType) -> None:
    audit = next(a for a in simulations.audits() if a.case.startswith("14 groups of 100, rate 0.3, half"))
    equal = [30, 24, 33, 31]
    one_refused = [60, 55, 58, 10]

    assert simulations.judged(audit, equal) is Verdict.INCONCLUSIVE
    assert simulations.judged(audit, one_refused) is Verdict.NOT_MET
    p_bad, _ = simulations._p_tables(audit)
    pairs = [p_bad[a, b] for i, a in enumerate(one_refused) for j, b in enumerate(one_refused) if i != j]
    assert min(verdict.holm(pairs)) <= ALPHA


@pytest.mark.parametrize(
    "case",
    [
        "mean, 20 equal clusters",
        "mean, 30 very unequal clusters",
        "mean, 20 names × 20 templates",
        "proportion .1, 20 equal clusters",
        "proportion .5, 20 × 20",
        "AUROC .9, 40 names",
        "AUROC .98, 40 names",
        "AUROC .9, 20 names",
        "AUROC .8, label varies, 20 names × 20 templates",
        "AUROC .9 minus AUROC .7, 20 names",
        "difference of rates .1, 40 names",
    ],
)
def test_intervals_of_twenty_clusters_cover_as_promised(simulations: ModuleType, case: str) -> None:
    covered, narrowest = simulations.coverage(simulations.cluster_cases()[case], RUNS)

    assert covered >= 0.93 - room(0.95, RUNS) / 3
    assert narrowest > 0


@pytest.mark.parametrize("labelling", ["label of rows", "label constant in names", "label varies within names"])
def test_the_best_of_many_layers_of_noise_is_seldom_called_decodable(
    simulations: ModuleType, monkeypatch: pytest.MonkeyPatch, labelling: str
) -> None:
    monkeypatch.setattr(simulations, "NOISE_LAYERS", 6)
    rng = np.random.default_rng(0)

    alarms = sum(simulations.noise_p(labelling, rng) < 0.05 for _ in range(60))

    assert alarms <= 9  # 3 expected; more than 9 has a chance of one in a thousand


def test_the_last_line_of_the_benchmark_is_its_summary(
    simulations: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The figures are tested above; here only that what is printed can be read by a machine.
    monkeypatch.setattr(simulations, "score_lines", lambda **_: iter(()))
    monkeypatch.setattr(
        simulations, "cluster_lines", lambda _: iter([simulations.Line(part="cluster_coverage", case="c", figure=0.95)])
    )
    monkeypatch.setattr(
        simulations, "noise_lines", lambda *_: iter([simulations.Line(part="false_alarm_rate", case="c", figure=0.05)])
    )
    monkeypatch.setattr(
        simulations,
        "verdict_lines",
        lambda _: iter([simulations.Line(part="false_not_met_rate", case="c", figure=0.01)]),
    )

    simulations.main(["--quick"])

    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["false_alarm_rate"] == 0.05
    assert summary["false_not_met_rate"] == 0.01
    assert summary["cluster_coverage"] == 0.95
    assert summary["exact_coverage"] >= 0.95
    assert np.isfinite(summary["seconds"])
