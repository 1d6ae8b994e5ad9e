"""Settings: frozen and validated, with helpful errors; parsing of key=value texts."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from poise.algos.registry import ALGORITHMS, get_algorithm_class
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.settings import (
    OTHER_NAMES,
    Settings,
    parse_assignments,
    unknown_setting_error,
)
from poise.toolkit.trainer import TrainSettings


class Recipe(Settings):
    """Settings for these tests."""

    rate: float = Field(0.1, gt=0, le=1, description="how fast")
    steps: int = Field(100, ge=1, description="how long")
    hidden: tuple[int, ...] = Field((8, 8), description="how wide")
    name: str = Field("plain", pattern="^[a-z]+$", description="how called")
    goal: float | None = Field(None, description="how good")
    loud: bool = Field(False, description="how loud")


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ({}, "rate", 0.1),
        ({"rate": 1}, "rate", 1.0),
        ({"rate": "0.5"}, "rate", 0.5),
        ({"hidden": [1, 2, 3]}, "hidden", (1, 2, 3)),
        ({"goal": None}, "goal", None),
        ({"goal": 3}, "goal", 3.0),
        ({"loud": True}, "loud", True),
        ({"steps": 5.0}, "steps", 5),
    ],
)
def test_valid_value_is_converted_to_its_type(values, name, expected):
    value = getattr(Recipe.parse(values), name)
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rat": 0.1}, r"unknown setting 'rat': did you mean 'rate'\?"),
        ({"zzzzz": 0.1}, "choose from goal, hidden, loud, name, rate, steps"),
        ({"rate": 0}, "setting rate=0: .*greater than 0"),
        ({"rate": 2}, "setting rate=2: .*less than or equal to 1"),
        ({"rate": "fast"}, "setting rate='fast': .*number"),
        ({"rate": math.nan}, "setting rate=nan: .*finite"),
        ({"rate": None}, "setting rate=None"),
        ({"steps": 1.5}, "setting steps=1.5: .*integer"),
        ({"steps": 0}, "setting steps=0"),
        ({"hidden": 8}, "setting hidden=8"),
        ({"hidden": [8, "x"]}, "setting hidden.1='x'"),
        ({"name": "A B"}, "setting name='A B'"),
        ({"loud": "maybe"}, "setting loud='maybe'"),
        ({"goal": math.inf}, "setting goal=inf"),
    ],
)
def test_invalid_value_is_user_error_that_names_the_setting(values, message):
    with pytest.raises(UserError, match=message) as refused:
        Recipe.parse(values)
    assert "\n" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None, (
        "no second traceback behind it"
    )


def test_error_names_the_kind_of_setting():
    with pytest.raises(UserError, match="environment setting rate=0"):
        Recipe.parse({"rate": 0}, kind="environment setting")


def test_settings_are_frozen_and_hashable():
    settings = Recipe()
    with pytest.raises(ValidationError, match="frozen"):
        settings.rate = 0.5
    assert hash(settings) == hash(Recipe())


@given(
    rate=st.floats(1e-6, 1),
    steps=st.integers(1),
    hidden=st.lists(st.integers()),
    goal=st.none() | st.floats(-9, 9),
)
def test_plain_values_round_trip(rate, steps, hidden, goal):
    settings = Recipe.parse({"rate": rate, "steps": steps, "hidden": hidden, "goal": goal})
    assert Recipe.parse(settings.to_dict()) == settings
    assert all(
        isinstance(value, int | float | str | bool | list | None)
        for value in settings.to_dict().values()
    )


def test_description_holds_name_type_default_and_meaning():
    rows = {name: (kind, default, meaning) for name, kind, default, meaning in Recipe.describe()}
    assert list(rows) == ["rate", "steps", "hidden", "name", "goal", "loud"]
    assert rows["rate"][0].startswith("float") and rows["rate"][1:] == ("0.1", "how fast")
    assert "0" in rows["rate"][0] and "1" in rows["rate"][0], "the bounds are listed"
    assert rows["goal"][0] == "float | None"


# key=value texts.


@pytest.mark.parametrize(
    ("word", "key", "expected"),
    [
        ("a=3", "a", 3),
        ("a=0.5", "a", 0.5),
        ("a=1e-3", "a", 0.001),
        ("a=3E5", "a", 3e5),
        ("a=true", "a", True),
        ("a=null", "a", None),
        ("a=", "a", None),
        ("a=[64, 64]", "a", [64, 64]),
        ("a=posture", "a", "posture"),
        (" a =3", "a", 3),
        ("a=b=c", "a", "b=c"),
        ("a='3'", "a", 3.0),
    ],
)
def test_assignment_value_is_parsed_as_yaml_and_numbers(word, key, expected):
    value = parse_assignments([word], "--set")[key]
    assert value == expected and (expected is None) == (value is None)


@pytest.mark.parametrize(
    "word", ["a", "=3", "", " =3", "a=[1,", "a={", "a=*x", "a=!!python/object:os.system x", 'a="']
)
def test_invalid_assignment_is_user_error_that_names_the_option(word):
    with pytest.raises(UserError, match="--set") as refused:
        parse_assignments([word], "--set")
    assert "\n" not in str(refused.value) and repr(word) in str(refused.value)


@given(texts=st.lists(st.text(max_size=20), max_size=3))
def test_any_text_is_parsed_or_refused_in_one_line(texts):
    try:
        values = parse_assignments(texts, "--env-set")
    except UserError as refused:
        assert "\n" not in str(refused)
    else:
        assert all(isinstance(key, str) and key for key in values)


def test_last_assignment_of_a_key_counts():
    assert parse_assignments(["a=1", "b=2", "a=3"], "--set") == {"a": 3, "b": 2}


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_repr_of_any_float_is_parsed_exactly(number):
    assert parse_assignments([f"x={number!r}"], "--set")["x"] == number


# Unknown names.


def test_unknown_name_error_suggests_nearest_or_lists_all():
    assert (
        str(unknown_name_error("environment", "cartpol", ["cartpole", "standing"]))
        == "unknown environment 'cartpol': did you mean 'cartpole'?"
    )
    assert (
        str(unknown_name_error("environment", "x", ["b", "a"]))
        == "unknown environment 'x': choose from a, b"
    )
    assert (
        str(unknown_name_error("environment", "x", [])) == "unknown environment 'x': there are none"
    )


@given(name=st.text(max_size=10), choices=st.lists(st.text("abc", min_size=1, max_size=5)))
def test_unknown_name_error_for_any_name_is_one_line(name, choices):
    error = unknown_name_error("thing", name, choices)
    assert isinstance(error, UserError) and isinstance(error, ValueError)
    assert "\n" not in str(error)


# Names of other libraries.


def settings_of(algorithm):
    """Return the names that `--set` takes for an algorithm."""
    learner_settings = get_algorithm_class(algorithm).SETTINGS
    return {*learner_settings.model_fields, *TrainSettings.model_fields}


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_name_of_another_library_is_answered_with_an_existing_setting(name):
    existing = set().union(*(settings_of(algorithm) for algorithm in ALGORITHMS))
    assert name not in existing, "the table would never be asked"
    assert OTHER_NAMES[name] and set(OTHER_NAMES[name]) <= existing
    (first, *_) = OTHER_NAMES[name]
    error = unknown_setting_error("setting", name, existing)
    assert str(error) == f"unknown setting {name!r}: Poise calls it {first}"


@pytest.mark.parametrize(
    ("algorithm", "name", "answer"),
    [
        ("sac", "lr", "learning_rate"),
        ("sac", "n_envs", "num_envs"),
        ("sac", "total_timesteps", "steps"),
        ("ppo", "total_steps", "steps"),
        ("ppo", "n_steps", "rollout_steps"),
        ("sac", "n_steps", "steps"),
        ("td3", "net_arch", "hidden_sizes"),
        ("ppo", "ent_coef", "entropy_coef"),
        ("sac", "ent_coef", "init_alpha"),
        ("ppo", "vf_coef", "value_coef"),
        ("ppo", "n_epochs", "epochs"),
        ("sac", "train_freq", "updates_per_step"),
        ("td3", "gradient_steps", "updates_per_step"),
        ("ppo", "clip_coef", "clip_range"),
        ("td3", "Policy-Freq", "policy_delay"),
        ("sac", "polyak", "tau"),
    ],
)
def test_answer_fits_the_algorithm(algorithm, name, answer):
    error = unknown_setting_error("setting", name, settings_of(algorithm))
    assert str(error) == f"unknown setting {name!r}: Poise calls it {answer}"


def test_name_whose_setting_the_algorithm_lacks_gets_the_ordinary_error():
    assert "Poise calls it" not in str(unknown_setting_error("setting", "clip_coef", ["tau"]))
    with pytest.raises(UserError, match="unknown training setting 'n_envs': Poise calls it num"):
        TrainSettings.parse({"n_envs": 3}, kind="training setting")


def test_wrong_word_for_a_choice_is_answered_with_the_choices():
    settings = get_algorithm_class("sac").SETTINGS
    with pytest.raises(UserError, match=r"'purple': choose from white, pink$"):
        settings.parse({"noise_color": "purple"}, "sac setting")
