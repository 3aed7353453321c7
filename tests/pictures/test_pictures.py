"""What a picture shows: of a saga, of a run, and what is left out of large ones."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from returns.result import Failure, Result, Success

from sagalib import (
    Answer,
    AsyncStep,
    Fatal,
    InvalidOption,
    LogMismatch,
    Ok,
    Retry,
    Saga,
    Soft,
    Step,
    chain,
    compensating,
    draw,
    fail,
    identity,
    simulate,
    when,
)
from tests.pictures.examples import FOLDER, files
from tests.pictures.forms import INPUTS, forms, is_big
from tests.pictures.names import Hostile, hostile, names


def execute(value: Any) -> Result[Any, Any]:
    """Give the value."""
    return Success(value)


def undo(value: Any) -> Result[None, Any]:
    """Make up for it."""
    return Success(None)


def sweep(value: Any) -> Result[None, Any]:
    """Make up for what may have happened."""
    return Success(None)


async def execute_async(value: Any) -> Result[Any, Any]:
    """Give the value."""
    return Success(value)


def step(name: str, **settings: Any) -> Saga[Any, Any, Any, Any]:
    """Make a step with a compensation."""
    return Step(execute, undo, name=name, **settings)


def run_text(saga: Saga[Any, Any, Any, Any], script: Mapping[str, Sequence[Answer]]) -> list[str]:
    """Give the lines of the picture of a scripted run."""
    return draw(saga, simulate(saga, None, script).log).text().splitlines()


def arrows(text: str) -> list[str]:
    """Give the arrows of a flowchart, with the first line of the boxes as their names."""
    boxes = dict(re.findall(r'(n\d+)[(\[{>/]+"([^"<]*)', text))
    found = re.findall(r'(n\d+) (-->|-\.->)(?:\|"(.*?)"\|)? (n\d+)', text)
    return [
        f"{boxes[source]} {arrow} {boxes[target]}" + (f" ({label})" if label else "")
        for source, arrow, label, target in found
    ]


# ------------------------------------------------------------------ a saga


def test_a_failure_leads_through_the_compensations_before_it() -> None:
    """A step leads to the next; a failure of it to the compensations before it, last first."""
    saga = (step("a") >> Step(execute, name="b") >> step("c") >> Step(execute, name="d")).named("x")

    assert [
        "x --> a",
        "a -.-> Compensated",
        "a --> b",
        "b -.-> undo",
        "undo -.-> Compensated",
        "b --> c",
        "c -.-> undo",
        "c --> d",
        "d -.-> undo",
        "undo -.-> undo",
        "d --> Ok",
    ] == arrows(draw(saga).mermaid())


def test_a_step_in_doubt_leads_to_its_settle() -> None:
    """A step in doubt leads to its settle; a failed one past it, unless failures are settled."""
    doubted = Step(execute, settle=sweep, name="a").map(str).named("x")
    every = Step(execute, settle=sweep, name="a", settle_on="failure").map(str).named("x")

    assert [
        "x --> a",
        "a -.-> sweep (in doubt)",
        "sweep -.-> Compensated",
        "a -.-> Compensated",
        "a --> Ok",
    ] == arrows(draw(doubted).mermaid())
    assert [
        "x --> a",
        "a -.-> sweep",
        "sweep -.-> Compensated",
        "a --> Ok",
    ] == arrows(draw(every).mermaid())


def test_after_a_pivot_a_failure_is_fatal() -> None:
    """A pivot is marked; if it fails there is a way back, after it there is none."""
    saga = step("a") >> Step(execute, name="b", pivot=True) >> step("c") >> step("d")

    assert [
        "a -.-> Compensated",
        "b -.-> undo",
        "undo -.-> Compensated",
        "c -.-> Fatal",
        "d -.-> undo",
        "undo -.-> Fatal",
        "undo -.-> undo",
    ] == [arrow for arrow in arrows(draw(saga).mermaid()) if "-.->" in arrow]
    assert "--> b (pivot)" in draw(saga).text().splitlines()


def test_terms_are_shown_where_they_are_not_the_default() -> None:
    """Retries and timeouts are shown, there and back, unless they are those of every step."""
    terms: list[tuple[dict[str, Any], str]] = [
        ({}, "--> a"),
        ({"timeout": Soft(30.0)}, "--> a"),
        ({"retries": Retry(2, wait=1.0)}, "--> a (retries 2)"),
        ({"timeout": None}, "--> a (no timeout)"),
        ({"timeout": 0.5, "retries": 1}, "--> a (retries 1; timeout 0.5 s)"),
        ({"timeout": Soft(5)}, "--> a (soft timeout 5 s)"),
    ]

    assert [line for _, line in terms] == [
        draw(step("a", **settings)).text().splitlines()[1] for settings, _ in terms
    ]
    assert (
        "    - -> undo (makes up for a; retries 3; timeout 2 s)"
        == (draw(step("a", compensation_retries=3, compensation_timeout=2)).text().splitlines()[2])
    )


def test_what_calls_nothing_is_left_out() -> None:
    """Pure functions and brackets are left out; async steps are drawn as the others."""
    saga = AsyncStep(execute_async, name="a").keep().map(str).map_error(str).contramap(int)

    assert "saga\n--> a\n--> Ok\n    - -> Compensated" == draw(saga).text()


def test_a_promise_is_a_compensation_without_a_step() -> None:
    """What `compensating` owes is on the way back of what follows."""
    saga = compensating(undo) >> Step(execute, name="a")

    assert [
        "saga --> a",
        "a -.-> undo",
        "undo -.-> Compensated",
        "a --> Ok",
    ] == arrows(draw(saga).mermaid())


def test_nothing_follows_a_fail() -> None:
    """A saga that always fails turns back there, says why, and has no end that is Ok."""
    saga: Saga[Any, Any, Any, Any] = step("a") >> fail(KeyError("b")) >> step("never")

    assert [
        "saga",
        "--> a",
        "    - -> undo (makes up for a)",
        "--> fail (KeyError('b'))",
        "    - -> Compensated",
    ] == draw(saga).text().splitlines()
    assert "fail -.-> undo" in arrows(draw(saga).mermaid())


def test_steps_of_one_name_are_told_apart_as_in_the_log() -> None:
    """A box has the path of its step."""
    assert "saga\n--> a\n--> a~2\n--> Ok\n    - -> Compensated" == (
        draw(Step(execute, name="a") >> Step(execute, name="a")).text()
    )


def test_the_empty_saga_has_a_picture() -> None:
    """`identity()` leads to Ok."""
    assert "saga\n--> Ok" == draw(identity()).text()


# ------------------------------------------------------------------ a run

SAGA = step("a") >> step("b", retries=1) >> Step(execute, settle=sweep, name="c") >> step("d")


def test_a_run_that_goes_well_has_no_way_back() -> None:
    """Each step is done; attempts are counted if there were more than one."""
    assert [
        "saga",
        "--> a (done)",
        "--> b (done; attempt 2)",
        "--> c (done)",
        "--> d (done)",
        "--> Ok",
    ] == run_text(SAGA, {"b": [Failure("no")]})


def test_a_run_that_fails_shows_the_way_back_that_was_walked() -> None:
    """The failed step, the compensations in the order of their calls, and what was not reached."""
    assert [
        "saga",
        "--> a (done, compensated)",
        "--> b (done, compensated)",
        "--> c (failed)",
        "--> d (not reached)",
        "    - -> undo (makes up for b; compensated)",
        "    - -> undo (makes up for a; compensated)",
        "    - -> Compensated ('no')",
    ] == run_text(SAGA, {"c": [Failure("no")]})


def test_a_step_in_doubt_says_so() -> None:
    """A step without an answer is in doubt, or settled; in the end it is still in doubt."""
    settled = run_text(SAGA, {"c": [TimeoutError("?")]})
    doubted = run_text(SAGA, {"b": [TimeoutError("?"), Failure("no")]})

    assert "--> c (in doubt, settled)" in settled
    assert "    - -> sweep (settles c; settled)" in settled
    assert "--> b (in doubt; attempt 2)" in doubted


def test_a_doubtful_step_that_settles_in_vain_is_in_doubt_last() -> None:
    """What is owed and in doubt has both words."""
    lines = run_text(SAGA, {"c": [TimeoutError("?")], "c:settle": [Failure("no")]})

    assert "--> c (in doubt, owed)" in lines
    assert "    - -> sweep (settles c; owed)" in lines


def test_a_compensation_that_fails_is_owed() -> None:
    """The step and its compensation say that it is still owed, and the end is Fatal."""
    lines = run_text(SAGA, {"c": [Failure("no")], "b:compensate": [Failure("stuck")]})

    assert "--> b (done, owed)" in lines
    assert "    - -> undo (makes up for b; owed)" in lines
    assert "    - -> Fatal ('no')" == lines[-1]


def test_a_run_that_goes_on_has_no_end_yet() -> None:
    """The first events of a log show where the run stood."""
    log = simulate(SAGA, None, {"c": [Failure("no")]}).log

    assert "saga\n--> a (not reached)\n--> b (not reached)" in draw(SAGA, ()).text()
    assert [
        "saga",
        "--> a (running)",
        "--> b (not reached)",
        "--> c (not reached)",
        "--> d (not reached)",
    ] == draw(SAGA, log[:2]).text().splitlines()


def test_the_arrows_of_a_run_are_the_order_of_its_calls() -> None:
    """What was called is joined by arrows in that order; what was not reached follows, grey."""
    text = draw(SAGA, simulate(SAGA, None, {"b": [Failure("no")] * 2}).log).mermaid()

    assert [
        "saga --> a",
        "a --> b",
        "b -.-> undo",
        "undo -.-> Compensated",
        "b --> c",
        "c --> d",
    ] == arrows(text)
    assert "    linkStyle 4,5 stroke:#adb5bd\n" in text


def test_a_residual_is_drawn_as_the_way_back_that_is_left() -> None:
    """What a run owes leads back, last first, and then on; so does a run over it."""
    outcome = simulate(
        step("a") >> step("b") >> Step(execute, name="c"),
        None,
        {
            "c": [Failure("no")],
            "a:compensate": [Failure("stuck")],
            "b:compensate": [Failure("stuck")],
        },
    )
    assert isinstance(outcome, Fatal)
    rest: Saga[Any, Any, Any, Any] = outcome.residual >> Step(execute, name="d")

    assert [
        "saga -.-> undo",
        "undo -.-> undo",
        "undo --> d",
        "d -.-> Compensated",
        "d --> Ok",
    ] == arrows(draw(rest).mermaid())
    assert [
        "saga",
        "    - -> undo (makes up for a; compensated)",
        "    - -> undo (makes up for b; compensated)",
        "--> d (done)",
        "--> Ok",
    ] == run_text(rest, {})
    assert "    - -> undo (makes up for a; not reached)" in draw(rest, ()).text().splitlines()


def test_a_residual_behind_a_pivot_is_fatal_if_it_fails() -> None:
    """What is owed on top of a pivot is drawn, and below it there is no way back."""
    outcome = simulate(Step(execute, name="a", pivot=True) >> Step(execute, name="b"), None)
    assert isinstance(outcome, Ok)
    rest: Saga[Any, Any, Any, Any] = outcome.compensation >> Step(execute, name="c")

    assert "    - -> Fatal (no way back after a pivot)" in draw(rest).text().splitlines()


# ------------------------------------------------------------------ every form


def form(name: str) -> list[str]:
    """Give the arrows of the picture of a form."""
    return arrows(draw(forms()[name]).mermaid())


def run_of(name: str, script: Mapping[str, Sequence[Answer]]) -> list[str]:
    """Give the lines of the picture of a run over a form."""
    saga = forms()[name]
    return draw(saga, simulate(saga, INPUTS.get(name, "in"), script).log).text().splitlines()


def test_a_choice_has_an_arrow_for_each_case() -> None:
    """A choice leads to both sides, and what follows has two ways back, of which one was taken."""
    assert [
        "saga --> is_big#63;",
        "is_big#63; --> a (yes)",
        "a -.-> Compensated",
        "is_big#63; --> fail (no)",
        "fail -.-> Compensated",
        "a --> c",
        "c -.-> undo",
        "undo -.-> Compensated",
        "c --> Ok",
    ] == arrows(
        draw(when(is_big, step("a")).otherwise(fail("no")) >> Step(execute, name="c")).mermaid()
    )
    back = [arrow for arrow in form("when") if arrow.startswith(("d -", "the way"))]
    assert [
        "d -.-> the way that was taken",
        "the way that was taken -.-> undo",
        "the way that was taken -.-> undo",
    ] == [arrow for arrow in back if "-->" not in arrow]


def test_a_choice_by_class_is_one_box() -> None:
    """Each class is an arrow; a value of none of them fails."""
    assert [
        "saga --> by class",
        "by class --> a (Card)",
        "a -.-> Compensated",
        "by class --> b (Cash)",
        "b -.-> Compensated",
        "by class -.-> Compensated (no case)",
        "a --> d",
        "b --> d",
    ] == form("on")[:8]


def test_branches_stand_side_by_side() -> None:
    """Each branch begins at the fork and ends at the join; there is one way back for all."""
    assert [
        "side by side --> branch#91;0#93;#47;a",
        "branch#91;0#93;#47;a -.-> what has completed#44; last first",
        "branch#91;0#93;#47;a --> branch#91;0#93;#47;c",
        "branch#91;0#93;#47;c -.-> what has completed#44; last first",
        "side by side --> branch#91;1#93;#47;b",
        "branch#91;1#93;#47;b -.-> what has completed#44; last first",
        "branch#91;0#93;#47;c --> all have ended",
        "branch#91;1#93;#47;b --> all have ended",
    ] == form("par")[3:11]
    assert [
        "what has completed#44; last first -.-> undo",
        "what has completed#44; last first -.-> undo",
    ] == [arrow for arrow in form("par") if arrow.startswith("what")]
    lines = draw(forms()["par"]).text().splitlines()
    assert "--> side by side (limit 2; stops the others if one fails)" in lines
    assert "    --> branch[0]/a" in lines


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("each", "[each, limit 3]"),
        ("or_else", "[or_else]"),
        ("recover", "[recover]"),
        ("retry", "[retry 2]"),
        ("deadline", "[deadline 5 s]"),
        ("nested", "[pay]"),
    ],
)
def test_a_scope_is_a_box_that_says_what_it_is(name: str, line: str) -> None:
    """The steps of a scope stand in a box, in all three texts."""
    picture = draw(forms()[name])
    label = line[1:-1].replace(",", "#44;")
    lines = picture.text().splitlines()

    assert lines[lines.index(line) + 1].startswith("    ")
    assert f'    subgraph b0["{label}"]\n' in picture.mermaid()
    assert f'        graph [label="{line[1:-1]}"]\n' in picture.dot()
    assert picture.dot().count("subgraph") == picture.dot().count("\n    }\n")


def test_a_failure_leads_out_of_a_scope_by_what_the_scope_does() -> None:
    """To the alternative, to the value, to the beginning again, or on to what is around."""
    assert ["b -.-> undo", "undo -.-> or else", "or else --> c", "c -.-> undo"] == form("or_else")[
        5:9
    ]
    assert "rescue --> d" in form("recover")
    assert "rescue -.-> Compensated (not returned)" in form("recover")
    assert ["again --> a", "again -.-> undo (no attempt left)"] == form("retry")[7:9]
    assert "again -.-> undo (failed later)" in form("retry")
    assert ["d -.-> undo", "undo -.-> Compensated"] == form("nested with a compensation")[6:8]


def test_a_scope_in_a_branch_ends_its_own_way_back() -> None:
    """A scope in a branch is undone by itself, and only then leads to what the siblings owe."""
    assert "branch#91;0#93;#47;pay#47;a -.-> undone" in form("par of scopes")
    assert "undone -.-> what has completed#44; last first" in form("par of scopes")
    assert "undone -.-> Compensated (failed later)" in form("par of scopes")


def test_what_bind_brings_is_one_box() -> None:
    """It has a name and no inside; in a run its steps are those of the log."""
    assert "--> bind brings (brings a saga when it runs)" in draw(forms()["bind"]).text()
    assert [
        "saga",
        "--> a (done, compensated)",
        "--> bind/later (done, compensated)",
        "--> d (failed)",
        "    - -> compensate (makes up for bind/later; compensated)",
        "    - -> undo (makes up for a; compensated)",
        "    - -> Compensated ('no')",
    ] == run_of("bind", {"d": [Failure("no")]})


def test_a_run_over_items_has_the_steps_of_each() -> None:
    """The numbers of the items come from the log; without items the body was not reached."""
    assert [
        "saga",
        "[each, limit 3]",
        "    --> item[0]/a (done)",
        "    --> item[0]/b (failed)",
        "    --> item[1]/a (done, compensated)",
        "    --> item[1]/b (done, compensated)",
        "--> d (not reached)",
    ] == [
        line.replace("item[0]/a (done, compensated)", "item[0]/a (done)")
        for line in run_of("each", {"item[0]/b": [Failure("no")]})
        if "- ->" not in line
    ]
    saga = forms()["each"]
    assert "    --> item[]/a (not reached)" in draw(saga, simulate(saga, list[object]()).log).text()


def test_a_side_that_was_not_taken_was_not_reached() -> None:
    """A run shows the steps of both sides of a choice, one of them not reached."""
    assert ["--> a (not reached)", "--> b (done)"] == run_of("when", {})[2:4]


def test_where_ways_meet_again_no_case_is_told() -> None:
    """What follows a choice is reached on both ways."""
    assert "--> d" in draw(forms()["when without an other"]).text().splitlines()


def test_ten_thousand_scopes_one_in_the_other_are_drawn() -> None:
    """Nothing recurses, and the boxes are drawn as deep as can be seen."""
    saga = step("a")
    for _ in range(10_000):
        saga = saga.retry(1)
    picture = draw(saga)

    assert 10_001 == sum(line.endswith("[retry 1]") for line in picture.text().splitlines()) + 1
    assert 20 == picture.mermaid(most=10).count("subgraph")
    assert 20 == picture.dot(most=10).count("subgraph")


# ------------------------------------------------------------------ wrong arguments


def test_only_a_saga_is_drawn() -> None:
    """What is no saga is refused."""
    function: Any = execute

    with pytest.raises(InvalidOption, match="draw takes a saga; got"):
        draw(function)


def test_a_log_of_another_saga_is_refused() -> None:
    """A log that calls a step which the saga does not have is of another saga."""
    with pytest.raises(LogMismatch, match="expected calls of 'saga' only; got StepStarted"):
        draw(step("a") >> step("b"), simulate(SAGA, None).log)


@pytest.mark.parametrize("most", [2, -1, True, 2.5, "many"])
def test_most_is_a_whole_number_of_three_or_more(most: Any) -> None:
    """A number that leaves no room is refused."""
    with pytest.raises(InvalidOption, match="most must be a whole number, 3 or more; got"):
        draw(SAGA).mermaid(most=most)


# ------------------------------------------------------------------ large pictures


def test_the_middle_of_a_large_picture_is_left_out() -> None:
    """The first and the last boxes stay, and one says how many are missing."""
    saga = chain([step(f"s{number}") for number in range(10)])

    assert [
        "saga --> s0",
        "s0 -.-> Compensated",
        "s0 --> #46;#46;#46; 19 more",
        "#46;#46;#46; 19 more -.-> Compensated",
        "#46;#46;#46; 19 more --> Ok",
    ] == arrows(draw(saga).mermaid(most=5))


def test_a_picture_of_just_the_most_is_whole() -> None:
    """Nothing is left out while there is room."""
    picture = draw(chain([Step(execute, name="a")] * 7))

    assert "more" not in picture.dot(most=10)
    assert "... 2 more" in picture.dot(most=9)


def test_a_large_picture_stays_below_the_limits_of_mermaid() -> None:
    """Mermaid takes 500 arrows and 50,000 characters."""
    saga = chain([step(f"step {number}", settle=sweep) for number in range(1_000)])
    text = draw(saga).mermaid()

    assert len(arrows(text)) <= 500
    assert len(text) <= 50_000


@pytest.mark.slow
def test_a_million_steps_are_drawn() -> None:
    """Nothing recurses: the text has a line for each step, and the flowchart says what it lacks."""
    picture = draw(chain([Step(execute, name="a")] * 1_000_000))

    assert 1_000_003 == len(picture.text().splitlines())
    assert "999#44;854 more" in picture.mermaid()


# ------------------------------------------------------------------ escapes


@given(name=names, error=hostile)
def test_no_name_and_no_reason_breaks_out_of_its_label(name: str, error: Hostile) -> None:
    """Every line of a picture has the shape of a line, whatever stands in names and reasons."""
    saga = Step(execute, undo, name=name) >> Step(execute, name=name)
    path = saga.paths[1] or ""
    picture = draw(saga.named(name), simulate(saga, None, {path: [Failure(error)]}).log)
    label = r'"(?:[\w ,-]|#\d+;|<br/>)*"'
    box = re.compile(rf"    n\d(?:\(\[{label}\]\)|\[{label}\]|\({label}\))")
    quoted = r'"(?:[^"\\]|\\.)*"'
    attribute = rf"\w+={quoted}"
    dot_line = re.compile(
        rf"    (?:n\d(?: -> n\d)?|node|edge)(?: \[{attribute}(?:, {attribute})*\])?"
    )

    assert 5 == sum(bool(box.fullmatch(line)) for line in picture.mermaid().split("\n"))
    assert [] == [line for line in picture.dot().split("\n")[1:-2] if not dot_line.fullmatch(line)]
    assert 5 == len(picture.text().splitlines())
    assert picture.text().replace("\n", "").isprintable()


# ------------------------------------------------------------------ notebooks and examples


def test_a_notebook_is_given_the_flowchart_and_the_text() -> None:
    """What a notebook asks for is the flowchart, and the text where it cannot show one."""
    picture: Any = draw(SAGA)

    assert picture.mermaid() == picture._repr_mermaid_()
    assert {
        "text/vnd.mermaid": picture.mermaid(),
        "text/plain": picture.text(),
    } == picture._repr_mimebundle_(include=None, exclude=None)
    assert picture.text() == str(picture)
    assert "Picture()" == repr(picture)


def test_the_committed_pictures_are_those_of_the_examples() -> None:
    """What `python -m tests.pictures.examples` writes is what is committed."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}

    assert files() == committed
