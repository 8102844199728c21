"""How a text and a company are put before the network."""

from __future__ import annotations

from monitor.classifier.reading import around, mark, normalise


def test_links_and_references_are_read_as_in_training() -> None:
    assert normalise("AT&amp;amp;T  falls https://t.co/x \n today") == "AT&T falls today"


def test_a_company_is_marked_where_it_stands_as_a_word() -> None:
    assert mark("Acme sues Acme", "Acme") == "[ Acme ] sues [ Acme ]"
    assert mark("Ford recalls cars, Stanford finds", "Ford") == "[ Ford ] recalls cars, Stanford finds"
    assert mark("Acme's chief: AT&T", "AT&T") == "Acme's chief: [ AT&T ]"
    assert mark("$ACME slips (again)", "$ACME") == "[ $ACME ] slips (again)"


def test_a_company_of_a_script_without_spaces_is_marked_too() -> None:
    assert mark("腾讯股价下跌", "腾讯") == "[ 腾讯 ]股价下跌"


def test_a_company_not_named_leaves_the_text_alone() -> None:
    assert mark("Acme falls", "Globex") == mark("Acme falls", "") == "Acme falls"


def test_of_a_long_text_the_part_around_the_company_is_read() -> None:
    text = "Stanford. " * 200 + "Ford recalls cars. " + "Weather. " * 200
    assert "Ford recalls cars" in around(text, "Ford", 400)
    assert len(around(text, "Ford", 400)) == 400
    assert around(text, "Nobody", 400) == text[:400]
