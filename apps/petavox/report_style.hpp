#pragma once
// How a report looks: light or dark as the reader's system is, wide or narrow.

namespace petavox::app {

inline constexpr const char* report_style = R"css(
:root{--bg:#fbfbfa;--fg:#1d1f21;--dim:#62666b;--line:#dcdcd8;--card:#fff;--fill:#2b7bba;--warm:#c85a17;--bad:#b3261e;--good:#26753a}
@media(prefers-color-scheme:dark){:root{--bg:#17191b;--fg:#e6e6e3;--dim:#9da1a6;--line:#34373b;--card:#1f2225;--fill:#5aa6e0;--warm:#ef8b4b;--bad:#ff8a80;--good:#7bc98f}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.45 system-ui,sans-serif}
main{max-width:1000px;margin:0 auto;padding:12px 14px 60px}
h1{font-size:1.5rem;margin:.4em 0 .2em;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:1.8em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:.95rem;font-weight:600;margin:1em 0 .2em}
p{margin:.4em 0}.dim{color:var(--dim)}.bad{color:var(--bad)}.good{color:var(--good)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:14px 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:8px 12px}
.facts b{display:block;font-size:1.2rem;font-variant-numeric:tabular-nums}
.facts span{color:var(--dim);font-size:.85rem}
.scroll,.plot{overflow-x:auto}
table{border-collapse:collapse;font-size:.87rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:4px 9px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--dim);font-weight:500}th:first-child,td:first-child,.left{text-align:left}td:first-child{white-space:normal}
td.text{white-space:normal;overflow-wrap:anywhere;min-width:16em;text-align:left}
code,pre{font:.82rem ui-monospace,monospace;overflow-wrap:anywhere}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px;overflow-x:auto;max-height:30em}
svg{display:block;width:100%;height:auto}
.plot>svg{min-width:560px}.map .plot>svg{min-width:0}
svg text{font-size:12px;fill:var(--dim);font-family:system-ui,sans-serif}
.grid{stroke:var(--line)}.launch{stroke:var(--bad);stroke-dasharray:3 3}.predicted{stroke:var(--fg);stroke-width:2;stroke-dasharray:5 4}
.fill,.heat{fill:var(--fill)}.curve{fill:none;stroke:var(--fill);stroke-width:2}.curve.second{stroke:var(--warm)}
.c0{fill:#3b82c4}.c1{fill:#e07b39}.c2{fill:#3f9d6b}.c3{fill:#c9a227}.c4{fill:#8a63b8}.c5{fill:#c2525f}.c6{fill:#4aa9a4}.c7{fill:#a06a43}.c8{fill:#7f8893}.c9{fill:#d072ad}
.legend span{display:inline-flex;align-items:center;gap:5px;margin-right:12px;font-size:.87rem}.legend svg{width:12px;height:12px}
.maps,.pictures{display:flex;flex-wrap:wrap;gap:18px}figure{margin:0}.map{flex:1 1 260px;max-width:420px}
figcaption{color:var(--dim);font-size:.85rem;overflow-wrap:anywhere}
.pictures figure{flex:1 1 300px;max-width:512px}.pictures img{width:100%;image-rendering:auto;border-radius:6px;display:block}
details{margin:.6em 0}summary{cursor:pointer}
)css";

}  // namespace petavox::app
