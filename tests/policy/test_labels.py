import pytest


def labelled(desk, column, label):
    cells = "".join(f"{cell}\n" for cell in column)
    desk.write("l.csv", f"text,label\n{''.join(f'x,{cell}' + chr(10) for cell in column)}" if cells else "")
    return desk.data(f'rows: l.csv\ntext: "{{text}}"\nlabel: {label}')


def test_labels_are_one_zero_true_false_or_blank(desk):
    data = labelled(desk, ["1", "0", "true", "False", "TRUE", "", " "], "label").dataset()

    assert [row.label for row in data.rows] == [True, False, True, False, True, None, None]
    assert data.card.labelled == 5


def test_a_non_numeric_label_names_file_line_column_and_value(desk, lines):
    message = labelled(desk, ["1", "yes", "0", "yes"], "label").problem()

    assert message == lines(
        """
        l.csv:3:3: the non-numeric label `yes` in the column `label`, and in 1 further row
            x,yes
              ^
          expected: 1, 0, true, false, or a blank cell for a row without a label
          do: say what the values mean: label: {column: …, positive: […], negative: […]}
        """
    )


@pytest.mark.parametrize("origin", ["personal", "special_category"])
def test_rows_of_personal_data_are_not_quoted(desk, origin):
    labelled(desk, ["1", "yes"], "label")
    desk.change("origin: synthetic", f"origin: {origin}\n    art4a: {{why: w, safeguards: s, deletion: 2027-01-31}}")

    by_label = desk.problem()
    by_row = desk.write("l.csv", "text,label\nx\n") and desk.problem()

    assert by_label.splitlines()[1].startswith("  expected: ")
    assert by_row == "l.csv:2:1: a row of 1 cell\n  expected: 2, one for each column"


def test_every_different_bad_label_is_told_once(desk):
    assert len(labelled(desk, ["1.0", "yes", "no", "yes"], "label").problems()) == 3


def test_labels_in_words(desk):
    label = "{column: label, positive: [toxic, 2], negative: [nontoxic, 1.0]}"

    data = labelled(desk, ["toxic", "nontoxic", "2", "1.0", ""], label).dataset()

    assert [row.label for row in data.rows] == [True, False, True, False, None]


def test_a_label_in_neither_list_is_told(desk, lines):
    message = labelled(desk, ["good", "bda"], "{column: label, positive: [good], negative: [bad]}").problem()

    assert message == lines(
        """
        l.csv:3:3: the label `bda` in the column `label`
            x,bda
              ^
          expected: one of good, bad, or a blank cell for a row without a label
          do: add the value to the positive or the negative ones, or leave its rows out with where:
        """
    )


def test_a_value_does_not_mean_both(desk):
    message = labelled(desk, ["a"], "{column: label, positive: [a], negative: [b, a]}").problem()

    assert message.splitlines()[0] == "policy.yaml:13:57: the value `a`, which is also positive"


def test_a_label_in_the_policy_is_placed_in_the_policy(desk):
    message = desk.data('rows: [{a: x, ok: 1}, {a: y, ok: maybe}]\ntext: "{a}"\nlabel: ok').problem()

    assert message.splitlines()[0] == "policy.yaml:11:38: the non-numeric label `maybe` in the column `ok`"


def test_a_label_in_jsonl_is_placed_in_its_line(desk):
    desk.write("l.jsonl", '{"a": "x", "ok": true}\n{"a": "y", "ok": "maybe"}\n')

    message = desk.data('rows: l.jsonl\ntext: "{a}"\nlabel: ok').problem()

    assert message.splitlines()[0] == "l.jsonl:2:18: the non-numeric label `maybe` in the column `ok`"


@pytest.mark.parametrize("label", ["{column: label, positive: [], negative: [b]}", "{column: label, positive: [a]}"])
def test_both_lists_are_needed(desk, label):
    assert labelled(desk, ["a"], label).problem()
