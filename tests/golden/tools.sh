#!/bin/sh
# The developer tools as scripts call them: tokenize, logits, render. One line a case: ok NAME / not ok NAME why.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
tools=$root/${B:-build}/tools
case ${B:-build} in /*) tools=$B/tools ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
starter=$root/models/starter.gguf

say() { # NAME STATUS WHY
    if [ "$2" -eq 0 ]; then echo "ok $1"; else echo "not ok $1: $3"; fi
}

printf 'Where is my card?' | "$tools/tokenize" "$starter" > ids.txt 2> said
say tokenize_reads_standard_input $? "$(cat said)"
n=$(wc -w < ids.txt)
[ "$n" -gt 2 ] && ! grep -q '[^0-9 ]' ids.txt
say tokenize_writes_ids $? "$(cat ids.txt)"
"$tools/tokenize" nosuch.gguf < /dev/null > said 2>&1
[ $? -eq 1 ] && grep -q 'nosuch.gguf' said
say tokenize_names_a_missing_model $? "$(cat said)"

"$tools/logits" "$starter" ids.txt all.f32 > said 2>&1
say logits_reads_ids $? "$(cat said)"
bytes=$(wc -c < all.f32)
cut -d ' ' -f 1 ids.txt > first.txt
"$tools/logits" "$starter" first.txt first.f32 > said 2>&1
row=$(wc -c < first.f32)
[ "$row" -gt 4 ] && [ "$bytes" -eq $((n * row)) ]
say logits_writes_a_row_for_each_token $? "$bytes bytes for $n tokens, $row for one"
head -c "$row" all.f32 | cmp -s - first.f32
say logits_of_a_prefix_are_the_same $? "the first row differs"
echo '1 two' > bad.txt
"$tools/logits" "$starter" bad.txt out.f32 > said 2>&1
[ $? -eq 1 ] && grep -q '"two" is not a token id' said
say logits_names_what_is_no_id $? "$(cat said)"
echo '999999999' > bad.txt
"$tools/logits" "$starter" bad.txt out.f32 > said 2>&1
[ $? -eq 1 ] && [ -s said ]
say logits_refuses_an_id_past_the_vocabulary $? "$(cat said)"

printf '{%% for m in messages %%}<{{ m.role }}>{{ m.content }}{%% endfor %%}' > t.jinja
echo '{"messages": [{"role": "user", "content": "hi"}]}' | "$tools/render" t.jinja > said 2>&1
[ "$(cat said)" = '<user>hi' ]
say render_prints_what_the_template_makes $? "$(cat said)"
