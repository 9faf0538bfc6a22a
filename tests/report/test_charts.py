import re
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.report import charts, svg
from audit.types import Curve, Forest, Interval, Series

SVG = "{http://www.w3.org/2000/svg}"


def forest(n: int, **more: object) -> Forest:
    rows = tuple(
        Interval(label=f"group {i}", value=0.01 * i, low=0.01 * i - 0.02, high=0.01 * i + 0.02) for i in range(n)
    )
    return Forest(**{"id": "f", "title": "Gaps", "unit": "probability", "rows": rows} | more)


def curve(**more: object) -> Curve:
    line = Series(label="model", x=(0.0, 1.0, 2.0), y=(0.5, 0.7, 0.9), low=(0.4, 0.6, 0.8), high=(0.6, 0.8, 1.0))
    reference = Series(label="text alone", x=(0.0, 2.0), y=(0.6, 0.6), reference=True)
    return Curve(
        **{
            "id": "c", "title": "By layer", "x_title": "layer", "y_title": "AUROC", "unit": "AUROC",
            "series": (line, reference), "null": 0.5,
        }
        | more
    )  # fmt: skip


def tree(drawing: svg.Drawing) -> Element:
    return fromstring(drawing.svg)


def texts(drawing: svg.Drawing) -> list[str]:
    return [element.text or "" for element in tree(drawing).iter(f"{SVG}text")]


@pytest.mark.parametrize(("rows", "drawn"), [(1, [1]), (25, [25]), (26, [13, 13]), (50, [25, 25]), (61, [21, 21, 19])])
def test_a_long_forest_is_split_into_drawings_one_can_read(rows: int, drawn: list[int]) -> None:
    drawings = charts.drawings(forest(rows))

    assert [len(re.findall("group ", " ".join(texts(drawing)))) for drawing in drawings] == drawn


def test_the_parts_of_a_split_forest_share_their_axis() -> None:
    first, second = charts.drawings(forest(40))

    assert texts(first)[-5:] == texts(second)[-5:]


def test_a_forest_prints_each_row_as_numbers_and_names_its_lines() -> None:
    (drawing,) = charts.drawings(forest(2, null=0.0, bounds=(0.05,)))

    assert "0.010 [−0.010,\u00a00.030]" in texts(drawing)
    assert {"no effect 0", "bound 0.05"} <= set(texts(drawing))


def test_a_forest_prints_the_decimals_it_is_told() -> None:
    (drawing,) = charts.drawings(forest(2), 2)

    assert "0.01 [−0.01,\u00a00.03]" in texts(drawing)


def test_the_alternative_text_of_a_forest_holds_every_number() -> None:
    (drawing,) = charts.drawings(forest(2, null=0.0, bounds=(0.05,)))

    assert drawing.alt == (
        "Gaps: 2 estimates with their intervals on one axis. No effect is 0. A dashed line marks the bound 0.05. "
        "group 0: 0.000 [−0.020,\u00a00.020]; group 1: 0.010 [−0.010,\u00a00.030]."
    )
    assert tree(drawing)[0].tag == f"{SVG}title"
    assert tree(drawing)[0].text == drawing.alt


def test_bounds_are_dashed_and_no_effect_is_not() -> None:
    (drawing,) = charts.drawings(forest(2, null=0.0, bounds=(0.05,)))
    upright = [e for e in tree(drawing).iter(f"{SVG}line") if e.get("x1") == e.get("x2") and e.get("y2") == "54"]

    assert [bool(line.get("stroke-dasharray")) for line in upright] == [True, False]


def test_names_of_bounds_that_lie_close_stand_on_levels_of_their_own() -> None:
    (drawing,) = charts.drawings(forest(2, null=0.0, bounds=(0.001, 0.002)))
    heads = {e.text: e.get("y") for e in tree(drawing).iter(f"{SVG}text") if "bound" in (e.text or "")}

    assert len(set(heads.values())) == 2


def test_an_interval_that_dwarfs_the_others_ends_in_an_arrow() -> None:
    rows = (*forest(5).rows, Interval(label="wide", value=0.02, low=-50.0, high=50.0))
    (drawing,) = charts.drawings(forest(5, rows=rows))

    assert len(list(tree(drawing).iter(f"{SVG}polygon"))) == 2
    assert "0.020 [−50.000,\u00a050.000]" in texts(drawing)


