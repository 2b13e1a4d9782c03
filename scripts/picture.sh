#!/usr/bin/env bash
# Draws docs/demo.svg from a real run: runs `vaultfs demo --fast`, and renders what it said as a terminal.
#
#   scripts/picture.sh [PROGRAM]      PROGRAM: a vaultfs that is built already, with cloud-sim beside it
. "$(dirname "$0")/lib.sh"
need_build
need_fuse
program=${1:-}
if [ -z "$program" ]; then
  cargo build --quiet --release --workspace --bin vaultfs --bin cloud-sim
  program=${CARGO_TARGET_DIR:-$ROOT/target}/release/vaultfs
fi
said=$(mktemp)
trap 'rm -f "$said"' EXIT
"$program" demo --fast >"$said"

awk -v prompt='$ vaultfs demo --fast' '
  function escaped(text) {
    gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
    return text
  }
  # One line of the terminal; the kind of line gives it its colour.
  function draw(text,   kind) {
    kind = "say"
    if (text ~ /^[0-9]+\. /) kind = "step"
    else if (text ~ /^ *[a-z]*\$ / || continued) kind = "run"
    else if (text ~ /^   ok: / || text ~ /checks held/) kind = "ok"
    else if (text ~ /^   FAILED: /) kind = "failed"
    else if (text ~ /^     /) kind = "out"
    continued = (kind == "run" && text ~ /\\$/)
    if (length(text) > widest) widest = length(text)
    line[++lines] = escaped(text)
    class[lines] = kind
  }
  BEGIN { advance = 8.43; leading = 19; margin = 22; bar = 40; draw(prompt) }
  { draw($0) }
  END {
    width = int(widest * advance + 2 * margin + 0.5)
    height = bar + lines * leading + margin
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", width, height, width, height
    print "<title>vaultfs demo --fast</title>"
    print "<style>"
    print "text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;white-space:pre;fill:#c9d1d9}"
    print ".step{fill:#ffffff;font-weight:bold}.run{fill:#79c0ff}.ok{fill:#7ee787}.failed{fill:#ff7b72}.out{fill:#9da7b3}"
    print "</style>"
    printf "<rect width=\"%d\" height=\"%d\" rx=\"10\" fill=\"#0d1117\"/>\n", width, height
    print "<circle cx=\"24\" cy=\"20\" r=\"6\" fill=\"#ff5f56\"/><circle cx=\"44\" cy=\"20\" r=\"6\" fill=\"#ffbd2e\"/><circle cx=\"64\" cy=\"20\" r=\"6\" fill=\"#27c93f\"/>"
    for (at = 1; at <= lines; at++)
      if (line[at] != "")
        printf "<text class=\"%s\" x=\"%d\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", class[at], margin, bar + at * leading - 4, line[at]
    print "</svg>"
  }
' "$said" >docs/demo.svg
say "docs/demo.svg: $(wc -l <"$said") lines of terminal"
