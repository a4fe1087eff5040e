"""How figures are put into words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from report import words

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (None, "KES 0"),
        (Decimal("0.4"), "KES 0"),
        (Decimal("-712.4"), "KES -712"),
        (9999, "KES 9,999"),
        (34_249, "KES 34,200"),
        (999_949, "KES 999,900"),
        (999_950, "KES 1.00 million"),
        (Decimal(3_511_488), "KES 3.51 million"),
    ],
)
def test_kes(amount: object, said: str) -> None:
    assert words.kes(amount).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("amount", "said"),
    [(None, "0"), (0, "0"), (712, "712"), (999.4, "999"), (999.6, "1.0 k"), (9_949, "9.9 k"),
     (34_200, "34 k"), (999_400, "999 k"), (999_600, "1.0 m"), (-5_000, "-5.0 k"), (123_456_789, "123.5 m")],
)  # fmt: skip
def test_short(amount: object, said: str) -> None:
    assert words.short(amount) == said


def test_cells_of_a_column_have_the_same_places() -> None:
    assert words.cells([Decimal("1234.50"), Decimal("3.00"), None]) == ["1,234.50", "3.00", ""]
    assert words.cells([Decimal("12.300"), Decimal("3.125")]) == ["12.300", "3.125"]
    assert words.cells([Decimal("3E+6"), 7]) == ["3,000,000", "7"]
    assert words.cells([Decimal("0.5"), Decimal("0.0")]) == ["0.5", "0.0"]
    assert words.cells([]) == []


def test_differences() -> None:
    assert words.difference(104, 100).replace("\u00a0", " ") == "4 % more than"
    assert words.difference(Decimal(95), Decimal(100)).replace("\u00a0", " ") == "5 % less than"
    assert words.difference(100.4, 100) == "about as much as"
    assert words.difference(1000, 100) == "more than four times as much as"


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    assert {words.signed(each) for each in (0.4, 0, -0.4, Decimal("-0.5"))} == {"0 %"}
    assert [words.signed(each) for each in (12.4, 0.6)] == ["+12 %", "+1 %"]
    assert [words.signed(each) for each in (-0.6, Decimal("-12.4"))] == ["\u22121 %", "\u221212 %"]


def test_lists_and_counts() -> None:
    assert words.listed(["Sales"]) == "Sales"
    assert words.listed(["Sales", "Security"]) == "Sales and Security"
    assert words.listed([*"ABCDE"]) == "A, B, C and 2 others"
    assert [words.count(n, "fill") for n in (0, 1, 1200)] == ["no fill", "1 fill", "1,200 fills"]
    assert words.label("at_risk_kes") == "At risk KES"
