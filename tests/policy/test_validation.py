from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.errors import UserError
from audit.policy import strict_yaml
from audit.policy.problems import Problems
from audit.policy.validation import validated


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Circle(Strict):
    kind: Literal["circle"]
    radius: float = Field(gt=0, description="Half the width. In metres.")


class Square(Strict):
    kind: Literal["square"]
    side: float


class Drawing(Strict):
    shapes: tuple[Annotated[Circle | Square, Field(discriminator="kind")], ...] = ()
    any_shape: Circle | Square | None = None
    layers: tuple[int, ...] | Literal["all", "last"] = "all"
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _ordered(self) -> Any:
        if self.low >= self.high:
            raise ValueError("low to be less than high")
        return self


def outcome(text, **options):
    """Return the model, or what is said of it."""
    document = strict_yaml.read(f"draw:\n{text}".encode(), "p.yaml")
    problems = Problems(document)
    found = validated(Drawing, document.data["draw"], at=("draw",), problems=problems, **options)
    if found is not None:
        return found
    with pytest.raises(UserError) as caught:
        problems.stop()
    return [
        f"{p.where.line}:{p.where.column} {p.found} | {p.expected}" + (f" | {p.do}" if p.do else "")
        for p in caught.value.problems
    ]


def test_strict_models_take_lists_for_tuples_and_whole_numbers_for_numbers():
    found = outcome("  shapes: [{kind: circle, radius: 1}]\n  layers: [1, 2]\n")

    assert found.shapes[0].radius == 1.0
    assert found.layers == (1, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("  lo: 1\n", ["2:3 the unknown key `lo` | one of shapes, any_shape, layers, low, high | did you mean `low`?"]),
        ("  low: 1.5\n", ["2:8 the number 1.5 | a whole number"]),
        ("  low: true\n", ["2:8 `true` | a whole number"]),
        ("  low: 3\n", ["2:3 values that do not go together | low to be less than high"]),
        ("  layers: alll\n", ["2:11 the text `alll` | a list or one of all, last | did you mean `all`?"]),
        ("  layers: [1, x]\n", ["2:11 a list | one of all, last", "2:15 the text `x` | a whole number"]),
        ("  shapes: [{kind: circle}]\n", ["2:12 no `radius` | `radius`: half the width"]),
        (
            "  shapes: [{kind: circle, radius: 0, side: 1}]\n",
            ["2:35 the number 0 | a number that is more than 0.0", "2:38 the unknown key `side` | one of kind, radius"],
        ),
        ("  shapes: [{kind: circl}]\n", ["2:19 the text `circl` | circle or square | did you mean `circle`?"]),
        ("  - a\n", ["2:3 a list | a mapping"]),
    ],
)
def test_every_mistake_is_said_in_the_words_of_a_policy(text, said):
    assert outcome(text) == said


def test_keys_that_stand_beside_a_models_own_are_offered_too():
    said = outcome("  titel: x\n", also=("title",))

    assert said == [
        "2:3 the unknown key `titel` | one of shapes, any_shape, layers, low, high, title | did you mean `title`?"
    ]


def test_what_was_told_already_is_not_told_again():
    said = outcome("  low: x\n  high: y\n", known_bad=[("low",)])

    assert said == ["3:9 the text `y` | a whole number"]


def test_what_a_known_mistake_makes_of_the_whole_is_not_told_either():
    problems = Problems(strict_yaml.read(b"low: 3\n", "p.yaml"))

    found = validated(Drawing, {"low": 3}, at=(), problems=problems, known_bad=[("low",)])

    assert found is None
    assert len(problems) == 0
