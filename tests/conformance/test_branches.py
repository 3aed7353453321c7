"""Cases 59, 68-76, 83-87, 91-93, 98, 126: branches, choice, bind, deadlines."""

from __future__ import annotations

from typing import Any

from returns.result import Failure, Success

from sagalib import Compensated, Ok, Raised, TimedOut, arrow, chain, each, gather, on, par, when
from sagalib.core.events import StepCompensated, StepOk
from tests.conformance.world import UNIT, AnySaga, Did, Takes, Undid, World


def test_059_a_handler_supplies_the_value_of_a_failed_step(world: World) -> None:
    """A step with `recover` gives what the handler makes of its error, and the saga goes on."""
    saga = world.step("a", Failure("no")).recover(lambda error: f"after {error}") >> world.step("b")
    assert Ok("B") == world.run(saga)
    assert [Did("a", "in"), Did("b", "after no")] == world.calls


def test_068_two_branches_give_a_pair(world: World) -> None:
    """Two branches get the same input, and give a pair."""
    assert Ok(("A", "B")) == world.run(world.step("a") & world.step("b"))
    assert {Did("a", "in"), Did("b", "in")} == set(world.calls)
    assert 2 == len(world.calls)


def test_069_results_stand_in_the_order_of_the_inputs(world: World) -> None:
    """Whichever branch is the first to end, the results stand in declared order."""
    slow = [world.step(name, Takes(4.0 - at, Success(at))) for at, name in enumerate("abcd")]
    assert Ok((0, 1, 2, 3)) == world.run(gather(slow))

    def tenfold(item: int) -> tuple[int, int]:
        return item, item * 10

    items = each(arrow(tenfold), limit=None)
    assert Ok(((1, 10), (2, 20), (3, 30))) == world.run(items, [1, 2, 3])


def test_070_a_step_after_branches_sees_all_results(world: World) -> None:
    """A step that stands after branches starts when all have ended, with all they gave."""
    saga = par(world.step("a"), world.step("b"), world.step("c")) >> world.step("d")
    assert Ok("D") == world.run(saga)
    assert Did("d", ("A", "B", "C")) == world.calls[-1]
    assert 4 == len(world.calls)


def test_071_branches_at_the_end_give_a_tuple(world: World) -> None:
    """A saga that ends with branches gives their tuple."""
    saga = world.step("a") >> par(world.step("b"), world.step("c"))
    assert Ok(("B", "C")) == world.run(saga)


def test_072_a_branch_is_awaited_if_another_fails(world: World) -> None:
    """The right branch fails at once: the left one goes to its end, and is compensated."""
    left = world.step("a", Takes(1.0, Success("A"))) >> world.step("b")
    outcome = world.run(world.step("z") >> par(left, world.step("c", Failure("no"))))
    assert Compensated("no", "branch[1]/c") == outcome
    back = [call for call in world.calls if isinstance(call, Undid)]
    assert [Undid("b", "B"), Undid("a", "A"), Undid("z", "Z")] == back
    assert back == world.calls[-3:]


def test_073_the_mirror_is_the_same(world: World) -> None:
    """The left branch fails at once: the right one goes to its end, and is compensated."""
    right = world.step("a", Takes(1.0, Success("A"))) >> world.step("b")
    outcome = world.run(par(world.step("c", Failure("no")), right))
    assert Compensated("no", "branch[0]/c") == outcome
    assert [Undid("b", "B"), Undid("a", "A")] == world.calls[-2:]


def test_074_if_both_branches_fail_both_are_told(world: World) -> None:
    """Both branches are undone once; the leftmost reason is the first, whichever came first."""
    left = world.step("a") >> world.step("b", Takes(2.0, Failure("left")))
    right = world.step("c") >> world.step("d", Failure("right"))
    outcome: Any = world.run(left & right)
    assert ("left", "right") == outcome.reasons
    assert "left" == outcome.reason
    assert ["a", "c"] == sorted(call.step for call in world.calls if isinstance(call, Undid))


def test_075_branches_are_undone_in_the_reverse_of_their_completion(world: World) -> None:
    """After a failure behind them, what completed last in any branch is undone first."""
    branches = [world.step(name, Takes(at, Success(name))) for at, name in ((3.0, "a"), (1.0, "b"))]
    saga = gather(branches) >> world.step("c", Failure("no"))
    outcome = world.run(saga)
    done = [event.path for event in outcome.log if isinstance(event, StepOk)]
    undone = [event.path for event in outcome.log if isinstance(event, StepCompensated)]
    assert done[::-1] == undone
    assert 2 == len(undone)


def test_076_branches_that_wait_do_not_start_after_a_failure(world: World) -> None:
    """With a limit, a branch that has not begun when a failure is known never begins."""
    saga = par(world.step("a", Failure("no")), world.step("b"), world.step("c"), limit=1)
    assert Compensated("no", "branch[0]/a") == world.run(saga)
    assert [Did("a", "in")] == world.calls


