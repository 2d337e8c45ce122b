//! How the page looks: on a light and a dark screen, and on paper.

/// Without the classes of charts.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--soft:#59636e;--grid:#d9dde2;--band:#f3f5f7;--good:#1a7f37;\
--bad:#cf222e;--c0:#0072b2;--c1:#d55e00;--c2:#777;--c3:#009e73}\
@media screen and (prefers-color-scheme:dark){:root{--paper:#0f1317;--ink:#e6e9ed;--soft:#9aa4af;--grid:#30363d;\
--band:#191f26;--good:#4cc26a;--bad:#ff7b72;--c0:#58a9e0;--c1:#f0883e;--c2:#a8a8a8;--c3:#3fc79a}}\
*{box-sizing:border-box}\
body{font:15px/1.5 system-ui,sans-serif;background:var(--paper);color:var(--ink);max-width:78rem;margin:2rem auto;\
padding:0 1rem}\
h1{font-size:1.5rem;margin:0 0 .5rem}h2{font-size:1.2rem;margin:2.5rem 0 .2rem}h3{font-size:1rem;margin:1.5rem 0 .2rem}\
p{margin:.3rem 0}.soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}\
.wide{overflow-x:auto}table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}\
th,td{padding:.2rem .9rem .2rem 0;border-bottom:1px solid var(--grid);text-align:right;vertical-align:baseline}\
th{font-weight:600}th:first-child,td:first-child{text-align:left}tbody th{font-weight:normal}\
.spread{color:var(--soft);font-size:.87em;white-space:nowrap}td,th{overflow-wrap:anywhere}\
.about th,.about td{text-align:left;vertical-align:top}.about th{color:var(--soft);white-space:nowrap}\
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(30rem,100%),1fr));gap:1rem 1.5rem;margin:1rem 0}\
.chart{width:100%;height:auto;display:block}\
.plot{vertical-align:middle}.dots{width:240px;height:18px;display:block}.dots .middle{stroke:var(--soft)}.dots .before{fill:var(--grid)}\
.dots .bar{stroke-width:2;stroke:var(--soft)}.dots .dot{fill:var(--soft)}.dots text{font:10px sans-serif;fill:var(--soft)}\
.dots.good .bar{stroke:var(--good)}.dots.good .dot{fill:var(--good)}\
.dots.bad .bar{stroke:var(--bad)}.dots.bad .dot{fill:var(--bad)}\
details{margin:.8rem 0}summary{cursor:pointer}\
pre{font:13px/1.45 ui-monospace,monospace;background:var(--band);padding:.7rem .9rem;overflow-x:auto;\
white-space:pre-wrap;overflow-wrap:anywhere}code{font:.92em ui-monospace,monospace}\
@media print{body{font-size:11px;margin:0;max-width:none}.charts{grid-template-columns:1fr 1fr;gap:.5rem}\
.chart,tr{break-inside:avoid}h2,h3{break-after:avoid}.wide{overflow:visible}}";
