import pytest

from audit.policy.templates import FieldList, ListError, field_list, product, unused
from audit.types import Place

PLACE = Place(path="p.yaml", line=1)


def test_a_product_runs_in_written_order_the_last_list_fastest():
    lists = [field_list("a", ["1", "2"]), field_list("b", ["x", "y"])]

    table = product(["{a}{b}"], lists, several=False, place=PLACE)

    assert [tuple(row.cells.values()) for row in table.rows] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert table.columns == ("a", "b")


def test_an_entry_may_set_several_fields():
    lists = [field_list("who", [{"name": "Anna", "sex": "female"}, {"name": "Bert", "sex": "male"}])]

    table = product(["{name}"], lists, several=False, place=PLACE)

    assert table.columns == ("name", "sex")
    assert dict(table.rows[1].cells) == {"name": "Bert", "sex": "male"}


def test_of_several_templates_each_row_knows_its_own():
    table = product(["{a}!", "{a}?"], [field_list("a", ["1", "2"])], several=True, place=PLACE)

    assert [row.cells["template"] for row in table.rows] == ["{a}!", "{a}!", "{a}?", "{a}?"]


def test_a_product_too_large_is_refused_before_it_is_made():
    lists = [FieldList(name=str(n), entries=tuple({str(n): str(i)} for i in range(1000))) for n in range(30)]

    with pytest.raises(ListError, match=r"^1 × 1000 × 1000 × .* rows$"):
        product(["x"], lists, several=False, place=PLACE)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([{"a": "1"}, {"b": "1"}], "entry 2 of the list `l`, which sets b"),
        ([{"a": "1"}, "x"], "entry 2 of the list `l`, which sets l"),
        ([{}], "entry 1 of the list `l`, which sets nothing"),
    ],
)
def test_entries_of_a_list_set_the_same_fields(entries, found):
    with pytest.raises(ListError) as caught:
        field_list("l", entries)

    assert caught.value.found == found


def test_two_lists_do_not_set_the_same_field():
    lists = [field_list("a", ["1"]), field_list("b", [{"a": "2"}])]

    with pytest.raises(ListError, match=r"^the field `a` set a second time$"):
        product(["{a}"], lists, several=False, place=PLACE)


def test_the_digest_depends_on_what_is_said_and_not_on_the_order_of_keys():
    def digest(*entries):
        return product(["{a}{b}"], [field_list("l", list(entries))], several=False, place=PLACE).sha256

    assert digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1"})
    assert digest({"a": "1", "b": "2"}) != digest({"a": "1", "b": "3"})


def test_a_list_no_template_uses_is_found():
    lists = [field_list("a", ["1"]), field_list("b", [{"c": "1", "d": "2"}]), field_list("e", ["1"])]

    assert [entry.name for entry in unused(("a", "d"), lists)] == ["e"]
