"""Style and script of the page, byte for byte what its security policy names the hashes of."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--bg:#f5f6f8;--card:#fff;--ink:#1a1f2b;--soft:#5b6474;--line:#dfe3ea;--tint:#f0f2f6;
--accent:#2f5bd8;--ok:#1f7a4d;--okbg:#e2f3ea;--no:#b3261e;--nobg:#fce8e6;--err:#a4520a;--errbg:#fdeedd;
--unk:#6b5b00;--unkbg:#fbf3cf;--end:#7a2fb8;--endbg:#f2e6fb}
@media (prefers-color-scheme:dark){:root{--bg:#0f1218;--card:#171b23;--ink:#e6e9ef;--soft:#9aa4b5;--line:#2a303c;
--tint:#1e232d;--accent:#8aa9ff;--ok:#6fd3a0;--okbg:#12322280;--no:#ff8f86;--nobg:#47181580;--err:#ffb066;
--errbg:#43290f80;
--unk:#e6cf60;--unkbg:#3a330d80;--end:#d0a2ff;--endbg:#35194d80}}
*{box-sizing:border-box}
[hidden]{display:none!important}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
overflow-wrap:anywhere}
header,main,footer{max-width:1160px;margin:0 auto;padding:0 20px}
header{padding-top:28px}
.brand{margin:0;color:var(--soft);font-size:13px;font-weight:600;letter-spacing:.04em}
h1{margin:2px 0 6px;font-size:26px;line-height:1.25;font-weight:650}
h2{margin:0;font-size:18px;font-weight:650}
h3{margin:18px 0 6px;font-size:15px;font-weight:600}
.subject{margin:0 0 14px}
.asked{display:inline-block;margin-right:14px}
nav{display:flex;flex-wrap:wrap;gap:6px;margin:0 0 18px}
nav a{padding:4px 12px;border:1px solid var(--line);border-radius:99px;background:var(--card);color:var(--ink);
font-size:13px;text-decoration:none}
nav a:hover,nav a:focus-visible{border-color:var(--accent);color:var(--accent)}
a{color:var(--accent)}
section{margin:0 0 16px;padding:18px 20px;background:var(--card);border:1px solid var(--line);border-radius:10px}
.head{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:4px 16px;margin-bottom:12px}
.proof{color:var(--soft);font-size:12px;text-decoration:none}
.proof:hover{text-decoration:underline}
.noun,.none,.hint,.many,.day,.evidence,.run,.why{color:var(--soft)}
.hint{margin:8px 0 0;font-size:13px}
code,pre,.seq,.n{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.87em}
code{padding:1px 5px;border-radius:4px;background:var(--tint)}
pre{margin:2px 0 0;padding:8px 10px;border-radius:6px;background:var(--tint);white-space:pre-wrap;max-height:22em;
overflow:auto}
.badge{display:inline-block;padding:0 8px;border-radius:99px;background:var(--tint);color:var(--soft);font-size:12px;
font-weight:600;line-height:20px}
.badge.ok{background:var(--okbg);color:var(--ok)}
.badge.denied,.badge.sev-critical,.badge.sev-high{background:var(--nobg);color:var(--no)}
.badge.error,.badge.sev-medium{background:var(--errbg);color:var(--err)}
.badge.unknown,.badge.sev-low{background:var(--unkbg);color:var(--unk)}
.badge.ends{background:var(--endbg);color:var(--end)}
.badge.other{background:var(--tint);color:var(--soft)}
.chip{display:inline-block;padding:0 7px;border:1px solid var(--line);border-radius:5px;font-size:12px;
line-height:20px;font-weight:400;text-decoration:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:10px}
.tile{padding:10px 14px;border:1px solid var(--line);border-radius:8px}
.tile b{display:block;font-size:24px;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
.tile.denied b{color:var(--no)}.tile.error b{color:var(--err)}.tile.unknown b{color:var(--unk)}
.period{margin:12px 0 0}
time{font-variant-numeric:tabular-nums;white-space:nowrap}
.day{font-size:.85em}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin-bottom:10px;font-size:13px;color:var(--soft)}
.key{display:inline-flex;align-items:center;gap:5px}
.lane{margin-bottom:6px}
.lane .who{overflow-wrap:anywhere;font-size:13px;font-weight:600}
.lane .who .run,.lane .who .many{font-weight:400;margin-left:6px}
.track{display:block;overflow:visible}
.rail{stroke:var(--line);stroke-width:2}
.silence{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.mark{stroke:var(--card);stroke-width:1}
.mark.ok{fill:var(--ok)}.mark.denied{fill:var(--no)}.mark.error{fill:var(--err)}.mark.ends{fill:var(--end)}
.mark.unknown{fill:var(--card);stroke:var(--unk);stroke-width:2}.mark.other{fill:var(--soft)}
.track a:hover .mark,.track a:focus .mark{stroke:var(--accent);stroke-width:3}
.axis{display:flex;justify-content:space-between;gap:10px;border-top:1px solid var(--line);padding-top:4px;
color:var(--soft);font-size:12px;
font-variant-numeric:tabular-nums}
.tree{font-size:14px}
.tree details>div{margin-left:9px;padding-left:14px;border-left:1px solid var(--line)}
.tree summary{padding:3px 0;cursor:pointer}
.tree .leaf{padding:3px 0 3px 17px}
.tree .deep{color:var(--soft);font-size:12px}
.tree time{color:var(--soft);font-size:12px}
.controls{display:none;flex-wrap:wrap;align-items:center;gap:8px 14px;margin:0 0 10px;font-size:13px}
.scripted .controls{display:flex}
button,input[type=search]{padding:5px 12px;border:1px solid var(--line);border-radius:6px;background:var(--card);
color:var(--ink);font:inherit}
input[type=search]{flex:0 1 260px;min-width:0}
button{cursor:pointer}
button:hover{border-color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.scope{margin-bottom:18px}
.scope h3{margin-top:0}.scope h3 .run{margin-left:8px;font-weight:400}
.bar{display:block}.bar .rest{fill:var(--tint)}.bar .part{fill:var(--accent)}
.scope p{margin:6px 0}
.boxes{margin:0;padding:0;list-style:none}
.boxes li{display:flex;gap:8px;align-items:baseline;padding:2px 0}
.boxes .noun{flex:0 0 76px;font-size:12px}.boxes .denied .noun{color:var(--no)}.boxes .ok .noun{color:var(--ok)}
.finding{padding:2px 0 10px 14px;border-left:3px solid var(--line);margin-bottom:12px}
.finding.critical,.finding.high{border-color:var(--no)}.finding.medium{border-color:var(--err)}.finding.low{border-color:var(--unk)}
.finding h3{margin-top:0}.finding p{margin:4px 0}
.records{font-size:13px;color:var(--soft)}
table{width:100%;border-collapse:collapse;font-size:14px;table-layout:fixed}
th{padding:4px 10px 4px 0;border-bottom:1px solid var(--line);color:var(--soft);font-size:12px;font-weight:600;
text-align:left}
th:nth-child(1){width:156px}th:nth-child(3){width:170px}th:nth-child(4){width:190px}th:nth-child(5){width:124px}
td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
td .why,td .run{display:block;font-size:12px}
.evidence{font-size:12px}
td .plain{padding-left:17px}
td summary{cursor:pointer}
tr:target td{background:var(--tint)}
.gap td{color:var(--soft);font-size:13px;text-align:center}
.full{margin:6px 0 6px 17px}.full .noun{font-size:12px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:10px 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0}
.gaps{margin:0;padding-left:20px}
footer{padding-bottom:40px;color:var(--soft);font-size:13px}
@media (max-width:720px){
header,main,footer{padding-left:12px;padding-right:12px}
section{padding:14px 12px}
h1{font-size:21px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(96px,1fr))}
thead{display:none}
table,tbody{display:block}
tr{display:grid;grid-template-columns:1fr auto;gap:2px 10px;padding:8px 0;border-bottom:1px solid var(--line)}
td{display:block;padding:0;border:0}
.what,.who,.gap td{grid-column:1/-1}
.what{order:-1}.how{text-align:right}.how .why{display:inline}
.src{display:flex;gap:8px;font-size:12px}.who{font-size:12px}.who .run{display:inline}
td .plain{padding-left:0}
.tree .leaf{padding-left:14px}
.tree details>div{margin-left:5px;padding-left:8px}
}
@media print{
:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--tint:#f3f3f3}
body{font-size:11px}
header,main,footer{max-width:none;padding:0}
nav,.controls{display:none!important}
section{border:0;border-top:1px solid var(--line);border-radius:0;padding:10px 0;break-inside:auto}
.tile,tr,.finding,.lane,.scope h3{break-inside:avoid}
h2,h3{break-after:avoid}
details::details-content{content-visibility:visible;height:auto}
pre{max-height:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""

SCRIPT: Final = """
(function(){
var root=document.documentElement;root.classList.add('scripted');
document.querySelectorAll('[data-fold]').forEach(function(button){button.addEventListener('click',function(){
document.querySelectorAll('.tree details').forEach(function(one){one.open=button.dataset.fold==='open'})})});
var find=document.getElementById('find'),wrong=document.getElementById('wrong');
function narrow(){var want=find.value.toLowerCase();
document.querySelectorAll('#events tbody tr').forEach(function(row){
var off=row.classList.contains('gap')?want!==''||wrong.checked:
(want!==''&&row.textContent.toLowerCase().indexOf(want)<0)||
(wrong.checked&&(row.classList.contains('ok')||row.classList.contains('other')));
row.hidden=off})}
if(find){find.addEventListener('input',narrow);wrong.addEventListener('change',narrow)}
var shut=[];
addEventListener('beforeprint',function(){
document.querySelectorAll('details:not([open])').forEach(function(one){one.open=true;shut.push(one)})});
addEventListener('afterprint',function(){shut.forEach(function(one){one.open=false});shut=[]});
})();
"""
