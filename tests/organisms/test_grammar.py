import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.organisms.grammar import HIDDEN, Grammar, hide, listed


def grammar(template="The {colour} {thing}, near {place}.", **slots):
    return Grammar(
        template=template,
        slots=slots or {"colour": ("red", "blue"), "thing": ("car", "red"), "place": ("town", "sea", "wood")},
    )


def test_renders_a_case():
    assert grammar().texts(np.array([[1, 0, 2]])) == ["The blue car, near wood."]


def test_names_the_words_of_a_case():
    assert grammar().fields(np.array([[1, 0, 2]])) == [{"colour": "blue", "thing": "car", "place": "wood"}]


def test_knows_every_word_once_with_the_templates_own_first():
    assert grammar().vocabulary == (
        "The", ",", "near", ".", "red", "blue", "car", "town", "sea", "wood",
    )  # fmt: skip


def test_says_where_each_slot_stands():
    assert grammar().columns == {"colour": 1, "thing": 2, "place": 5}


def test_encodes_a_word_that_two_slots_share_as_the_same_number():
    words = grammar().encode(np.array([[0, 1, 0]]))

    assert words.tolist() == [[0, 4, 4, 1, 2, 7, 3]]
    assert words[0, 1] == words[0, 2]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=9))
def test_encoded_words_are_the_words_of_the_text(cases):
    g = grammar()

    words = [[g.vocabulary[i] for i in row] for row in g.encode(np.array(cases)).tolist()]

    assert [" ".join(row) for row in words] == [
        text.replace(",", " ,").replace(".", " .") for text in g.texts(np.array(cases))
    ]


def test_refuses_slots_that_the_template_lacks():
    with pytest.raises(ValueError, match="slots") as error:
        grammar("The {colour} thing.", thing=("car",))

    assert str(error.value) == "the template has slots ['colour'], the grammar fills ['thing']"


def test_refuses_a_slot_that_stands_twice():
    with pytest.raises(ValueError, match="slots") as error:
        grammar("{thing} and {thing}", thing=("car",))

    assert str(error.value) == "the template has slots ['thing', 'thing'], the grammar fills ['thing']"


@pytest.mark.parametrize("filler", ["two words", "e-mail", ""])
def test_refuses_a_filler_that_is_not_one_word(filler):
    with pytest.raises(ValueError, match="not one word") as error:
        grammar("a {thing}", thing=("car", filler))

    assert str(error.value) == f"slot 'thing' holds {filler!r}, which is not one word"


def test_a_word_list_holds_each_word_once():
    assert listed("red blue\n green") == ("red", "blue", "green")
    with pytest.raises(ValueError, match="stands twice") as error:
        listed("red blue red")

    assert str(error.value) == "'red' stands twice among 3 words"


def test_hides_about_four_words_in_a_hundred_and_sometimes_a_whole_text():
    hidden = hide(np.random.default_rng(0), 20_000, 17)

    share = hidden.mean(axis=1)
    assert 0.03 < share.mean() < 0.05
    assert (share == 0).mean() > 0.6
    assert 0.001 < (share > 0.95).mean() < 0.01


def test_the_hidden_mark_is_no_word_number():
    assert HIDDEN not in grammar().encode(np.array([[0, 0, 0]]))
