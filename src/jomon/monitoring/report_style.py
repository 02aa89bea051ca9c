"""The look of a report of a check: colours by what they stand for, and rules beside those that all reports share."""

from __future__ import annotations

from jomon.core import html_style
from jomon.core.html_style import renamed, sheet

_NAMES = {"blue": "accent", "vermilion": "alarm", "green": "teal", "purple": "mark"}
# From pale blue to orange: readers who do not see red and green apart see these; grey is kept for what is unknown.
_STEPS_LIGHT = {
    "step-0": "#e6eff7", "step-1": "#b3cfe8", "step-2": "#f3ab61", "step-3": "#a84300",
    "on-0": "#33495c", "on-1": "#12283b", "on-2": "#2b1500", "on-3": "#ffffff",
    "hatch": "#dde1e5", "hatch-2": "#d0d5da", "expected": "#aeb8c2",
}  # fmt: skip
_STEPS_DARK = {
    "step-0": "#1d2c3a", "step-1": "#2f5273", "step-2": "#a85c18", "step-3": "#ffb071",
    "on-0": "#a9bccd", "on-1": "#dcebf8", "on-2": "#ffffff", "on-3": "#2b1500",
    "hatch": "#2a3138", "hatch-2": "#3a434c", "expected": "#66727e",
}  # fmt: skip
LIGHT = {**renamed(html_style.LIGHT, _NAMES), **_STEPS_LIGHT}
DARK = {**renamed(html_style.DARK, _NAMES), **_STEPS_DARK}
_RULES = """
.plainly.findings{border-color:var(--alarm)} .plainly.unknown{border-color:var(--even);border-left-style:dashed}
.plainly ol{margin:.5rem 0 .3rem;padding-left:1.3rem} .plainly li{margin:.25rem 0}
.plainly .soft{color:var(--soft);font-size:.95rem}
.word{display:inline-block;font-size:.78rem;font-weight:650;border-radius:3px;padding:.1rem .5rem;margin-right:.5rem;
 border:1.5px solid var(--even);color:var(--ink);white-space:nowrap}
.word.high{background:var(--step-3);border-color:var(--step-3);color:var(--on-3)}
.word.medium{background:var(--step-2);border-color:var(--step-2);color:var(--on-2)}
.word.quiet{border-color:var(--accent)} .word.unknown{border-style:dashed;color:var(--soft)}
.notes{padding-left:1.2rem;max-width:46rem} .notes li{margin:.25rem 0}
.incident{border:1px solid var(--line);border-left:5px solid var(--even);border-radius:6px;padding:1rem 1.2rem 1.1rem;
 margin:1.1rem 0}
.incident.high{border-left-color:var(--step-3)} .incident.medium{border-left-color:var(--step-2)}
.incident h3{font-size:1.15rem;margin:.5rem 0 .15rem;overflow-wrap:anywhere}
.incident .why{font-size:1rem;margin:.1rem 0 .8rem;overflow-wrap:anywhere}
.incident .name{color:var(--soft);font-size:.9rem}
.five{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.1rem,1fr));gap:.7rem 1.2rem;margin:.3rem 0 1rem}
.five div{min-width:0} .five dt{color:var(--soft);font-size:.8rem} .five dd{margin:0;overflow-wrap:anywhere}
.five small{overflow-wrap:anywhere} .five.small{font-size:.88rem;margin:.4rem 0 .6rem}
.about{font-size:.85rem;color:var(--soft);margin:.2rem 0 .3rem} .incident details{margin:.3rem 0 0}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:.4rem 2rem}
.plots figure{margin:.4rem 0 .6rem;min-width:0} .plots figcaption{margin:0 0 .4rem}
.plots figcaption strong{color:var(--ink);overflow-wrap:anywhere}
.bars{table-layout:fixed;font-size:.82rem} .bars th,.bars td{padding:.12rem .35rem;border:0;vertical-align:middle}
.bars thead th{font-weight:500;color:var(--soft);font-size:.78rem;padding-bottom:.25rem}
.bars tbody th{font-weight:400;white-space:normal;overflow-wrap:anywhere;line-height:1.2;min-width:0;position:static;
 background:none}
.bars .l{width:31%} .bars .n{width:13.5%} .bars abbr{text-decoration:none}
.bars tr.far td,.bars tr.far th{font-weight:650}
svg.bar{display:block;width:100%;height:19px} svg.cols{display:block;width:100%;height:150px}
svg.recent{display:block;width:100%;height:46px}
svg.dots{display:block;width:100%;overflow:visible}
svg text{font-size:11px;fill:var(--soft)} svg .strong{fill:var(--ink);font-weight:600}
.o{fill:var(--accent)} .e{fill:var(--expected)} .more{fill:var(--alarm)} .less{fill:var(--accent)}
.axis{stroke:var(--line);stroke-width:1} .limit{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:4 3}
.dot{fill:var(--even);fill-opacity:.55} .here{fill:var(--accent)} .here.found{fill:var(--alarm)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1rem;font-size:.82rem;color:var(--soft);margin:.2rem 0 .5rem;padding:0;
 list-style:none}
.legend i{display:inline-block;width:.85rem;height:.85rem;border-radius:2px;margin-right:.4rem;vertical-align:-.1rem}
i.o{background:var(--accent)} i.e{background:var(--expected)}
i.s0,.s0{background:var(--step-0);color:var(--on-0)} i.s1,.s1{background:var(--step-1);color:var(--on-1)}
i.s2,.s2{background:var(--step-2);color:var(--on-2)} i.s3,.s3{background:var(--step-3);color:var(--on-3)}
i.u,.u{background:repeating-linear-gradient(45deg,var(--hatch) 0 3px,var(--hatch-2) 3px 6px);color:var(--soft)}
i.named{outline:2.5px solid var(--ink);outline-offset:-1px;background:var(--paper)}
.blocks{display:flex;flex-wrap:wrap;gap:1rem 1.6rem;align-items:flex-start}
.map{width:auto;border-collapse:separate;border-spacing:2px;font-size:.75rem}
.map th{padding:0 .5rem 0 0;border:0;font-weight:400;line-height:1.1;white-space:nowrap;vertical-align:middle;
 min-width:0;position:sticky;left:0;background:var(--paper)}
.map thead th{font-size:.72rem;vertical-align:bottom;text-align:center;padding:0 0 .2rem;font-weight:500;
 position:static;white-space:nowrap} .map thead th.tall{writing-mode:vertical-rl;transform:rotate(180deg);
 text-align:left}
.map td{width:2.15rem;min-width:2.15rem;height:1.35rem;padding:0;border:0;border-radius:3px;text-align:center;
 vertical-align:middle;line-height:1.35rem}
.map td.x{background:none} td.named,.tile.named{outline:2.5px solid var(--ink);outline-offset:-1px;font-weight:700}
.tiles{display:flex;flex-wrap:wrap;gap:4px;margin:.3rem 0 .6rem;padding:0;list-style:none}
.tile{border-radius:3px;padding:.12rem .45rem;font-size:.78rem;white-space:nowrap;max-width:100%;overflow:hidden;
 text-overflow:ellipsis} .tile b{font-weight:600;margin-left:.35rem;font-variant-numeric:tabular-nums}
.counts{display:flex;height:.8rem;min-width:9rem;border-radius:2px;overflow:hidden;margin:.35rem 0 .2rem}
.counts i{display:block;height:100%} .counts .q{background:var(--step-1)} .counts .f{background:var(--alarm)}
td.wide{white-space:normal;min-width:12rem;text-align:left} td.text small{white-space:normal}
tbody th.seg{white-space:normal;overflow-wrap:anywhere;min-width:8rem}
.facts2{display:grid;grid-template-columns:minmax(9rem,16rem) 1fr;gap:.3rem 1.2rem;font-size:.9rem;margin:.6rem 0}
.facts2 dt{color:var(--soft)} .facts2 dd{margin:0;overflow-wrap:anywhere}
.log{list-style:none;margin:.3rem 0;padding:0;font-size:.88rem} .log li{margin:.15rem 0}
.log time{color:var(--soft);margin-right:.6rem;font-variant-numeric:tabular-nums}
@media (max-width:600px){.incident{padding:.8rem .8rem .9rem} .bars .l{width:29%} .bars .n{width:15%}
 .plainly{padding:.8rem .9rem} .facts2{grid-template-columns:1fr;gap:0 0} .facts2 dd{margin-bottom:.5rem}
 .map tbody th{min-width:0;white-space:nowrap}}
@media print{.incident,.plots figure{break-inside:avoid} *{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
SHEET = sheet(LIGHT, DARK, accent="accent", more=_RULES)
