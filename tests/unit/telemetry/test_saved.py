"""Values on disk: what is saved is read back as it was, and everything else is refused in one clear line."""

import json
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d4py_adaptive.errors import InputError
from d4py_adaptive.telemetry import saved
from d4py_adaptive.telemetry.diagnosis import Diagnosis
from d4py_adaptive.telemetry.profile import HostProfile, InstanceProfile, PEProfile, Profile, ServiceTime, Split
from d4py_adaptive.telemetry.saved import Saved, read_saved, read_saved_file

KINDS = (Profile, Diagnosis, HostProfile)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that a field of this type may have."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        meta = arguments[1]
        least, most = meta.ge, meta.le
        if arguments[0] is int:
            return st.integers(least, 2**63 - 1)
        return st.floats(least, most, allow_nan=False, allow_infinity=False)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=2)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if isinstance(kind, type) and issubclass(kind, Saved):
        fields = typing.get_type_hints(kind, include_extras=True)
        return st.builds(
            kind,
            **{
                name: st.just(1) if name == "schema_version" else values_of(fields[name])
                for name in kind.__struct_fields__
            },
        )
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        int: st.integers(-(2**63), 2**63 - 1),
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        type(None): st.none(),
    }
    return simple[kind]


def refusal(text: str | bytes, kind: type[Saved] = Profile) -> str:
    with pytest.raises(InputError) as caught:
        read_saved(kind, text, "there.json")
    message = str(caught.value)
    assert message.startswith("there.json ")
    assert message.isprintable()
    return message.removeprefix("there.json ")


def changed(**fields: Any) -> str:
    return json.dumps({"schema_version": 1, "workflow": "flow.py", **fields})


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_what_is_saved_is_read_back(kind: type[Saved], data: Any) -> None:
    value = data.draw(values_of(kind))
    assert read_saved(kind, value.to_json(), "there.json") == value
    assert read_saved(kind, value.to_json().encode(), "there.json") == value


def test_a_file_is_read_back(tmp_path: Path) -> None:
    profile = Profile(workflow="flow.py", pes=(PEProfile(pe="Größe1", service=ServiceTime(buckets={7: 3})),))
    path = tmp_path / "profile.json"
    path.write_text(profile.to_json())
    assert read_saved_file(Profile, path) == profile
    assert path.read_text().startswith('{\n "schema_version": 1,\n')
    assert path.read_text().endswith("\n}\n")


def test_fields_that_are_left_out_have_their_defaults() -> None:
    assert read_saved(Profile, '{"schema_version": 1, "workflow": "flow.py"}', "x") == Profile(workflow="flow.py")


def test_values_do_not_change() -> None:
    for value in (Split(), Profile(workflow="flow.py")):
        with pytest.raises(AttributeError):
            value.compute_s = 1.0  # type: ignore[union-attr,misc]


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5, [1], "two\nlines"])
def test_another_version_is_refused_before_anything_else(version: Any) -> None:
    text = json.dumps({"schema_version": version, "unheard_of": 1})
    assert refusal(text) == (f"is of schema version {version!r}; version 1 is needed: make it again with this d4py")


