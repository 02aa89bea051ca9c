"""Packs hold what was put in, are the same bytes every time, and cannot be made to lie about their bounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jomon.core.errors import BuildError, CorruptError, JomonError, StoreError
from jomon.engine.engine import Engine
from jomon.engine.linear import LinearArrays
from jomon.engine.member import MemberArrays, member_from_bytes, member_to_bytes
from jomon.engine.pack import Pack, PackEntry, write_pack
from jomon.engine.stages import StagePacks
from jomon.engine.trees import constant_trees

SEEDS = st.integers(0, 2**32 - 1)


def _entries(make, rng, width=3, most=6):
    codes = rng.choice(2**40, int(rng.integers(0, most + 1)), replace=False) - 2**39
    return [PackEntry(f"a={c} b=ü", int(c), f"sha256:{c:x}", make.member(rng, width)) for c in codes]


def _features(width):
    return tuple(f"x{j}" for j in range(width))


@given(seed=SEEDS)
def test_a_member_written_and_read_back_has_the_same_bytes_and_answers(make, seed):
    rng = np.random.default_rng(seed)
    member = make.member(rng, int(rng.integers(0, 5)))
    data = member_to_bytes(member)
    again = member_from_bytes(data)
    assert member_to_bytes(again) == data
    assert again.same(member)
    assert (again.kind, again.shrink, again.width) == (member.kind, member.shrink, member.width)
    x = make.rows(rng, 1, member.width)[0]
    np.testing.assert_equal(make.margin(again, x), make.margin(member, x))


@given(seed=SEEDS, order=st.randoms(use_true_random=False))
def test_a_pack_written_and_read_back_holds_the_same_members_in_any_order(make, seed, order):
    rng = np.random.default_rng(seed)
    entries = _entries(make, rng)
    data = write_pack(entries, _features(3))
    order.shuffle(entries)
    assert write_pack(entries, _features(3)) == data
    pack = Pack.open(data)
    entries.sort(key=lambda entry: entry.code)
    assert pack.codes.tolist() == [entry.code for entry in entries]
    assert pack.segments == tuple(entry.segment for entry in entries)
    assert pack.keys == tuple(entry.key for entry in entries)
    assert (pack.features, pack.nbytes, len(pack)) == (_features(3), len(data), len(entries))
    for i, entry in enumerate(entries):
        assert pack.entry(i).arrays.same(entry.arrays)
    assert write_pack([pack.entry(i) for i in range(len(pack))], pack.features) == data


@given(seed=SEEDS)
def test_the_safetensors_library_reads_a_pack(make, seed):
    rng = np.random.default_rng(seed)
    entries = _entries(make, rng)
    data = write_pack(entries, _features(3))
    arrays = safetensors.numpy.load(data)
    pack = Pack.open(data)
    for name, array in {**pack.members.arrays, "codes": pack.codes}.items():
        np.testing.assert_array_equal(arrays[name], array)


def test_the_header_of_a_pack_is_json_that_names_segments_keys_and_features(make):
    data = write_pack([PackEntry("(all)", 7, "k", MemberArrays(constant_trees(1.0, 2)))], ("a", "b"))
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["segments"]) == ["(all)"]
    assert json.loads(header["__metadata__"]["keys"]) == ["k"]
    assert json.loads(header["__metadata__"]["features"]) == ["a", "b"]
    assert header["__metadata__"]["version"] == "1"


def test_arrays_are_views_of_the_mapped_file_and_cannot_be_written(make, tmp_path):
    path = tmp_path / "pack"
    path.write_bytes(write_pack(_entries(make, np.random.default_rng(5)), _features(3)))
    pack = Pack.open(path)
    for array in pack.members.arrays.values():
        assert not array.size or not (array.flags.owndata or array.flags.writeable)
        assert array.ctypes.data % 8 == 0 or array.dtype == np.uint32


@pytest.mark.parametrize("shift", range(8))
def test_bytes_at_any_address_can_be_opened(make, shift):
    data = write_pack(_entries(make, np.random.default_rng(6)), _features(3))
    pack = Pack.open(memoryview(b" " * shift + data)[shift:])
    assert all(array.flags.aligned for array in pack.members.arrays.values())


def test_every_truncation_of_a_pack_is_refused(make):
    data = write_pack(_entries(make, np.random.default_rng(3)), _features(3))
    for length in range(0, len(data), 37):
        with pytest.raises(CorruptError):
            Pack.open(data[:length])
    with pytest.raises(CorruptError, match="longer"):
        Pack.open(data + b"\0" * 8)


def test_an_empty_or_missing_file_is_refused(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(CorruptError):
        Pack.open(tmp_path / "empty")
    with pytest.raises(StoreError, match="cannot be read"):
        Pack.open(tmp_path / "none")


def test_a_pack_of_a_newer_format_is_refused_with_what_to_do():
    data = write_pack([], ("a",)).replace(b'"version":"1"', b'"version":"2"')
    with pytest.raises(StoreError, match="use a newer jomon") as caught:
        Pack.open(data, "Layer 3")
    assert not isinstance(caught.value, CorruptError)
    assert str(caught.value).startswith("Layer 3")


def test_a_member_is_not_a_pack_and_a_pack_is_not_a_member():
    with pytest.raises(CorruptError, match="not a pack"):
        Pack.open(member_to_bytes(MemberArrays(constant_trees(0.0, 1))))
    with pytest.raises(CorruptError, match="not a member"):
        member_from_bytes(write_pack([], ()))


def test_two_members_of_one_code_or_of_another_width_are_refused():
    member = MemberArrays(constant_trees(0.0, 1))
    with pytest.raises(BuildError, match="share the code"):
        write_pack([PackEntry("a=1", 1, "", member), PackEntry("a=2", 1, "", member)], ("x",))
    with pytest.raises(BuildError, match="1 features and the pack has 2"):
        write_pack([PackEntry("a=1", 1, "", member)], ("x", "y"))


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(BuildError, match="not finite"):
        MemberArrays(constant_trees(np.nan, 1))
    with pytest.raises(BuildError, match="not finite"):
        MemberArrays(constant_trees(0.0, 1), shrink=np.inf)


def test_linear_arrays_of_different_lengths_are_refused():
    model = LinearArrays(0.0, np.zeros(2), np.zeros(1), np.full(2, -1), np.zeros(0))
    with pytest.raises(BuildError, match="different lengths"):
        MemberArrays(model)
    with pytest.raises(BuildError, match="coefficients"):
        MemberArrays(LinearArrays(0.0, np.zeros(1), np.zeros(1), np.array([3]), np.zeros(2)))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 20), data=st.data())
@example(seed=0, data=None)
def test_a_pack_with_bytes_changed_is_refused_or_scored_within_its_arrays(make, seed, data):
    """Changes aim at the arrays as often as at the header, and at numbers near the limits of their range."""
    rng = np.random.default_rng(seed)
    pack = bytearray(write_pack(_entries(make, rng, most=4), _features(3)))
    body = 8 + int.from_bytes(pack[:8], "little")
    for _ in range(0 if data is None else data.draw(st.integers(1, 4))):
        start = data.draw(st.sampled_from([0, body]))
        at = data.draw(st.integers(start, max(start, len(pack) - 8)))
        at = at // 4 * 4 if data.draw(st.booleans()) else at
        new = data.draw(
            st.one_of(
                st.binary(min_size=1, max_size=8),
                st.integers(-40, 40).map(lambda k: k.to_bytes(8, "little", signed=True)),
                st.integers(-40, 40).map(lambda k: k.to_bytes(4, "little", signed=True)),
            )
        )
        pack[at : at + len(new)] = new
    try:
        opened = Pack.open(bytes(pack))
        engine = Engine([StagePacks([opened])])
    except JomonError:
        return
    for n in (1, 60):
        X = make.rows(rng, n, len(opened.features))
        for code in opened.codes.tolist():
            engine.score(X, np.full((n, 1), code), np.ones((n, 1), bool))


@pytest.mark.parametrize(
    ("array", "change", "reason"),
    [
        ("nodes", lambda a: a.__setitem__((0, 1), 0), "back"),
        ("nodes", lambda a: a.__setitem__((0, 1), 10**6), "outside"),
        ("nodes", lambda a: a.__setitem__((0, 1), -(2**31)), "outside"),
        ("nodes", lambda a: a.__setitem__((0, 2), 10**6), "feature"),
        ("nodes", lambda a: a.__setitem__((0, 2), 2**31), "feature"),
        ("nodes", lambda a: a.__setitem__((0, 2), 77 << 32), "unknown kind"),
        ("nodes", lambda a: a.__setitem__((0, 2), 1 << 41), "impossible size"),
        ("nodes", lambda a: a.__setitem__(0, [10**9, a[0, 1], 4 << 32]), "lies outside"),
        ("nodes", lambda a: a.__setitem__(0, [-1, a[0, 1], 4 << 32]), "lies outside"),
        ("roots", lambda a: a.__setitem__(0, 10**9), "starts outside"),
        ("roots", lambda a: a.__setitem__(0, -(10**9)), "starts outside"),
        ("bounds", lambda a: a.__setitem__((1, 0), 10**9), "bounds"),
        ("bounds", lambda a: a.__setitem__((0, 0), -1), "bounds"),
        ("kinds", lambda a: a.__setitem__(0, 2), "unknown kind"),
        ("kinds", lambda a: a.__setitem__(0, 1), "another kind"),
        ("leaves", lambda a: a.__setitem__(0, np.nan), "not finite"),
        ("shrink", lambda a: a.__setitem__(0, np.inf), "not finite"),
    ],
)
def test_each_kind_of_inconsistency_is_found(make, array, change, reason):
    seeds = (np.random.default_rng(seed) for seed in range(50))
    model = next(m for m in (make.trees(rng, 3) for rng in seeds) if len(m.nodes) > 3 and m.roots[0] == 0)
    pack = write_pack([PackEntry("a=1", 1, "", MemberArrays(model))], _features(3))
    at = Pack.open(pack).members.arrays[array]
    offset = at.ctypes.data - np.frombuffer(pack, np.uint8).ctypes.data
    changed = at.copy()
    change(changed)
    pack = pack[:offset] + changed.tobytes() + pack[offset + at.nbytes :]
    with pytest.raises(CorruptError, match=reason):
        Pack.open(pack)
