"""Which stories are worth a person's word: a uniform third, and the rest by doubt, dispute, rarity and variety."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.labelling import audit, most_worth, queue
from monitor.store.read_unlabelled import Judged
from monitor.types import Probabilities

SURE, TORN, GOOD = Probabilities(0.98, 0.01, 0.01), Probabilities(0.34, 0.33, 0.33), Probabilities(0.01, 0.01, 0.98)


def story(number: int, **changed: object) -> Judged:
    plain = Judged(f"a{number}", "Earnings", 0.99, SURE, {}, False, False)
    return replace(plain, **changed)  # type: ignore[arg-type]


PLAIN = [story(number) for number in range(300)]


def test_a_third_is_drawn_and_marked_and_no_article_comes_twice() -> None:
    asked = queue(PLAIN, 30)
    assert len({one.article for one in asked}) == 30
    assert sum(one.is_audit for one in asked) == 10
    assert {one.why for one in asked if one.is_audit} == {"drawn at random"}


def test_audits_stand_between_the_others() -> None:
    places = [place for place, one in enumerate(queue(PLAIN, 30)) if one.is_audit]
    assert places[-1] > 15, "whoever labels the first of a round would label audits alone"
    assert any(place not in places for place in range(places[-1]))


def test_the_same_seed_draws_the_same_audits_whatever_order_the_stories_come_in() -> None:
    assert audit(PLAIN, 20, 7) == audit(PLAIN[::-1], 20, 7)
    assert audit(PLAIN, 20, 7) != audit(PLAIN, 20, 8)


def test_the_draw_is_uniform() -> None:
    drawn = [int(article[1:]) for seed in range(400) for article in audit(PLAIN, 30, seed)]
    tenths = [sum(number // 30 == tenth for number in drawn) for tenth in range(10)]
    assert all(1_050 < count < 1_350 for count in tenths), f"1,200 of each expected, 33 is one deviation: {tenths}"


def test_a_correction_keeps_no_story_out_of_the_draw_but_out_of_the_rest() -> None:
    corrected = [replace(one, is_corrected=True) for one in PLAIN]
    assert audit(corrected, 20, 1) == audit(PLAIN, 20, 1)
    assert all(one.is_audit for one in queue(corrected, 30))


def test_an_audited_story_is_not_asked_for_again() -> None:
    first = queue(PLAIN, 30)
    done = {one.article for one in first if one.is_audit}
    again = queue([replace(one, is_audited=one.article in done) for one in PLAIN], 300)
    assert not done & {one.article for one in again}


def test_doubt_dispute_and_a_rare_topic_each_come_before_the_sure_and_usual() -> None:
    odd = [
        story(1000, sentiment=TORN),
        story(1001, companies={"ACME": GOOD}),
        story(1002, topic="IPO"),
        story(1003, topic_probability=0.3),
    ]
    found = most_worth([*PLAIN, *odd], 4)
    assert {one.article for one, _ in found} == {one.article for one in odd}
    assert {why for _, why in found} == {
        "the model is unsure",
        "company and article disagree",
        "its topic is rare",
    }


def test_ten_doubtful_stories_of_one_company_do_not_fill_the_queue() -> None:
    many = [story(n, sentiment=TORN, companies={"ACME": TORN}) for n in range(10)]
    others = [story(100 + n, topic=f"T{n}", topic_probability=0.6, companies={f"C{n}": SURE}) for n in range(5)]
    found = [one.article for one, _ in most_worth([*many, *others], 6)]
    assert len(set(found) & {one.article for one in others}) >= 4


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1), st.booleans()), max_size=30), st.integers(0, 20))
def test_a_queue_is_never_longer_than_asked_nor_than_what_there_is(
    rows: list[tuple[int, float, bool]], size: int
) -> None:
    made = [
        story(number, topic=str(topic), topic_probability=sure, is_audited=audited)
        for number, (topic, sure, audited) in enumerate(rows)
    ]
    asked = queue(made, size)
    assert len(asked) <= min(size, sum(not one.is_audited for one in made))
    assert len({one.article for one in asked}) == len(asked)
