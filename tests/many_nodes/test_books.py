"""The soak's books: what they find in runs that are made up."""

from __future__ import annotations

import sys
from itertools import count

from ..clients import ROOT

sys.path.append(str(ROOT / "benchmarks"))

from soak.books import Balance, Books, Connection, Gap, Message, total


def published(*names: str, failed: str = "", stream: str = "g") -> Books:
    """Books of messages that were published one after the other."""
    moments = count(1)
    books = Books()
    for name in names:
        message = books.messages[name] = Message(stream, next(moments))
        if name not in failed:
            message.acknowledged = next(moments)
    return books


def reader(
    books: Books, *received: str | Gap, joined: int = 0, stayed: bool = True, stream: str = "g"
) -> Connection:
    """A connection that got this."""
    made = Connection(f"c{len(books.connections)}", {stream: joined}, list(received), stayed=stayed)
    books.connections.append(made)
    return made


def found(books: Books, durable: bool = False) -> dict[str, list[str]]:
    """Return the complaints of the books."""
    return {name: list(each) for name, each in vars(books.balance(durable)).items() if each}


LOST = Gap("g", "lost")


def test_all_that_was_taken_in_its_order_is_right() -> None:
    books = published("1", "2", "3")
    reader(books, "1", "2", "3")
    reader(books, "1", "2", "3")
    assert found(books, durable=True) == {}
    assert not books.balance(durable=True)


def test_a_message_that_never_came_is_lost() -> None:
    books = published("1", "2", "3")
    reader(books, "1", "2")
    assert found(books) == {"lost": ["3 at c0"]}
    assert books.balance(durable=False)


def test_missing_messages_without_a_notice_are_an_untold_gap() -> None:
    books = published("1", "2", "3")
    reader(books, "1", "3")
    assert found(books) == {"untold": ["2 at c0, before 3"]}


def test_a_gap_that_is_told_in_its_place_excuses() -> None:
    books = published("1", "2", "3")
    reader(books, "1", LOST, "3")
    reader(books, "1", "2", LOST)
    assert found(books) == {}


def test_a_gap_in_another_place_or_of_another_stream_excuses_nothing() -> None:
    books = published("1", "2", "3", "4")
    reader(books, "1", "3", LOST, "4")
    reader(books, LOST, "1", "3", "4")
    reader(books, "1", Gap("other", "lost"), "3", "4")
    assert found(books) == {"untold": [f"2 at c{number}, before 3" for number in range(3)]}


def test_where_redis_forgets_nothing_only_being_late_excuses() -> None:
    books = published("1", "2")
    reader(books, Gap("g", "late"), "2")
    reader(books, LOST, "2")
    assert found(books, durable=True) == {
        "untold": ["1 at c1, before 2"],
        "needless": ["g lost at c1"],
    }


def test_a_repeated_message_is_a_duplicate_also_across_a_gap() -> None:
    books = published("1", "2")
    reader(books, "1", "1", "2")
    reader(books, "1", "2", LOST, "2")
    assert found(books) == {"duplicated": ["1 at c0", "2 at c1"]}


def test_a_message_finished_before_another_began_comes_before_it() -> None:
    books = published("1", "2")
    reader(books, "2", "1")
    books.messages["between"] = Message("g", 1)
    reader(books, "2", "between", "1")
    assert found(books) == {"disordered": ["1 after 2 at c0", "1 after 2 at c1"]}


def test_messages_of_one_time_come_in_the_same_order_to_all() -> None:
    books = Books({name: Message("g", 1, 2) for name in ("a", "b")})
    reader(books, "a", "b")
    reader(books, "a", "b")
    assert found(books) == {}
    reader(books, "b", "a")
    assert set(found(books)) == {"disordered"}


def test_another_reader_shows_where_a_message_of_that_time_belonged() -> None:
    books = Books({name: Message("g", 1, 2) for name in ("a", "b", "c")})
    reader(books, "a", "b", "c")
    reader(books, "a", "c", LOST)
    assert found(books) == {"untold": ["b at c1, before c"]}
    books.connections[1].received = ["a", LOST, "c"]
    assert found(books) == {}


def test_a_dropped_reader_is_judged_up_to_its_last_message() -> None:
    books = published("1", "2", "3")
    reader(books, "1", stayed=False)
    reader(books, "2", stayed=False)
    assert found(books) == {"untold": ["1 at c1, before 2"]}


def test_a_message_begun_before_a_join_need_not_reach_the_member() -> None:
    books = published("1", "2")
    reader(books, "2", joined=2)
    reader(books, joined=100)
    books.connections.append(Connection("elsewhere", stayed=True))
    assert found(books) == {}


def test_a_failed_message_may_come_once_or_never() -> None:
    books = published("1", "2", failed="2")
    reader(books, "1", "2")
    reader(books, "1", "2")
    assert found(books) == {}
    reader(books, "1", "2", "2")
    assert found(books) == {"duplicated": ["2 at c2"]}
    books = published("1", "2", failed="2")
    reader(books, "1")
    assert found(books) == {}


def test_a_message_that_was_not_sent_is_a_stray() -> None:
    books = published("1", "2")
    books.messages["2"].exclude = "c1"
    reader(books, "1", "2", "3")
    reader(books, "1", "2")
    reader(books, "1")
    assert found(books) == {"stray": ["3 at c0", "2 at c1"], "lost": ["2 at c2"]}


def test_a_sum_has_all_counts() -> None:
    sums = total([Balance(lost=["a"]), Balance(lost=["b"], stray=["c"])])
    assert {name: count for name, count in sums.items() if count} == {"lost": 2, "stray": 1}
    assert list(sums) == ["lost", "duplicated", "disordered", "untold", "stray", "needless"]
    assert list(Balance(lost=["a"]).lines()) == ["lost: a"]
