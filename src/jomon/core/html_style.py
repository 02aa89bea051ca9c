"""The look of the HTML reports: colours that colour-blind readers tell apart, in light and dark, and a style sheet."""

from __future__ import annotations

from collections.abc import Mapping

# Okabe & Ito (2008) on white; the dark set keeps the hues and lifts the lightness.
LIGHT = {
    "paper": "#ffffff",
    "panel": "#f5f7f9",
    "ink": "#1b232b",
    "soft": "#55626f",
    "line": "#d5dbe1",
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "green": "#008a65",
    "purple": "#a8518a",
    "good": "#006a9e",
    "bad": "#b34a00",
    "even": "#8a949e",
}
DARK = {
    "paper": "#12171c",
    "panel": "#1b2229",
    "ink": "#e8edf2",
    "soft": "#a3b0bc",
    "line": "#36414b",
    "blue": "#56b4e9",
    "vermilion": "#f28a3c",
    "green": "#2fc79b",
    "purple": "#dd9cc4",
    "good": "#6cc0ef",
    "bad": "#f79a55",
    "even": "#7d8994",
}


def renamed(colours: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """The colours, those in `names` by what they stand for on a page.

    >>> renamed({"ink": "#000000", "blue": "#0072b2"}, {"blue": "fleet"})
    {'ink': '#000000', 'fleet': '#0072b2'}
    """
    return {names.get(name, name): value for name, value in colours.items()}


def variable(name: str) -> str:
    """The CSS variable of a colour's name: `global_kept` is `var(--global-kept)`."""
    return f"var(--{name.replace('_', '-')})"


def sheet(light: Mapping[str, str], dark: Mapping[str, str], accent: str, more: str = "") -> str:
    """A page's style sheet: its colours as variables, the rules that all pages share, and `more` of its own.

    `accent` names the colour of links, focus and the headline's edge.
    """
    colours = (
        f":root{{color-scheme:light dark;{_variables(light)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{_variables(dark)}}}}}"
    )
    return colours + _RULES.replace("@accent", variable(accent)) + more


def _variables(colours: Mapping[str, str]) -> str:
    return "".join(f"--{name.replace('_', '-')}:{value};" for name, value in colours.items())


_RULES = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
 font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
h1{font-size:1.75rem;line-height:1.2;margin:.15rem 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.75rem 0 .5rem;padding-top:1.1rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p{margin:.4rem 0 .8rem;max-width:46rem}
.eyebrow{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);margin:0}
.question{font-size:1.1rem;color:var(--soft);margin:0 0 .9rem}
.facts{display:flex;flex-wrap:wrap;gap:.3rem 1.6rem;margin:0;padding:0;font-size:.9rem}
.facts div{display:flex;gap:.4rem;min-width:0}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
.plainly{background:var(--panel);border-left:4px solid @accent;border-radius:4px;
 padding:1rem 1.25rem;margin:1.6rem 0}
.plainly h2{border:0;margin:0 0 .5rem;padding:0;font-size:1rem;color:var(--soft);font-weight:600}
.plainly p:first-of-type{font-size:1.15rem;line-height:1.45;font-weight:600}
.plainly p{margin:.35rem 0}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.8rem;margin:1.2rem 0}
.card{border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem}
.card h3{margin:0;font-size:.85rem;font-weight:500;color:var(--soft)}
.card .big{font-size:1.45rem;font-weight:650;font-variant-numeric:tabular-nums;margin:.15rem 0 0}
.card p{font-size:.85rem;margin:.1rem 0 0;color:var(--soft)}
.whole{white-space:nowrap}
.scroll{overflow-x:auto;margin:.6rem 0 1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:.85rem;padding:0 0 .45rem;caption-side:top}
th,td{padding:.4rem .7rem;border-bottom:1px solid
var(--line);vertical-align:top;text-align:right;white-space:nowrap}
th:first-child,td:first-child{padding-left:0} td.text,th.text{text-align:left} tbody
th{font-weight:500;text-align:left} thead th{white-space:normal;border-bottom:1.5px solid
var(--soft);font-weight:600;vertical-align:bottom} tr.own th,tr.own
td{background:var(--panel);font-weight:600} tr.own th{padding-left:.7rem}
small{display:block;color:var(--soft);font-size:.8rem;font-weight:400}
small.wrap{white-space:normal;min-width:11rem;max-width:16rem}
small.better,small.worse{font-weight:600}
.better,small.better{color:var(--good);font-weight:600} .worse,small.worse{color:var(--bad);font-weight:600}
.key{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin-right:.5rem;vertical-align:baseline}
figure{margin:1rem 0 1.4rem} figure svg{display:block;width:100%;height:auto;max-width:100%}
figcaption{font-size:.85rem;color:var(--soft);margin-top:.35rem;max-width:46rem} .narrow{display:none}
details{margin:.8rem 0} summary{cursor:pointer;color:@accent;padding:.3rem 0} a{color:@accent}
:focus-visible{outline:2px solid @accent;outline-offset:2px} code{font:.88em
ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
footer{margin-top:3rem;padding-bottom:3rem;color:var(--soft);font-size:.85rem} @media (max-width:600px){
 header{padding-top:1.25rem} h1{font-size:1.4rem} .wide{display:none} .narrow{display:block}
 main,header,footer{padding-left:1rem;padding-right:1rem} th,td{padding:.35rem .5rem}
 caption span{display:block;position:sticky;left:0;max-width:calc(100vw - 2.5rem)}
 tbody th{white-space:normal;min-width:7.5rem;position:sticky;left:0;background:var(--paper)}
}
@media print{.whole{white-space:nowrap}
.scroll{overflow:visible} details>*{display:block} h2{break-after:avoid}
figure{break-inside:avoid}}
"""
