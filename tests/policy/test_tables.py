import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.policy.tables import TableError, read_table
from audit.types import Place


def read(content, name="x.csv"):
    return read_table(content if isinstance(content, bytes) else content.encode(), name)


def cells(table):
    return [dict(row.cells) for row in table.rows]


def refused(content, name="x.csv"):
    with pytest.raises(TableError) as caught:
        read(content, name)
    return [f"{problem.where}: {problem.found}; {problem.expected}" for problem in caught.value.problems]


# --------------------------------------------------------------------------------------------------
# csv and tsv
# --------------------------------------------------------------------------------------------------


def test_cells_stay_what_is_written_and_headers_are_stripped():
    table = read(' name , n\n Anna ,1.50\n"a ""b"",\nc",\n')

    assert table.columns == ("name", "n")
    assert cells(table) == [{"name": " Anna ", "n": "1.50"}, {"name": 'a "b",\nc', "n": ""}]
    assert [row.place.line for row in table.rows] == [2, 3]


def test_rows_after_a_cell_of_several_lines_keep_their_lines():
    table = read('a,b\n"1\n2\n3",x\n\ny,z\r\n')

    assert [row.place.line for row in table.rows] == [2, 6]
    assert table.locate(table.rows[0], "b") == (Place(path="x.csv", line=4, column=4), '3",x')
    assert table.locate(table.rows[1], "b") == (Place(path="x.csv", line=6, column=3), "y,z")


def test_a_cell_behind_a_quoted_one_is_found():
    table = read('a,b,c\n"x, ""y""",2,bad\n')

    assert table.locate(table.rows[0], "c") == (Place(path="x.csv", line=2, column=14), '"x, ""y""",2,bad')


def test_a_column_without_a_name_is_left_out():
    assert cells(read(",a\n0,x\n")) == [{"a": "x"}]


def test_a_tsv_has_no_quoting():
    table = read('a\tb\n"x\ty"\n', "x.tsv")

    assert cells(table) == [{"a": '"x', "b": 'y"'}]
    assert table.locate(table.rows[0], "b")[0] == Place(path="x.tsv", line=2, column=4)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            "a,b\n1,2\n3\n4,5,6\n",
            [
                "x.csv:3:1: a row of 1 cell; 2, one for each column",
                "x.csv:4:1: a row of 3 cells; 2, one for each column",
            ],
        ),
        ("", ["x.csv:1:1: an empty file; a line with the names of the columns"]),
        (" , \n", ["x.csv:1:1: a blank line; the names of the columns"]),
        ("a,b,a\n", ["x.csv:1:1: the column `a` a second time; each column once"]),
        ("a\nx\0y\n", ["x.csv:2:2: a NUL character; text"]),
        (b"a\nx\n\xff\n", ["x.csv:3:1: the byte 0xFF, which is not UTF-8; a text file in UTF-8"]),
        ('a\nx\n"y\n', ["x.csv:3:1: a row that cannot be read: unexpected end of data; well-formed CSV"]),
        ('a\n"x"y\n', ["x.csv:2:1: a row that cannot be read: ',' expected after '\"'; well-formed CSV"]),
    ],
)
def test_a_malformed_csv_names_the_line(content, found):
    assert refused(content) == found


def test_bad_rows_are_told_up_to_a_number():
    assert len(refused("a,b\n" + "1\n" * 1000)) == 20


@pytest.mark.parametrize("name", ["x.xlsx", "x", "x.json"])
def test_other_kinds_of_files_are_refused(name):
    (message,) = refused("a\n1\n", name)

    assert message.endswith("; one of .csv, .tsv, .jsonl, .parquet")


def table_or_refusal(raw, name):
    try:
        return read_table(raw, name)
    except TableError as error:
        return error


@given(st.text() | st.binary(), st.sampled_from(["x.csv", "x.tsv", "x.jsonl"]))
def test_any_content_is_a_table_or_a_refusal(content, name):
    raw = content if isinstance(content, bytes) else content.encode(errors="surrogatepass")

    table = table_or_refusal(raw, name)

    if isinstance(table, TableError):
        assert table.problems
    else:
        assert all(set(row.cells) == set(table.columns) for row in table.rows)
        assert all(table.locate(row, column)[0].line >= row.place.line for row in table.rows for column in row.cells)


# --------------------------------------------------------------------------------------------------
# jsonl
# --------------------------------------------------------------------------------------------------


def test_jsonl_values_become_text_as_written():
    table = read('{"a": 1.50, "b": true, "c": null}\n\n{"a": "x", "d": {"e": [1, "f"]}}\n', "x.jsonl")

    assert table.columns == ("a", "b", "c", "d")
    assert cells(table) == [
        {"a": "1.50", "b": "true", "c": "", "d": ""},
        {"a": "x", "b": "", "c": "", "d": '{"e": [1, "f"]}'},
    ]
    assert table.locate(table.rows[1], "d") == (
        Place(path="x.jsonl", line=3, column=17),
        '{"a": "x", "d": {"e": [1, "f"]}}',
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "it is not an object"),
        ('{"a": 1, "a": 2}', "it has a key twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": "\\ud800"}', "it holds half of a surrogate pair"),
        ('{"a": "\\u0000"}', "it holds a NUL character"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_a_line_that_is_no_row(line, reason):
    assert refused('{"a": "x"}\n' + line, "x.jsonl") == [f"x.jsonl:2:1: a line that is no row: {reason}; a JSON object"]


@given(
    st.lists(
        st.dictionaries(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
                lambda key: key == key.strip()
            ),
            st.text(st.characters(codec="utf-8", exclude_characters="\0")),
            min_size=1,
        )
    )
)
def test_jsonl_texts_come_back(rows):
    table = read("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "x.jsonl")

    assert [{key: row.cells[key] for key in given} for row, given in zip(table.rows, rows, strict=True)] == rows


# --------------------------------------------------------------------------------------------------
# parquet
# --------------------------------------------------------------------------------------------------


def parquet(folder, columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "x.parquet"
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


def test_parquet_values_become_text(tmp_path):
    raw = parquet(tmp_path, {"name": ["Anna", None], "n": [1, 2], "ok": [True, False], "l": [["x"], []]})

    table = read(raw, "x.parquet")

    assert cells(table) == [
        {"name": "Anna", "n": "1", "ok": "true", "l": '["x"]'},
        {"name": "", "n": "2", "ok": "false", "l": "[]"},
    ]
    assert table.rows[1].place == Place(path="x.parquet", line=2)


def test_a_damaged_parquet_file_and_bytes_in_one_are_refused(tmp_path):
    (damaged,) = refused(b"PAR1 nothing PAR1", "x.parquet")
    (held,) = refused(parquet(tmp_path, {"a": [b"\xff"]}), "x.parquet")

    assert damaged.startswith("x.parquet: a file that cannot be read: ")
    assert held == "x.parquet: bytes in the column `a`; text, numbers, dates"
