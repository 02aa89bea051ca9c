"""Partial builds: which members of an image keep their key and their bytes, and which are fitted again."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jomon.core.errors import BuildError, CorruptError
from jomon.core.segments import Segment
from jomon.core.table import Floats
from jomon.oci.digest import Digest
from jomon.project.fleet import Fleet
from jomon.project.opened import day_text
from jomon.stats.estimate import Estimate
from jomon.training.build import BuildRequest
from jomon.training.document import read_stage_evidence
from jomon.training.fast import FastParams
from jomon.training.judge import MemberEvidence, Verdict
from jomon.training.lineage import Lineage
from jomon.training.pins import PinnedFailure, PinnedMember, PinnedStage
from jomon.training.worker import SlowFit

if TYPE_CHECKING:
    from jomon.project.opened import OpenProject


def pin(project: OpenProject, request: BuildRequest, base: Digest, refresh: str) -> BuildRequest:
    """The request with everything pinned that `refresh` (`stage=...`, `member=...` or `stale`) does not name.

    Raises `BuildError` where the image cannot be built upon: other stages or features, a later end of its training, or
    margins that the build cache no longer has.
    """
    fleet = Fleet.load(project.home, base)
    runtime = fleet.runtime
    _require_same_shape(request, fleet)
    if request.end_day < runtime.end_day:
        raise BuildError(
            f"The image was trained until {day_text(runtime.end_day)} and this project file holds out everything from "
            f"{day_text(request.end_day)} on; build with --refresh all."
        )
    wanted = Wanted.parse(refresh, runtime.members)
    stages = runtime.members["stages"]
    fits = _cached_fits(project, stages, wanted)
    pins = {
        number: _pinned_stage(
            number, stage, wanted, fits, runtime.end_day, _opaque_margins(project, fleet, number)
        )
        for number, stage in enumerate(stages)
    }
    return replace(
        request,
        base_encoder=runtime.encoder,
        base_edges=tuple(int(day) for day in runtime.document["edges"]),
        pins=pins,
    )


class Wanted:
    """What a partial build fits again: whole stages, single segments, or whatever has changed."""

    def __init__(self, stages: frozenset[int], codes: Mapping[int, frozenset[int]], stale: bool) -> None:
        self.stages, self.codes, self.stale = stages, codes, stale

    @classmethod
    def parse(cls, text: str, members: Mapping[str, Any]) -> Wanted:
        """Read `stage=1`, `stage=carrier,origin`, `member=carrier=UA origin=EWR` or `stale`."""
        if text == "stale":
            return cls(frozenset(), {}, stale=True)
        what, equals, value = text.partition("=")
        names = [",".join(stage["level"]) for stage in members["stages"]]
        if what == "stage" and equals:
            if value.isdigit() and int(value) < len(names):
                return cls(frozenset({int(value)}), {}, stale=False)
            if value in names:
                return cls(frozenset({names.index(value)}), {}, stale=False)
            raise BuildError(
                f"There is no stage {value!r}; the stages are 0 to {len(names) - 1}: {'; '.join(names)}."
            )
        if what == "member" and value:
            segment = Segment.parse(value)
            for number, stage in enumerate(members["stages"]):
                if set(stage["level"]) == set(segment.axes):
                    ordered = Segment(tuple((axis, segment[axis]) for axis in stage["level"]))
                    _require_known(ordered, stage)
                    return cls(frozenset(), {number: frozenset({ordered.code})}, stale=False)
            raise BuildError(f"No stage has members like {value!r}; the levels are {'; '.join(names)}.")
        raise BuildError(
            f"--refresh {text!r} is not known; write all, stale, stage=N or member='carrier=UA origin=EWR'."
        )

    def refits(self, stage: int, code: int) -> bool:
        """Whether the member of a segment is to be fitted again whatever it is."""
        return stage in self.stages or code in self.codes.get(stage, frozenset())


def _require_known(segment: Segment, stage: Mapping[str, Any]) -> None:
    texts = [_segment(m).text for m in stage["members"]]
    if segment.text not in texts:
        near = difflib.get_close_matches(segment.text, texts, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else "it had too few rows, or none."
        raise BuildError(f"The image has no member {segment.text!r}: {hint}")


def _require_same_shape(request: BuildRequest, fleet: Fleet) -> None:
    old, new = fleet.runtime.spec, request.spec
    for what, one, other in (
        ("features", old.data.features, new.data.features),
        ("stages", [s.level for s in old.stages], [s.level for s in new.stages]),
        ("axes", old.axes, new.axes),
        ("relation", old.relation, new.relation),
        ("target", old.data.target, new.data.target),
    ):
        if one != other:
            raise BuildError(
                f"The {what} have changed since {fleet.digest.short} was built; build with --refresh all."
            )


def _segment(member: Mapping[str, Any]) -> Segment:
    return Segment(tuple((axis, value) for axis, value in member["segment"]))


def _cached_fits(project: OpenProject, stages: list[dict[str, Any]], wanted: Wanted) -> dict[str, SlowFit]:
    """The fits of all members that stay, by key; raises where one that answers is not in the cache."""
    needed: dict[str, bool] = {}
    for number, stage in enumerate(stages):
        for member in stage["members"]:
            if member.get("key") and not wanted.refits(number, _segment(member).code):
                needed[member["key"]] = needed.get(member["key"], False) or bool(member["serving"])
    found = project.home.cache.get_many([Digest.parse(key) for key in needed]).found
    fits: dict[str, SlowFit] = {}
    for key, serving in needed.items():
        item = found.get(Digest.parse(key))
        try:
            if item is not None:
                fits[key] = SlowFit.from_bytes(item.payload)
                continue
        except CorruptError:
            pass
        if serving and not wanted.stale:
            raise BuildError(
                f"The member {key[:19]} is no longer in the build cache, "
                "so what was fitted from its margins cannot stay; "
                "build with --refresh all."
            )
    return fits


Opaque = Callable[[SlowFit, Mapping[str, Any], Segment], Callable[[Floats], Floats] | None]
"""What answers for a fit that is no arrays, from the fit, its recipe and its segment; None where it is packed."""


def _opaque_margins(project: OpenProject, fleet: Fleet, number: int) -> Opaque:
    runtime = fleet.runtime
    spec = runtime.spec

    def margin(
        fit: SlowFit, recipe: Mapping[str, Any], segment: Segment
    ) -> Callable[[Floats], Floats] | None:
        if ":" not in spec.stages[number].estimator:
            return None

        def answer(X: Floats) -> Floats:
            from jomon.engine.opaque import SklearnMember, load
            from jomon.training.estimators.factory import output_of

            model = load(fit.member, project.home.trust.trusted(), f"The member {segment}")
            columns = tuple(runtime.encoder.names.index(name) for name in recipe["features"])
            output = output_of(spec.data.target.kind, root=spec.relation == "replace" or number == 0)
            return SklearnMember(model, output, columns=columns).margin(X)

        return answer

    return margin


def _pinned_stage(
    number: int,
    stage: Mapping[str, Any],
    wanted: Wanted,
    fits: Mapping[str, SlowFit],
    end_day: int,
    opaque: Opaque,
) -> PinnedStage:
    if number in wanted.stages:
        return PinnedStage(end_day=end_day, known=True)
    members: dict[int, PinnedMember] = {}
    failures: dict[int, PinnedFailure] = {}
    shrink: dict[int, float] = {}
    verdicts: dict[int, MemberEvidence] = {}
    for member in stage["members"]:
        segment = _segment(member)
        code = segment.code
        if wanted.refits(number, code):
            continue
        verdict: Verdict = "rejected" if member["verdict"] == "failed" else member["verdict"]
        verdicts[code] = MemberEvidence(verdict, Estimate.from_json(member["difference"]))
        if member["verdict"] == "failed" and member.get("key"):
            failures[code] = PinnedFailure(
                Digest.parse(member["key"]), _lineage(member), member.get("error", "")
            )
        elif member.get("key") in fits:
            recipe, fit = member.get("recipe") or stage["recipe"], fits[member["key"]]
            blocks = recipe["blocks"]
            members[code] = PinnedMember(
                key=Digest.parse(member["key"]),
                lineage=_lineage(member),
                recipe=recipe,
                fit=fit,
                first=int(blocks[0]),
                end_day=int(blocks[-1]),
                margin=opaque(fit, recipe, segment),
            )
            shrink[code] = float(member["shrink"])
    whole = number not in wanted.codes and not wanted.stale
    return PinnedStage(
        members=members,
        failures=failures,
        shrink={} if wanted.stale else shrink,
        verdicts={} if wanted.stale else verdicts,
        evidence=read_stage_evidence(stage["evidence"], ()) if whole else None,
        fast=FastParams.from_document(stage["fast"]) if stage["fast"] and not wanted.stale else None,
        fast_path=tuple(FastParams.from_document(p) if p else None for p in stage.get("fast_path", ())),
        end_day=end_day,
        only=None if wanted.stale else wanted.codes.get(number, frozenset()),
        whole=whole,
        known=True,
        refit_changed=wanted.stale,
    )


def _lineage(member: Mapping[str, Any]) -> Lineage:
    margins = member["lineage"]["margins"]
    return Lineage(Digest.parse(member["lineage"]["rows"]), Digest.parse(margins) if margins else None)