def test_a_value_without_interval_is_drawn_without_one() -> None:
    (drawing,) = charts.drawings(forest(0, rows=(Interval(label="one case", value=0.25),)))

    assert "0.250" in texts(drawing)


def test_a_forest_without_rows_is_not_drawn() -> None:
    assert charts.drawings(forest(0)) == ()


def test_a_long_label_is_cut_in_its_middle() -> None:
    label = "sex: women against men | occupation: nurse in a hospital at night | region: north"
    (drawing,) = charts.drawings(forest(0, rows=(Interval(label=label, value=0.1, low=0.0, high=0.2),)))

    (shown,) = (text for text in texts(drawing) if "…" in text)
    assert (shown[:10], shown[-5:]) == (label[:10], label[-5:])
    assert label in drawing.alt


def test_a_curve_names_its_series_in_a_legend_and_in_words() -> None:
    (drawing,) = charts.drawings(curve())

    assert {"model", "text alone (reference)", "no effect 0.5", "layer", "AUROC"} <= set(texts(drawing))
    assert drawing.alt == (
        "By layer: AUROC over layer. No effect is 0.5. "
        "model: at 0 0.50 [0.40,\u00a00.60]; at 1 0.70 [0.60,\u00a00.80]; "
        "at 2 0.90 [0.80,\u00a01.00]. text alone (reference): at 0 0.600; at 2 0.600."
    )


def test_the_series_of_a_curve_differ_in_dash_and_marker() -> None:
    series = tuple(Series(label=str(i), x=(0.0, 1.0), y=(0.1 * i, 0.2 * i)) for i in range(4))
    (drawing,) = charts.drawings(curve(series=series))

    dashes = [line.get("stroke-dasharray") for line in tree(drawing).iter(f"{SVG}polyline")]
    assert len(set(dashes)) == 4


def test_a_curve_without_points_is_not_drawn() -> None:
    assert charts.drawings(curve(series=(Series(label="none", x=(), y=()),))) == ()


def test_a_curve_of_one_point_is_drawn() -> None:
    (drawing,) = charts.drawings(curve(series=(Series(label="one", x=(3.0,), y=(0.5,)),), null=None))

    assert "at 3 0.500" in drawing.alt


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (-0.07, 0.25, [0.0, 0.1, 0.2]), (0.0, 7.0, [0, 2, 4, 6])],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert svg.ticks(low, high) == pytest.approx(ticks)


def test_ticks_of_layers_are_whole() -> None:
    assert svg.ticks(0, 2, whole=True) == [0, 1, 2]


outside = st.text(max_size=40)


@given(outside, outside)
def test_no_label_can_break_out_of_a_drawing(title: str, label: str) -> None:
    rows = (Interval(label=label, value=0.1, low=0.0, high=0.2),)
    (drawing,) = charts.drawings(forest(0, title=title, rows=rows))

    assert {element.tag.removeprefix(SVG) for element in tree(drawing).iter()} <= {
        "svg", "title", "text", "line", "rect", "circle", "polygon",
    }  # fmt: skip


@given(st.text(max_size=80), st.floats(20, 300))
def test_a_fitted_label_fits(label: str, room: float) -> None:
    shown = svg.fitted(label, room)

    assert svg.text_width(shown) <= max(room, svg.text_width(f"{shown[:1]}…{shown[-1:]}"))


values = st.floats(-1e3, 1e3, allow_nan=False)


@given(st.lists(st.tuples(values, st.floats(0, 1e3)), min_size=1, max_size=8), st.lists(values, max_size=2))
def test_every_mark_of_a_forest_lies_inside_the_drawing(
    spreads: list[tuple[float, float]], bounds: list[float]
) -> None:
    rows = tuple(Interval(label="g", value=v, low=v - half, high=v + half) for v, half in spreads)
    (drawing,) = charts.drawings(forest(0, rows=rows, bounds=tuple(bounds), null=0.0))

    xs = [float(e.get(name)) for e in tree(drawing).iter() for name in ("x", "x1", "x2", "cx") if e.get(name)]
    assert all(-0.01 <= x <= svg.WIDTH + 0.01 for x in xs)