def test_no_version_is_another_version() -> None:
    for kind in KINDS:
        assert refusal("{}", kind).startswith("is of schema version None; version 1 is needed")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (changed(wall=1), "Object contains unknown field `wall`"),
        (changed(**{"a\nb": 1}), "Object contains unknown field `a b`"),
        (changed(pes=[{"pe": "a", "split": {"lost_s": 1}}]), "unknown field `lost_s` - at `$.pes[0].split`"),
        ('{"schema_version": 1}', "Object missing required field `workflow`"),
        (changed(pes=[{}]), "missing required field `pe` - at `$.pes[0]`"),
        (changed(workflow=5), "Expected `str`, got `int` - at `$.workflow`"),
        (changed(wall_s="1"), "Expected `float`, got `str` - at `$.wall_s`"),
        (changed(partial=0), "Expected `bool`, got `int` - at `$.partial`"),
        (changed(cores=1.5), "Expected `int`, got `float` - at `$.cores`"),
        (changed(cores=True), "Expected `int`, got `bool` - at `$.cores`"),
        (changed(pes={}), "Expected `array`, got `object` - at `$.pes`"),
        (changed(level="some"), "Invalid enum value 'some' - at `$.level`"),
        (changed(runs=-1), "Expected `int` >= 0 - at `$.runs`"),
        (changed(wall_s=-0.5), "Expected `float` >= 0.0 - at `$.wall_s`"),
        (changed(wall_s=None), "Expected `float`, got `null` - at `$.wall_s`"),
        (changed(wall_s=float("nan")), "JSON is malformed"),
        (changed(wall_s=float("inf")), "JSON is malformed"),
        (changed(wall_s=1).replace("1}", "1e999}"), "Number out of range"),
        (changed(pes=[{"pe": "a", "service": {"buckets": {"x": 1}}}]), "Expected `int`, got `str` - at `key` in"),
        ('{"schema_version": true, "workflow": "flow.py"}', "Expected `int`, got `bool` - at `$.schema_version`"),
        ("", "Input data was truncated"),
        ("[]", "Expected `object`, got `array`"),
        ("null", "Expected `object`, got `null`"),
        ("no JSON", "JSON is malformed"),
        (changed() + "{}", "trailing characters"),
        (changed()[:-1], "truncated"),
        (b"\xff\xfe\x00", "JSON is malformed"),
        (b'{"schema_version": 1, "workflow": "\xff"}', "can't decode byte 0xff"),
        ('{"schema_version": 1, "workflow": "\ud800"}', "surrogates not allowed"),
        ('{"schema_version": 1, "workflow": ' + "[" * 10**6, "recursion"),
    ],
)  # fmt: skip
def test_what_is_no_profile_is_refused_in_one_line(text: str | bytes, reason: str) -> None:
    message = refusal(text)
    assert message.startswith("holds no profile that can be read: ")
    assert reason in message


def test_each_kind_is_called_by_its_name() -> None:
    assert refusal("", Diagnosis).startswith("holds no diagnosis that")
    assert refusal("", HostProfile).startswith("holds no host profile that")


def test_a_share_is_no_more_than_one() -> None:
    assert "<= 1.0" in refusal(changed(streams=[{"id": "", "source": "", "output": "", "heavy_keys": [
        {"key": "a", "share": 1.1}]}]))  # fmt: skip


def test_what_is_not_finite_is_not_read_back_as_a_number() -> None:
    for value in (float("nan"), float("inf")):
        assert "got `null`" in refusal(Profile(workflow="flow.py", wall_s=value).to_json())


def test_a_huge_text_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "_MOST_BYTES", 2 * 2**20)
    assert refusal(" " * (2 * 2**20 + 1)) == "is larger than 2 MiB, which no profile is"
    read_saved(Profile, changed().ljust(2 * 2**20), "there.json")


def test_no_more_of_a_huge_file_is_read_than_shows_that_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^/dev/zero is larger than 64 MiB, which no profile is$"):
        read_saved_file(Profile, Path("/dev/zero"))


def test_a_file_that_cannot_be_read_is_refused_with_the_system_s_reason(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none.json", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError) as caught:
            read_saved_file(Profile, path)
        assert str(caught.value) == f"{path} cannot be read: {reason}"


@settings(max_examples=300)
@given(st.binary(max_size=40))
def test_no_bytes_whatever_get_through_or_raise_anything_else(noise: bytes) -> None:
    refusal(noise)


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(values_of(InstanceProfile), st.data())
def test_a_damaged_profile_is_refused_or_is_a_profile(instance: InstanceProfile, data: Any) -> None:
    text = bytearray(Profile(workflow="flow.py", instances=(instance,)).to_json().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_saved(Profile, bytes(text), "there.json")
    except InputError:
        return
    assert read_saved(Profile, found.to_json(), "again") == found


def test_every_saved_kind_names_its_version() -> None:
    for kind in KINDS:
        assert msgspec.structs.fields(kind)[0].default == kind.SCHEMA_VERSION
        assert msgspec.structs.fields(kind)[0].name == "schema_version"