def test_083_a_sequential_pair_is_undone_right_then_left(world: World) -> None:
    """In a sequence the right one is undone first; if the left one fails, it never starts."""
    saga = world.step("a").keep() >> world.step("b") >> world.step("c", Failure("no"))
    assert Compensated("no", "c") == world.run(saga)
    assert [Undid("b", "B"), Undid("a", "A")] == world.calls[-2:]
    world.calls.clear()
    assert Compensated("no", "d") == world.run(world.step("d", Failure("no")) >> world.step("e"))
    assert [Did("d", "in")] == world.calls


def test_084_items_one_after_the_other_and_the_second_fails(world: World) -> None:
    """`each` in turn: the items before the one that failed are undone, the rest never starts."""
    work = world.step("a", Success("A"), Failure("no"))
    assert Compensated("no", "item[1]/a") == world.run(each(work), ["one", "two", "three"])
    assert [Did("a", "one"), Did("a", "two"), Undid("a", "A")] == world.calls


def test_085_a_value_without_a_case_fails(world: World) -> None:
    """If no case takes the value, the saga fails with a reason that names class and cases."""
    outcome = world.run(world.step("a") >> on(int, world.step("b")))
    assert isinstance(outcome, Compensated)
    assert isinstance(outcome.reason, Raised)
    assert "str" in outcome.reason.message
    assert "int" in outcome.reason.message
    assert [Did("a", "in"), Undid("a", "A")] == world.calls


def test_086_the_first_match_decides(world: World) -> None:
    """After a predicate that holds no other is asked; only that branch runs and is undone."""
    asked: list[str] = []

    def says(name: str, answer: bool) -> Any:
        def say(_: object) -> bool:
            asked.append(name)
            return answer

        return say

    inner = when(says("second", True), world.step("b")).otherwise(world.step("c"))
    saga = when(says("first", True), world.step("a")).otherwise(inner)
    assert Compensated("no", "d") == world.run(saga >> world.step("d", Failure("no")))
    assert ["first"] == asked
    assert [Did("a", "in"), Did("d", "A"), Undid("a", "A")] == world.calls


def test_087_steps_before_a_choice_run_once(world: World) -> None:
    """What stands before a choice is called once, whichever side is taken."""
    saga = world.step("a") >> when(lambda _: False, world.step("b")).otherwise(world.step("c"))
    assert Ok("C") == world.run(saga)
    assert [Did("a", "in"), Did("c", "A")] == world.calls


def test_091_a_loop_stops_at_its_condition(world: World) -> None:
    """A saga that binds itself again goes on until its function gives another."""

    def again(count: int) -> AnySaga:
        return UNIT if count >= 3 else one(count)

    def one(count: int) -> AnySaga:
        return world.step("a", Success(count + 1)).bind(again)

    assert Ok(3) == world.run(one(0), 0)
    assert [Did("a", 0), Did("a", 1), Did("a", 2)] == world.calls


def test_092_a_step_changes_what_is_to_come(world: World) -> None:
    """What comes next is made of a value: more steps, or none."""
    more = world.step("a").bind(lambda _: chain([world.step("b"), world.step("c")]))
    assert Ok("C") == world.run(more)
    none = world.step("d").bind(lambda _: UNIT)
    assert Ok("D") == world.run(none)
    assert ["a", "b", "c", "d"] == [call.step for call in world.calls]


def test_093_steps_that_are_brought_are_compensated_like_others(world: World) -> None:
    """Steps that a value has brought are undone in their turn."""
    brought = world.step("a").bind(lambda _: world.step("b"))
    assert Compensated("no", "c") == world.run(brought >> world.step("c", Failure("no")))
    assert [Undid("b", "B"), Undid("a", "A")] == world.calls[-2:]


def test_098_a_saga_turns_back_at_its_deadline(world: World) -> None:
    """When the deadline has passed, no step begins, and what has completed is compensated."""
    saga = (world.step("a", Takes(5.0, Success("A"))) >> world.step("b")).deadline(3.0)
    outcome = world.run(world.step("z") >> saga)
    assert isinstance(outcome, Compensated)
    assert TimedOut(3.0) == outcome.reason
    assert "b" not in [call.step for call in world.calls]
    assert Undid("z", "Z") == world.calls[-1]


def test_126_side_by_side_or_in_sequence_the_results_are_the_same(world: World) -> None:
    """Steps that share nothing give the same, side by side and one after the other."""
    side_by_side = world.run(par(world.step("a"), world.step("b"), world.step("c")))
    in_turn = world.run(par(world.step("a"), world.step("b"), world.step("c"), limit=1))
    assert Ok(("A", "B", "C")) == side_by_side == in_turn
