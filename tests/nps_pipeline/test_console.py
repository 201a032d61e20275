"""What a CRM or a file holds is printed as it is."""

from __future__ import annotations

import pytest

from nps_pipeline import console


@pytest.mark.parametrize("value", ["[/b]", "[red]nine[/red]", "nine :smile:"])
def test_a_value_is_printed_as_it_stands(value: str) -> None:
    with console.out.capture() as printed:
        console.print_table("Values", [{"old": value}], {"old": "old"})
    assert value in printed.get()
