"""The style sheet of the report: light and dark, wide and narrow, screen and paper."""

PAGE_STYLE = """
:root{color-scheme:light dark;--ground:#fff;--panel:#f6f8fa;--ink:#1f2328;--muted:#59636e;
--edge:#d5dae0;--shade:#0003;--accent:#1d5fd1;--good:#157a3e;--warn:#a8480a}
@media screen and (prefers-color-scheme:dark){:root{--ground:#0d1117;--panel:#161b22;--ink:#e6e8eb;
--muted:#9aa4af;--edge:#30363d;--shade:#fff5;--accent:#79b0ff;--good:#5fd38a;--warn:#ffab5e}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main,header,footer{max-width:1020px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
h1{font-size:1.6rem;margin:0 0 .2em;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:2.2em 0 .6em;padding-top:.6em;border-top:1px solid var(--edge)}
h3{font-size:1rem;margin:1.4em 0 .4em}
p{margin:.5em 0;overflow-wrap:anywhere}
.muted,figcaption{color:var(--muted)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.88em}
code{background:var(--panel);border-radius:4px;padding:.1em .3em;overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--edge);border-radius:6px;padding:12px;
white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;margin:18px 0}
.card{background:var(--panel);border:1px solid var(--edge);border-radius:8px;padding:12px 14px}
.card b{display:block;font-size:1.35rem;line-height:1.25;overflow-wrap:anywhere}
.card span{color:var(--muted);font-size:.86rem;display:block}
ul.findings{list-style:none;padding:0;margin:.6em 0}
ul.findings li{padding:.35em 0 .35em 1.5em;position:relative;overflow-wrap:anywhere}
ul.findings li::before{position:absolute;left:0;content:"•";color:var(--muted)}
ul.findings li.good::before{content:"✓";color:var(--good)}
ul.findings li.warning::before{content:"!";color:var(--warn);font-weight:700;left:.2em}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:18px}
.slices{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,270px),1fr));gap:14px}
figure{margin:0}
.wide+p{margin-top:.8em}
figcaption{font-size:.86rem;margin-top:.2em}
svg.plot{width:100%;height:auto;display:block}
.plots svg.plot{max-width:520px}
.slices svg.plot{max-width:340px}
.wide{overflow-x:auto;background:linear-gradient(90deg,var(--ground) 40%,transparent) 0 0/32px 100%
local,linear-gradient(270deg,var(--ground) 40%,transparent) 100% 0/32px 100% local,
linear-gradient(90deg,var(--shade),transparent) 0 0/10px 100% scroll,
linear-gradient(270deg,var(--shade),transparent) 100% 0/10px 100% scroll;
background-repeat:no-repeat}
.wide>svg.plot{min-width:700px}
svg.plot .band:hover,svg.plot .faded:hover{stroke-width:3;opacity:1}
table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.3em .7em;border-bottom:1px solid var(--edge);white-space:nowrap}
th{color:var(--muted);font-weight:600}
th:first-child,td:first-child{text-align:left}
table.text td{text-align:left;white-space:normal;vertical-align:top;overflow-wrap:break-word}
table.text td:first-child{white-space:nowrap}
table.text td:nth-child(2){min-width:9em}
table.text th{text-align:left}
tbody tr:first-child td{font-weight:600}
table.plain tbody tr:first-child td{font-weight:400}
details{margin:1em 0}
summary{cursor:pointer;color:var(--accent)}
footer{color:var(--muted);font-size:.86rem;padding-top:20px;padding-bottom:40px}
@media (max-width:520px){main,header,footer{padding:0 14px}header{padding-top:18px}
h1{font-size:1.3rem}.card b{font-size:1.15rem}.cards{grid-template-columns:1fr 1fr}}
.paper{display:none}
@media print{body{font-size:10pt}.cards{grid-template-columns:repeat(auto-fit,minmax(110px,1fr))}
h2,h3,summary,p:has(+pre){break-after:avoid}
figure,.card,tr,li,pre,.wide:has(>svg){break-inside:avoid}
.wide{overflow:visible;background:none}.wide>svg.plot{min-width:0}
pre,code{border:none}main,header{max-width:none}
.plots{grid-template-columns:1fr 1fr}.slices{grid-template-columns:1fr 1fr 1fr}
table{font-size:8pt}th,td{padding:.2em .4em}table.text td{overflow-wrap:anywhere}
table.many{font-size:7pt}table.many :is(th,td):nth-child(n+12){display:none}.paper{display:block}
details::details-content{content-visibility:visible;display:block;block-size:auto}
summary{list-style:none;color:var(--ink);font-weight:600}}
"""
