"""The look of the page, on screens and on paper."""

CSS = """
:root { color-scheme: light dark; --ink: #1b1c1f; --muted: #5b6069; --rule: #d7d9de; --paper: #ffffff;
  --ground: #f6f7f8; --accent: #005a8f; --good: #00674b; --bad: #a33c00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e7e8ea; --muted: #a4a9b2; --rule: #3a3d44; --paper: #16171a; --ground: #202226;
    --accent: #6db9ea; --good: #4cc9a0; --bad: #ff9d62; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .5rem; padding-top: .7rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .3rem; overflow-wrap: anywhere; }
p { margin: .4rem 0 .7rem; max-width: 78ch; overflow-wrap: anywhere; }
a { color: var(--accent); }
nav { margin: 1rem 0; font-size: .92rem; }
nav a { display: inline-block; margin: 0 .9rem .2rem 0; text-decoration: none; }
nav a:hover { text-decoration: underline; }
.lead, .quiet, figcaption { color: var(--muted); }
.quiet, figcaption { font-size: .88rem; }
.warn { border-left: 4px solid var(--bad); background: var(--ground); padding: .45rem .8rem; }
.numbers { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
.numbers li { background: var(--ground); border-radius: 6px; padding: .5rem .9rem; min-width: 7rem; }
.numbers b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.numbers span { color: var(--muted); font-size: .85rem; }
.wide { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: break-word; max-width: 28rem; }
th { color: var(--muted); font-weight: 600; border-bottom-color: var(--muted); }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.board td:nth-child(3) { min-width: 13rem; }
tr.best td { font-weight: 600; }
figure { margin: .8rem 0 1.3rem; }
figcaption { max-width: 78ch; margin-top: .25rem; overflow-wrap: anywhere; }
.plot svg { display: block; max-width: 100%; height: auto; }
.side { display: flex; flex-wrap: wrap; gap: 0 1.6rem; align-items: flex-start; }
.side > * { min-width: 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1.1rem; font-size: .92rem; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--accent); }
pre { background: var(--ground); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto; font-size: .82rem;
  line-height: 1.45; }
code { font-size: .9em; overflow-wrap: anywhere; }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: .6rem; color: var(--muted);
  font-size: .85rem; }
@page { margin: 16mm 14mm; }
@media print {
  :root { --ink: #000000; --muted: #40444c; --rule: #c4c7cd; --paper: #ffffff; --ground: #ffffff;
    --accent: #000000; --good: #000000; --bad: #000000; color-scheme: light; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  h2 { break-after: avoid; margin-top: 1.4rem; }
  h3, summary { break-after: avoid; }
  figure, tr, .numbers { break-inside: avoid; }
  .plot svg { max-height: 225mm; }
  .wide { overflow: visible; }
  table { font-size: 7.5pt; max-width: 100%; }
  th, td { overflow-wrap: anywhere; padding-right: .45rem; }
  thead { display: table-header-group; }
  pre { white-space: pre-wrap; }
  table.board td:nth-child(3) { min-width: 0; }
  .side { display: block; }
  details:not([open]) { display: none; }
  section.page { break-before: page; }
}
"""
