"""What is counted where there is more than text: numbers, tools, pictures, echoes, many answers."""

import json

import pytest

from oracles.meter.counting import Passed, asked, estimate, said


def words(text):
    """A tokenizer that is easy to follow: a token is a word."""
    return len(text.split())


def tokens(body, answer, usage=None, count=words):
    passed = Passed(asked(body))
    passed.said += [said(piece) for piece in answer]
    passed.usage = usage
    return passed.tokens(count)


def usage(tokens_in, tokens_out):
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}


def chat(*texts, **more):
    return {"messages": [{"role": "user", "content": text} for text in texts], **more}


def answer(text):
    return {"choices": [{"message": {"content": text}}]}


@pytest.mark.parametrize("count", [words, None])
@pytest.mark.parametrize(
    "prompt", [list(range(1_000)), [list(range(500)), list(range(500))], [*range(999), 7]]
)
def test_prompt__given_as_numbers__is_as_many_tokens_whatever_the_server_says(prompt, count):
    """Else who sends numbers would read for nothing."""
    for word in (usage(1_000, 1), usage(0, 1), None):
        assert tokens({"prompt": prompt}, [answer("hello")], word, count)[0] == 1_000
    assert tokens({"input": prompt}, [], {"prompt_tokens": 1_000}, count)[0] == 1_000
    assert tokens({"prompt": [True, 1.5, "a b"]}, [], None, count)[0] <= 2


@pytest.mark.parametrize("count", [words, None])
def test_tools__called_in_pieces_of_a_stream__are_what_the_model_wrote_of_them(count):
    """The frame around each piece is many times as long as the piece."""
    arguments = [' {"city":', ' "Oslo",', ' "days":', " 3 }"] * 50
    first = {"index": 0, "id": "call_0001", "type": "function"}
    pieces = [{**first, "function": {"name": "weather", "arguments": ""}}]
    pieces += [{"index": 0, "function": {"arguments": text}} for text in arguments]
    stream = [{"choices": [{"delta": {"tool_calls": [piece]}}]} for piece in pieces]
    count_of = count or estimate
    own = count_of("weather" + "".join(arguments))
    # A server with a tokenizer of its own is a little off, and is believed.
    assert tokens(chat("a b c"), stream, usage(3, own + 20), count)[1:] == (own + 20, "usage")
    assert tokens(chat("a b c"), stream, None, count)[1] == own
    old = [{"choices": [{"delta": {"function_call": {"name": "f", "arguments": "x " * 99}}}]}]
    assert tokens(chat("a"), old, None, count)[1] == count_of("f" + "x " * 99)


@pytest.mark.parametrize("count", [words, None])
def test_request__whose_text_is_elsewhere__is_believed_up_to_all_of_it(count):
    """Tool results, schemas, pictures: templates use them, and no count of texts has them."""
    schema = {"schema": {"title": "word " * 500}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A b" * 4_000}}
    called = {"tool_calls": [{"function": {"name": "f", "arguments": "word " * 500}}]}
    bodies = (
        chat("hi", response_format=schema),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, picture]}]},
        {"messages": [{"role": "assistant", **called}]},
    )
    for body in bodies:
        assert tokens(body, [answer("yes")], usage(500, 1), count)[::2] == (500, "usage")
        most = len(json.dumps(body)) + 10_000
        assert tokens(body, [answer("yes")], usage(most, 1), count)[2] == "counted"


@pytest.mark.parametrize("count", [words, None])
def test_prompt__that_the_answer_repeats__is_paid_once(count):
    prompt = "a prompt of many words " * 400
    for pieces in ([answer(prompt + "and an end")], [answer(prompt), answer("and an end")]):
        found = tokens({"prompt": prompt, "echo": True}, pieces, usage(2_000, 3), count)
        assert found[1:] == (3, "usage")
        counted = tokens({"prompt": prompt, "echo": True}, pieces, None, count)
        assert counted[1] == (count or estimate)("and an end")
    assert tokens({"prompt": "", "echo": True}, [answer("a b")], None, count)[1] >= 1


@pytest.mark.parametrize("count", [words, None])
def test_several_answers__to_one_request__are_all_paid(count):
    texts = [f"answer number {n} " for n in range(8)]
    choices = [{"index": n, "message": {"content": text}} for n, text in enumerate(texts)]
    found = tokens(chat("a", n=8), [{"choices": choices}], usage(1, 24), count)
    assert found[1:] == (24, "usage")
    # Answers that were thrown away before any left (`best_of`) are the server's own affair.
    thrown = tokens(chat("a", best_of=64), [{"choices": choices}], usage(1, 10_000), count)
    assert thrown[1:] == ((count or estimate)("".join(texts)), "counted")


@pytest.mark.parametrize(
    "rubbish", [None, 7, "x", [7], [None], [{}], {"function": 3}, [{"function": []}]]
)
def test_rubbish__in_the_place_of_tools__is_no_text(rubbish):
    for place in ("tool_calls", "function_call"):
        assert said({"choices": [{"delta": {place: rubbish}}]}) == ""
        assert asked({"messages": [{"role": "user", "content": "a", place: rubbish}]}).text == "a"


@pytest.mark.parametrize("count", [words, None])
def test_nothing__that_a_server_says_of_some_text__is_not_believed(count):
    """Servers that forget to count say 0; short answers would be free."""
    for word in (usage(0, 0), usage(1, 0), usage(0, 1)):
        found = tokens(chat("a question"), [answer("an answer")], word, count)
        assert min(found[:2]) > 0
        assert found[2] == "counted"
    assert tokens(chat("a question"), [answer("")], usage(2, 0), count) == (2, 0, "usage")


@pytest.mark.parametrize("count", [words, None])
def test_usage__with_more_in_it__is_its_two_numbers(count):
    """Others took cached tokens twice, thoughts alone, or a cost of 0 for the truth."""
    more = {
        "total_tokens": 0,
        "cost": 0,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 1},
        "cache_read_input_tokens": 3,
    }
    assert tokens(chat("a b c"), [answer("d e")], usage(5, 2) | more, count) == (5, 2, "usage")
